/** The client's side of the grammar: octets of a server in, responses as generic values out. */
import { latin1 } from "../../base/bytes.ts";
import { limits } from "../../base/limits.ts";
import { InputBuffer } from "../input.ts";
import { announcementAt } from "./announcement.ts";
import type { Status } from "./response-writer.ts";
import { ImapSyntaxError, octet } from "./syntax.ts";

/**
 * A value of a response: an atom (also `BODY[HEADER.FIELDS (To)]<0>`, `\Seen`, `1:3`) is a string,
 * digits are a number, a quoted string or literal is octets, NIL is null.
 */
export type Token = string | number | Uint8Array | null | readonly Token[];

export type ResponseEvent =
  | { readonly kind: "more" }
  /** `+ text` */
  | { readonly kind: "continuation"; readonly text: string }
  /** `* OK ...`, or the tagged end of a command. */
  | {
      readonly kind: "status";
      readonly tag: string;
      readonly status: Status;
      /** The response code in capitals, and its arguments. */
      readonly code: string | null;
      readonly codeTokens: readonly Token[];
      readonly text: string;
    }
  /** `* 3 EXISTS`, `* LIST ...`: the name in capitals, the number before it, what follows. */
  | {
      readonly kind: "data";
      readonly name: string;
      readonly number: number | null;
      readonly tokens: readonly Token[];
    }
  /** The server broke the grammar; `line` shows where. The response is skipped. */
  | { readonly kind: "error"; readonly text: string; readonly line: string };

const more = { kind: "more" } as const;
/** A response may hold a message; more than this is not a mail server. */
const responseBytesMax = 4 * limits.messageBytesMax;
const statusForm = /^(\S+) (OK|NO|BAD|BYE|PREAUTH)(?: |$)/;
const numberForm = /^(?:0|[1-9][0-9]{0,15})$/;

/** Strict: every deviation from the grammar is an error. */
export class ResponseDecoder {
  readonly #input = new InputBuffer();
  #framed = 0;
  #scanned = 0;

  /** Takes over a chunk; it must not be changed afterwards. */
  push(chunk: Uint8Array): void {
    this.#input.push(chunk);
  }

  /** Takes what is buffered out, for what follows STARTTLS or COMPRESS. */
  takeBuffered(): Uint8Array {
    return this.#input.take(this.#input.length);
  }

