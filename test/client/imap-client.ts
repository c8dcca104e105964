import { concatBytes, fromLatin1, noBytes, utf8 } from "#base/bytes.ts";
import type { ByteStream } from "#base/stream.ts";
import { ResponseDecoder, type ResponseEvent, type Token } from "#wire/index.ts";

/** An untagged response as it arrived. */
export type Untagged = Exclude<ResponseEvent, { kind: "more" | "continuation" | "error" }>;

/** The end of a command. */
export interface Answer {
  readonly status: "OK" | "NO" | "BAD" | "BYE" | "PREAUTH";
  readonly code: string | null;
  readonly codeTokens: readonly Token[];
  readonly text: string;
  /** What came before it, in order. */
  readonly untagged: readonly Untagged[];
}

/** The server broke the grammar, or the connection ended. */
export class ImapClientError extends Error {
  override readonly name: string = "ImapClientError";
}

/** A command that had to succeed did not. */
export class ImapRefused extends ImapClientError {
  override readonly name = "ImapRefused";
  /** The response code. */
  readonly code: string | null;
  constructor(text: string, code: string | null) {
    super(text);
    this.code = code;
  }
}

/** Thrown where the connection ends: by BYE or without a word. */
export class ImapClosed extends ImapClientError {}

/**
 * A strict IMAP client for tests: one command at a time, every deviation from the grammar is an
 * error. Knows nothing of sockets or clocks.
 */
export class ImapClient {
  readonly #stream: ByteStream;
  readonly #decoder = new ResponseDecoder();
  #tag = 0;
  /** Called for every untagged response before the command ends. */
  onUntagged: ((response: Untagged) => void) | undefined;

  constructor(stream: ByteStream) {
    this.#stream = stream;
  }

  /** The next response. Errors: `ImapClientError`. */
  async receive(): Promise<Exclude<ResponseEvent, { kind: "more" | "error" }>> {
    for (;;) {
      const event = this.#decoder.next();
      if (event.kind === "error") throw new ImapClientError(`${event.text}: ${event.line}`);
      if (event.kind !== "more") return event;
      const chunk = await this.#stream.read();
      if (chunk === null) throw new ImapClosed("The connection ended");
      this.#decoder.push(chunk);
    }
  }

  /** Waits for the tagged end of the login that the proxy handed over, or of any tag. */
  async until(tag: string): Promise<Answer> {
    const untagged: Untagged[] = [];
    for (;;) {
      const event = await this.receive();
      if (event.kind === "continuation") throw new ImapClientError("Unexpected continuation");
      if (event.kind === "status" && event.tag === tag) return { ...event, untagged };
      untagged.push(event);
      this.onUntagged?.(event);
    }
  }

  async send(bytes: Uint8Array): Promise<void> {
    await this.#stream.write(bytes);
  }

  /** Runs a command; literals travel without waiting (LITERAL+). */
  async command(text: string, ...literals: readonly Uint8Array[]): Promise<Answer> {
    const tag = `c${++this.#tag}`;
    const pieces: Uint8Array[] = [utf8(`${tag} `)];
    const parts = text.split("{}");
    parts.forEach((part, index) => {
      pieces.push(utf8(part));
      const literal = literals[index];
      if (index < parts.length - 1)
        pieces.push(fromLatin1(`{${literal!.length}+}\r\n`), literal ?? noBytes);
    });
    pieces.push(fromLatin1("\r\n"));
    await this.send(concatBytes(pieces));
    return this.until(tag);
  }

  /** Runs a command that must be answered with OK. */
  async ok(text: string, ...literals: readonly Uint8Array[]): Promise<Answer> {
    const answer = await this.command(text, ...literals);
    if (answer.status !== "OK")
      throw new ImapRefused(
        `${text.slice(0, 80)}: ${answer.status} [${answer.code ?? ""}] ${answer.text}`,
        answer.code,
      );
    return answer;
  }

  close(): void {
    this.#stream.destroy();
  }
}

/** The text of a string token. */
export function tokenText(token: Token | undefined): string {
  if (token instanceof Uint8Array) return Buffer.from(token).toString("latin1");
  return typeof token === "string" || typeof token === "number" ? String(token) : "";
}

/** The elements of a list token; none for anything else. */
export function tokenList(token: Token | undefined): readonly Token[] {
  return isList(token) ? token : [];
}

function isList(token: Token | undefined): token is readonly Token[] {
  return Array.isArray(token);
}

/** The attributes of a FETCH response by name. */
export function fetchItems(response: Untagged): Map<string, Token> {
  const items = new Map<string, Token>();
  if (response.kind !== "data") return items;
  const list = tokenList(response.tokens[0]);
  for (let i = 0; i + 1 < list.length; i += 2)
    items.set(tokenText(list[i]).toUpperCase(), list[i + 1]!);
  return items;
}
