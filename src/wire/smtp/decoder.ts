/** The server's side of SMTP and LMTP: octets in, commands and message data out. */
import { assert } from "../../base/assert.ts";
import { asBuffer } from "../../base/bytes.ts";
import { limits } from "../../base/limits.ts";
import { InputBuffer } from "../input.ts";
import type { SmtpCommand } from "./command.ts";
import { parseSmtpCommand } from "./command.ts";
import { BareLineEnds, DotDecoder } from "./dots.ts";
import type { Reply } from "./reply.ts";
import { SmtpSyntaxError } from "./reply.ts";

export type SmtpEvent =
  /** Nothing to be had before the next `push`. */
  | { readonly kind: "more" }
  | { readonly kind: "command"; readonly command: SmtpCommand }
  /** A line that does not fit the grammar, and the reply to it. */
  | { readonly kind: "error"; readonly reply: Reply }
  /** Octets of the message, never none; the memory is the receiver's to keep, not to change. */
  | { readonly kind: "data"; readonly bytes: Uint8Array }
  /**
   * The end of DATA, or of the octets of one BDAT. `bareCr`, `bareLf`: line ends other than CRLF
   * were seen since `startData` or the first `startChunk` of the message. Only the last BDAT of
   * a message tells the whole: a CR at the end of another one may find its LF.
   */
  | { readonly kind: "data-end"; readonly bareCr: boolean; readonly bareLf: boolean };

const more = { kind: "more" } as const;

/**
 * Cuts the octets of a client into command lines and message data. After the command DATA call
 * `startData` (with the 354) and after BDAT `startChunk`, or the octets are read as commands.
 */
export class SmtpDecoder {
  /** Set while the transaction under way has SMTPUTF8. */
  smtpUtf8 = false;

  readonly #input = new InputBuffer();
  #scanned = 0;
  /** A line that is too long is being dropped. */
  #skipping = false;
  #dots: DotDecoder | null = null;
  /** Octets left of a BDAT, -1 outside. */
  #chunkLeft = -1;
  #lineEnds = new BareLineEnds();

  /** Takes over a chunk; it must not be changed afterwards. */
  push(chunk: Uint8Array): void {
    this.#input.push(chunk);
  }

  /** Octets that wait here: pipelined input, that must be empty when STARTTLS arrives. */
  get buffered(): number {
    return this.#input.length;
  }

  /** Drops what is buffered: what was sent in clear text must not be read under TLS. */
  dropBuffered(): void {
    this.#input.take(this.#input.length);
    this.#scanned = 0;
  }

  /** The octets that follow are the text of DATA. */
  startData(): void {
    assert(this.#dots === null && this.#chunkLeft < 0, "No data is under way");
    this.#dots = new DotDecoder();
    this.#lineEnds = new BareLineEnds();
  }

  /** The next `size` octets are those of a BDAT; `first` of its message. RFC 3030 §2 */
  startChunk(size: number, first: boolean): void {
    assert(this.#dots === null && this.#chunkLeft < 0, "No data is under way");
    this.#chunkLeft = size;
    if (first) this.#lineEnds = new BareLineEnds();
  }

  /** The next event. */
  next(): SmtpEvent {
    this.#input.release();
    if (this.#dots !== null) return this.#data(this.#dots);
    if (this.#chunkLeft >= 0) return this.#chunk();
    const line = this.#line();
    if (line === null) return more;
    try {
      if (typeof line === "string") throw new SmtpSyntaxError(500, "5.5.2", line);
      return { kind: "command", command: parseSmtpCommand(line, this.smtpUtf8) };
    } catch (error) {
      if (!(error instanceof SmtpSyntaxError)) throw error;
      return { kind: "error", reply: error.reply };
    }
  }

  /**
   * A line outside the command grammar (AUTH): its octets without CRLF, null: more is needed, a
   * string: why it is not a line.
   */
  readLine(): Uint8Array | string | null {
    return this.#line();
  }

  #line(): Uint8Array | string | null {
    const input = this.#input;
    const feed = input.lineFeed(input.start + this.#scanned);
    if (feed < 0) {
      this.#scanned = input.length;
      if (input.length <= limits.lmtpLineBytesMax && !this.#skipping) return null;
      this.#skipping = true;
      input.start = input.end;
      this.#scanned = 0;
      return null;
    }
    const line = input.bytes.subarray(input.start, feed);
    input.start = feed + 1;
    this.#scanned = 0;
    const skipped = this.#skipping;
    this.#skipping = false;
    if (skipped || line.length > limits.lmtpLineBytesMax) return "Line too long";
    if (line.at(-1) !== 0x0d) return "Lines end with CRLF";
    return line.subarray(0, -1);
  }

  #data(dots: DotDecoder): SmtpEvent {
    const piece = dots.next(this.#input);
    if (piece === "more") return more;
    if (piece === "end") {
      this.#dots = null;
      return this.#dataEnd();
    }
    this.#lineEnds.scan(asBuffer(piece));
    return { kind: "data", bytes: piece };
  }

  #chunk(): SmtpEvent {
    if (this.#chunkLeft === 0) {
      this.#chunkLeft = -1;
      return this.#dataEnd();
    }
    const count = Math.min(this.#chunkLeft, this.#input.length);
    if (count === 0) return more;
    this.#chunkLeft -= count;
    const bytes = this.#input.take(count);
    this.#lineEnds.scan(asBuffer(bytes));
    return { kind: "data", bytes };
  }

  #dataEnd(): SmtpEvent {
    const { bareCr, bareLf } = this.#lineEnds;
    return { kind: "data-end", bareCr, bareLf };
  }
}
