/** The server's side of POP3: octets in, commands out. */
import { limits } from "../../base/limits.ts";
import { InputBuffer } from "../input.ts";
import { parsePop3Command, type Pop3Command, Pop3SyntaxError } from "./command.ts";

export type Pop3Event =
  /** Nothing to be had before the next `push`. */
  | { readonly kind: "more" }
  | { readonly kind: "command"; readonly command: Pop3Command }
  /** A line that is no command, and what to say to it. */
  | { readonly kind: "error"; readonly text: string }
  /** The connection is to be closed. */
  | { readonly kind: "fatal"; readonly text: string };

export type Pop3LineEvent =
  | Exclude<Pop3Event, { kind: "command" }>
  /** Without CRLF. */
  | { readonly kind: "line"; readonly bytes: Uint8Array };

const more = { kind: "more" } as const;

/** Cuts the octets of a client into commands, and into the lines of AUTH where it is asked so. */
export class Pop3Decoder {
  readonly #input = new InputBuffer();
  #scanned = 0;
  /** Octets of a line that is too long and is being dropped; 0: none is. */
  #skipped = 0;

  /** Takes over a chunk; it must not be changed afterwards. */
  push(chunk: Uint8Array): void {
    this.#input.push(chunk);
  }

  /** Octets that wait here: pipelined input, that must be none when STLS arrives. */
  get buffered(): number {
    return this.#input.length;
  }

  /** The next command. */
  next(): Pop3Event {
    const event = this.#line(limits.pop3LineBytesMax);
    if (event.kind !== "line") return event;
    try {
      return { kind: "command", command: parsePop3Command(event.bytes) };
    } catch (error) {
      if (!(error instanceof Pop3SyntaxError)) throw error;
      return { kind: "error", text: error.message };
    }
  }

  /** The next line outside the grammar of commands: a response within AUTH. */
  readLine(): Pop3LineEvent {
    return this.#line(limits.pop3SaslLineBytesMax);
  }

  #line(bytesMax: number): Pop3LineEvent {
    const input = this.#input;
    input.release();
    const feed = input.lineFeed(input.start + this.#scanned);
    if (feed < 0) return this.#unfinished(bytesMax);
    const line = input.take(feed - input.start);
    input.take(1);
    this.#scanned = 0;
    const length = this.#skipped + line.length + 1;
    this.#skipped = 0;
    if (length > bytesMax) return { kind: "error", text: "Line too long" };
    if (line.at(-1) !== 0x0d) return { kind: "error", text: "Lines end with CRLF" };
    return { kind: "line", bytes: line.subarray(0, -1) };
  }

  #unfinished(bytesMax: number): Pop3LineEvent {
    const input = this.#input;
    this.#scanned = input.length;
    if (this.#skipped === 0 && input.length < bytesMax) return more;
    this.#skipped += input.length;
    input.take(input.length);
    this.#scanned = 0;
    return this.#skipped > limits.pop3SwallowBytesMax
      ? { kind: "fatal", text: "Line much too long" }
      : more;
  }
}
