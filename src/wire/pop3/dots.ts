/** Messages as the content of a multi-line response, in pieces. RFC 1939 §3 */
import { asBuffer, noBytes } from "../../base/bytes.ts";

const lf = 0x0a;
const cr = 0x0d;
const dot = 0x2e;
const lineDot = Buffer.from("\r\n.");

/**
 * Puts a dot before each line that begins with one. Only CRLF ends a line; whoever sends content with
 * bare LFs is to make them CRLF before, or a client that ends lines with them may see an end that is
 * none.
 */
export class DotStuffer {
  /** The last two octets so far; a response begins on a fresh line. */
  #beforeLast = cr;
  #last = lf;

  /** The next piece as it is to be sent: itself, or a copy with the dots. */
  push(piece: Uint8Array): Uint8Array {
    if (piece.length === 0) return piece;
    const bytes = asBuffer(piece);
    const first = this.#dotAcross(bytes);
    this.#beforeLast = bytes.length > 1 ? bytes.at(-2)! : this.#last;
    this.#last = bytes.at(-1)!;
    let at = first < 0 ? nextDot(bytes, 0) : first;
    if (at < 0) return piece;
    let count = 0;
    for (let dotAt = at; dotAt >= 0; dotAt = nextDot(bytes, dotAt)) count++;
    const out = Buffer.allocUnsafe(bytes.length + count);
    let length = 0;
    let from = 0;
    for (; at >= 0; at = nextDot(bytes, at)) {
      length += bytes.copy(out, length, from, at);
      out[length++] = dot;
      from = at;
      // The dot itself is copied with what follows.
    }
    bytes.copy(out, length, from);
    return out;
  }

  /** Where a line begins with a dot whose CRLF ends, or lies across, the piece before; else -1. */
  #dotAcross(bytes: Buffer): number {
    if (bytes[0] === dot) return this.#last === lf && this.#beforeLast === cr ? 0 : -1;
    return this.#last === cr && bytes[0] === lf && bytes[1] === dot ? 1 : -1;
  }

  /** What ends the response: a line end where the content has none, and the dot. */
  end(): Uint8Array {
    return Buffer.from(this.#last === lf && this.#beforeLast === cr ? ".\r\n" : "\r\n.\r\n");
  }
}

/** The next dot behind a CRLF that begins at `from` or later, or -1. */
function nextDot(bytes: Buffer, from: number): number {
  const at = bytes.indexOf(lineDot, from);
  return at < 0 ? -1 : at + 2;
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
