/** The client's side of POP3: octets in, responses out. Strict: for clients that test servers. */
import { concatBytes, fromUtf8, latin1 } from "../../base/bytes.ts";
import { limits } from "../../base/limits.ts";
import { decodeBase64 } from "../base64.ts";
import { InputBuffer } from "../input.ts";
import { DotDecoder } from "../smtp/dots.ts";

export interface Pop3Status {
  readonly kind: "status";
  readonly ok: boolean;
  /** Without brackets; null where there is none. RFC 2449 §8 */
  readonly code: string | null;
  readonly text: string;
  /** Of a multi-line response, without the dots that were put in. */
  readonly content: Uint8Array | null;
}

export type Pop3ResponseEvent =
  | { readonly kind: "more" }
  | Pop3Status
  | { readonly kind: "challenge"; readonly data: Uint8Array }
  | { readonly kind: "error"; readonly text: string };

const more = { kind: "more" } as const;

export class Pop3ResponseDecoder {
  readonly #input = new InputBuffer();
  /** The status of a multi-line response whose content is on its way. */
  #status: Pop3Status | undefined;
  #dots = new DotDecoder();
  #pieces: Uint8Array[] = [];

  push(chunk: Uint8Array): void {
    this.#input.push(chunk);
  }

  /** @param multiline the response to this command has content if it is positive */
  next(multiline: boolean): Pop3ResponseEvent {
    if (this.#status !== undefined) return this.#content(this.#status);
    const input = this.#input;
    const feed = input.lineFeed(input.start);
    if (feed < 0) return input.length > limits.pop3SaslLineBytesMax ? tooLong : more;
    const line = latin1(input.take(feed - input.start + 1));
    if (!/^[^\r\n]*\r\n$/.test(line)) return { kind: "error", text: `A broken line: ${line}` };
    const challenge = /^\+ (\S*)\r\n$/.exec(line);
    if (challenge !== null) {
      const data = decodeBase64(challenge[1]!);
      return data === undefined
        ? { kind: "error", text: "Not base64" }
        : { kind: "challenge", data };
    }
    const match = /^(\+OK|-ERR)(?: (?:\[([^\]]*)\] ?)?(.*))?\r\n$/.exec(line);
    if (match === null) return { kind: "error", text: `No response: ${line}` };
    if (line.length > limits.pop3ResponseBytesMax) return tooLong;
    const [, indicator, code, text = ""] = match;
    const ok = indicator === "+OK";
    const readable = fromUtf8(Buffer.from(text, "latin1"));
    this.#status = { kind: "status", ok, code: code ?? null, text: readable, content: null };
    if (multiline && ok) return this.#content(this.#status);
    const status = this.#status;
    this.#status = undefined;
    return status;
  }

  #content(status: Pop3Status): Pop3ResponseEvent {
    for (;;) {
      const piece = this.#dots.next(this.#input);
      if (piece === "more") return more;
      if (piece === "end") break;
      this.#pieces.push(piece);
    }
    const content = concatBytes([new Uint8Array(0), ...this.#pieces]);
    this.#status = undefined;
    this.#dots = new DotDecoder();
    this.#pieces = [];
    return { ...status, content };
  }
}

const tooLong = { kind: "error", text: "A response line that is too long" } as const;
