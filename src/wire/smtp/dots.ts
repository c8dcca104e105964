/**
 * The text of DATA: dots taken out, the end found. Only CRLF `.` CRLF ends it; a bare CR or LF is
 * content, so that nobody can smuggle a second message past a peer that reads otherwise.
 * RFC 5321 §4.5.2, §4.1.1.4
 */
import type { InputBuffer } from "../input.ts";

const cr = 0x0d;
const lf = 0x0a;
const dot = 0x2e;
const stuffed = Buffer.from("\r\n.");
/**
 * Text before a dot is copied where it is shorter than this: views of a few octets each, of a text
 * full of dots, would cost many times its size.
 */
const viewBytesMin = 4096;
const carriageReturn: Uint8Array = Uint8Array.of(cr);

/** Looks for line ends that are not CRLF, over any number of pieces. */
export class BareLineEnds {
  #bareCr = false;
  #bareLf = false;
  /** The piece before ended with CR. */
  #pending = false;

  /** A CR was seen that no LF follows, the last octet so far included. */
  get bareCr(): boolean {
    return this.#bareCr || this.#pending;
  }

  get bareLf(): boolean {
    return this.#bareLf;
  }

  /** Looks at the next piece. */
  scan(bytes: Buffer): void {
    const length = bytes.length;
    if (length === 0 || (this.#bareCr && this.#bareLf)) return;
    let at = 0;
    if (this.#pending) {
      if (bytes[0] === lf) at = 1;
      else this.#bareCr = true;
    }
    this.#pending = bytes[length - 1] === cr;
    let feed = bytes.indexOf(lf, at);
    let back = bytes.indexOf(cr, at);
    while (feed >= 0 || back >= 0) {
      if (back >= 0 && feed === back + 1) {
        at = feed + 1;
        feed = bytes.indexOf(lf, at);
        back = bytes.indexOf(cr, at);
        continue;
      }
      if (feed >= 0 && (back < 0 || feed < back)) {
        this.#bareLf = true;
        feed = this.#bareCr ? -1 : bytes.indexOf(lf, feed + 1);
      } else {
        if (back < length - 1) this.#bareCr = true;
        back = this.#bareLf ? -1 : bytes.indexOf(cr, back + 1);
      }
      if (this.#bareCr && this.#bareLf) return;
    }
  }
}

type Place = "text" | "cr" | "line" | "dot" | "dot-cr";

/** A piece of the text, "more" where the input is used up, "end" after the last dot. */
export type DotPiece = Uint8Array | "more" | "end";

export class DotDecoder {
  #place: Place = "line";

  /** The next piece, which is never empty; a view into the input where possible. */
  next(input: InputBuffer): DotPiece {
    for (;;) {
      if (input.length === 0) return "more";
      const first = input.bytes[input.start]!;
      switch (this.#place) {
        case "dot":
          this.#place = first === cr ? "dot-cr" : "text";
          if (first === cr) input.start++;
          continue;
        case "dot-cr":
          if (first === lf) {
            input.start++;
            return "end";
          }
          this.#place = "cr";
          return carriageReturn;
        case "line":
          if (first === dot) {
            input.start++;
            this.#place = "dot";
            continue;
          }
          return this.#run(input);
        case "cr":
          if (first === lf) {
            this.#place = "line";
            return input.take(1);
          }
          return this.#run(input);
        case "text":
          return this.#run(input);
      }
    }
  }

  /** Everything up to the next dot that has to go, or all there is. */
  #run(input: InputBuffer): Uint8Array {
    const found = input.bytes.indexOf(stuffed, input.start);
    const count = found < 0 ? input.length : found + 2 - input.start;
    if (found >= 0 && found + stuffed.length <= input.end) {
      if (count < viewBytesMin) return this.#squeeze(input);
      this.#place = "line";
      return input.take(count);
    }
    this.#settle(input, input.start);
    return input.take(input.length);
  }

  /** Where the text stands after all of the input, the rest of which begins at `from`. */
  #settle({ bytes, end }: InputBuffer, from: number): void {
    const last = bytes[end - 1];
    if (last === cr) this.#place = "cr";
    else this.#place = last === lf && end - from > 1 && bytes[end - 2] === cr ? "line" : "text";
  }

  /** Copies the input without its stuffed dots, as far as they are clear: one piece for many. */
  #squeeze(input: InputBuffer): Uint8Array {
    const { bytes, end } = input;
    const out = Buffer.allocUnsafe(input.length);
    let length = 0;
    let from = input.start;
    for (;;) {
      const found = bytes.indexOf(stuffed, from);
      if (found < 0 || found + stuffed.length > end) break;
      length += bytes.copy(out, length, from, found + 2);
      from = found + 2;
      const clear = from + 2 < end && !(bytes[from + 1] === cr && bytes[from + 2] === lf);
      if (!clear) {
        input.start = from;
        this.#place = "line";
        return out.subarray(0, length);
      }
      from++;
    }
    length += bytes.copy(out, length, from, end);
    input.start = end;
    this.#settle(input, from);
    return out.subarray(0, length);
  }
}
