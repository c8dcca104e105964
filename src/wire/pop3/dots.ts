/** Messages as the content of a multi-line response, in pieces. RFC 1939 §3 */
import { asBuffer, noBytes } from "../../base/bytes.ts";

const lf = 0x0a;
const cr = 0x0d;
const dot = 0x2e;
const feedDot = Buffer.from("\n.");

/**
 * Puts a dot before each line that begins with one. A line also begins behind an LF alone: there are
 * clients that end lines with it, and a message must not be able to end its response for them.
 */
export class DotStuffer {
  /** The last two octets so far; a response begins on a fresh line. */
  #beforeLast = cr;
  #last = lf;

  /** The next piece as it is to be sent: itself, or a copy with the dots. */
  push(piece: Uint8Array): Uint8Array {
    if (piece.length === 0) return piece;
    const bytes = asBuffer(piece);
    const first = this.#last === lf && bytes[0] === dot;
    this.#beforeLast = bytes.length > 1 ? bytes.at(-2)! : this.#last;
    this.#last = bytes.at(-1)!;
    let at = bytes.indexOf(feedDot);
    if (!first && at < 0) return piece;
    let count = first ? 1 : 0;
    for (let next = at; next >= 0; next = bytes.indexOf(feedDot, next + 2)) count++;
    const out = Buffer.allocUnsafe(bytes.length + count);
    let length = 0;
    let from = 0;
    if (first) out[length++] = dot;
    for (; at >= 0; at = bytes.indexOf(feedDot, from)) {
      length += bytes.copy(out, length, from, at + 1);
      out[length++] = dot;
      from = at + 1;
      // The dot itself is copied with what follows.
    }
    bytes.copy(out, length, from);
    return out;
  }

  /** What ends the response: a line end where the content has none, and the dot. */
  end(): Uint8Array {
    return Buffer.from(this.#last === lf && this.#beforeLast === cr ? ".\r\n" : "\r\n.\r\n");
  }
}

/** Cuts a message behind its header, the line that ends it, and a number of lines. RFC 1939 §7 */
export class TopCutter {
  #linesLeft: number;
  #inHeader = true;
  /** Of the line under way, without its LF. */
  #octets = 0;
  #lastIsCr = false;
  #done = false;

  constructor(lines: number) {
    this.#linesLeft = lines;
  }

  /** True when nothing more is wanted. */
  get done(): boolean {
    return this.#done;
  }

  /** The part of the next piece that belongs to it. */
  push(piece: Uint8Array): Uint8Array {
    if (this.#done) return noBytes;
    let at = 0;
    for (;;) {
      const feed = piece.indexOf(lf, at);
      if (feed < 0) break;
      this.#octets += feed - at;
      if (feed > at) this.#lastIsCr = piece[feed - 1] === cr;
      const isBlank = this.#octets === 0 || (this.#octets === 1 && this.#lastIsCr);
      this.#octets = 0;
      at = feed + 1;
      if (!this.#inHeader) this.#linesLeft--;
      else if (isBlank) this.#inHeader = false;
      if (this.#inHeader || this.#linesLeft > 0) continue;
      this.#done = true;
      return piece.subarray(0, at);
    }
    this.#octets += piece.length - at;
    if (piece.length > at) this.#lastIsCr = piece.at(-1) === cr;
    return piece;
  }
}