  next(): ResponseEvent {
    const input = this.#input;
    for (;;) {
      input.release();
      if (input.length < this.#framed) return more;
      const feed = input.lineFeed(input.start + Math.max(this.#framed, this.#scanned));
      if (feed < 0) {
        this.#scanned = input.length;
        return input.length > responseBytesMax ? this.#drop(input.end, "Too large") : more;
      }
      const lineStart = input.start + this.#framed;
      const crlf = feed > lineStart && input.bytes[feed - 1] === octet.cr;
      if (!crlf) return this.#drop(feed + 1, "LF without CR");
      const line = this.#framed === 0 ? latin1(input.bytes, lineStart, feed - 1) : "";
      const plain = line.startsWith("+") || statusForm.test(line);
      const announced = plain ? null : announcementAt(input.bytes, lineStart, feed - 1);
      if (announced === null) return this.#response(feed, line);
      this.#framed = feed + 1 - input.start + announced.size;
      if (this.#framed > responseBytesMax) return this.#drop(feed + 1, "Literal too large");
    }
  }

  #drop(end: number, text: string): ResponseEvent {
    const input = this.#input;
    const shown = latin1(input.bytes, input.start, Math.min(end, input.start + 200));
    input.start = end;
    this.#framed = this.#scanned = 0;
    return { kind: "error", text, line: shown };
  }

  #response(feed: number, line: string): ResponseEvent {
    const input = this.#input;
    try {
      const reader = new TokenReader(input.bytes, input.start, feed - 1);
      const response = readResponse(reader, line);
      input.start = feed + 1;
      this.#framed = this.#scanned = 0;
      return response;
    } catch (error) {
      if (!(error instanceof ImapSyntaxError)) throw error;
      return this.#drop(feed + 1, error.message);
    }
  }
}

function readResponse(reader: TokenReader, line: string): ResponseEvent {
  if (line.startsWith("+")) {
    if (line[1] !== " " && line.length > 1) throw new ImapSyntaxError("Expected a space after +");
    return { kind: "continuation", text: line.slice(2) };
  }
  const match = statusForm.exec(line);
  if (match !== null) return readStatus(reader, match);
  reader.expect(octet.star);
  reader.expect(octet.space);
  const first = reader.atom(false);
  const number = numberForm.test(first) ? Number(first) : null;
  if (number !== null) reader.expect(octet.space);
  const name = number === null ? first : reader.atom(false);
  const tokens = reader.done ? [] : reader.spacedTokens();
  if (!reader.done) throw new ImapSyntaxError("Unexpected text at the end");
  return { kind: "data", name: name.toUpperCase(), number, tokens };
}

function readStatus(reader: TokenReader, match: RegExpExecArray): ResponseEvent {
  const tag = match[1]!;
  const status = match[2] as Status;
  reader.at += match[0].length;
  let code: string | null = null;
  let codeTokens: readonly Token[] = [];
  if (reader.skip(octet.bracket)) {
    code = reader.atom(true).toUpperCase();
    if (reader.peek() === octet.space) codeTokens = reader.spacedTokens(true);
    reader.expect(octet.unbracket);
    reader.skip(octet.space);
  }
  const text = reader.rest();
  return { kind: "status", tag, status, code, codeTokens, text };
}

class TokenReader {
  readonly #bytes: Buffer;
  readonly #end: number;
  at: number;
  #depth = 0;

  constructor(bytes: Buffer, start: number, end: number) {
    this.#bytes = bytes;
    this.#end = end;
    this.at = start;
  }

  get done(): boolean {
    return this.at >= this.#end;
  }

  peek(): number {
    return this.at < this.#end ? this.#bytes[this.at]! : -1;
  }

  skip(byte: number): boolean {
    if (this.peek() !== byte) return false;
    this.at++;
    return true;
  }

  expect(byte: number): void {
    if (!this.skip(byte)) throw new ImapSyntaxError(`Expected '${String.fromCharCode(byte)}'`);
  }

  /** What is left, as UTF-8. */
  rest(): string {
    const start = this.at;
    this.at = this.#end;
    return this.#bytes.toString("utf8", start, this.#end);
  }

  /** Tokens with a space before each, up to the end or what is none. */
  spacedTokens(inCode = false): Token[] {
    const tokens: Token[] = [];
    while (this.skip(octet.space) || (tokens.length > 0 && this.peek() === octet.open))
      tokens.push(this.token(inCode));
    return tokens;
  }

  token(inCode: boolean): Token {
    const byte = this.peek();
    if (byte === octet.open) return this.#list();
    if (byte === octet.quote) return this.#quoted();
    if (byte === octet.brace) return this.#literal();
    if (byte === octet.tilde && this.#bytes[this.at + 1] === octet.brace) {
      this.at++;
      return this.#literal();
    }
    const atom = this.atom(inCode);
    if (numberForm.test(atom)) {
      const value = Number(atom);
      return Number.isSafeInteger(value) ? value : atom;
    }
    return atom.toUpperCase() === "NIL" ? null : atom;
  }

  #list(): Token[] {
    if (++this.#depth > 2 * limits.mimeDepthMax + 16) throw new ImapSyntaxError("Too deep");
    this.expect(octet.open);
    const items: Token[] = [];
    while (!this.skip(octet.close)) {
      // RFC 9051 §9 (body, env-from, thread-list): lists may follow one another without a space.
      const adjacent =
        items.length > 0 && this.peek() === octet.open && Array.isArray(items.at(-1));
      if (items.length > 0 && !adjacent) this.expect(octet.space);
      items.push(this.token(false));
    }
    this.#depth--;
    return items;
  }

  #quoted(): Uint8Array {
    const out: number[] = [];
    for (this.at++; ; this.at++) {
      let byte = this.peek();
      if (byte === octet.quote) break;
      if (byte === octet.backslash) {
        this.at++;
        byte = this.peek();
        if (byte !== octet.quote && byte !== octet.backslash)
          throw new ImapSyntaxError("Bad escape in a quoted string");
      }
      if (byte <= 0 || byte === octet.cr || byte === octet.lf)
        throw new ImapSyntaxError("Bad octet in a quoted string");
      out.push(byte);
    }
    this.at++;
    return Uint8Array.from(out);
  }

  #literal(): Uint8Array {
    const close = this.#bytes.indexOf(octet.unbrace, this.at);
    const size = Number(latin1(this.#bytes, this.at + 1, Math.max(close, this.at + 1)));
    const start = close + 3;
    if (
      close < 0 ||
      !(size >= 0) ||
      start + size > this.#end ||
      this.#bytes[close + 2] !== octet.lf
    )
      throw new ImapSyntaxError("Bad literal");
    this.at = start + size;
    return this.#bytes.subarray(start, this.at);
  }

  /** An atom; brackets in it hold whatever they hold, but for a response code's own. */
  atom(inCode: boolean): string {
    const start = this.at;
    for (; this.at < this.#end; this.at++) {
      const byte = this.#bytes[this.at]!;
      if (byte === octet.bracket && !inCode) this.#skipBrackets();
      else if (isAtomEnd(byte) || (inCode && byte === octet.unbracket)) break;
    }
    if (this.at === start) throw new ImapSyntaxError("Expected a value");
    return latin1(this.#bytes, start, this.at);
  }

  /** Leaves `at` on the closing bracket. */
  #skipBrackets(): void {
    let quoted = false;
    for (; this.at < this.#end; this.at++) {
      const byte = this.#bytes[this.at]!;
      if (quoted && byte === octet.backslash) this.at++;
      else if (byte === octet.quote) quoted = !quoted;
      else if (byte === octet.unbracket && !quoted) return;
    }
    throw new ImapSyntaxError("Bracket without end");
  }
}

function isAtomEnd(byte: number): boolean {
  if (byte <= 0x20 || byte >= 0x7f) return true;
  return (
    byte === octet.open || byte === octet.close || byte === octet.quote || byte === octet.brace
  );
}
