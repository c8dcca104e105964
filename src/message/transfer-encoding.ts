import { asBuffer, concatBytes, noBytes } from "#base/bytes.ts";
import { Refusal } from "#base/assert.ts";

/** Encodings that can be undone. RFC 2045 §6.1 */
export const transferEncodings = ["7bit", "8bit", "binary", "quoted-printable", "base64"] as const;
export type TransferEncoding = (typeof transferEncodings)[number];

/** The encoding of this name (lower case, as a parse gives it), or undefined. */
export function transferEncoding(name: string): TransferEncoding | undefined {
  return transferEncodings.find((known) => known === name);
}

/** Undoes a content transfer encoding piece by piece. The cut of the pieces does not matter. */
export interface TransferDecoder {
  /** What the bytes so far decode to. May be a view of `encoded`. */
  push(encoded: Uint8Array): Uint8Array;
  /** What was held back. */
  end(): Uint8Array;
}

/**
 * A decoder for `encoding`.
 *
 * @throws Refusal UNKNOWN-CTE where there is none. RFC 9051 §7.1
 */
export function transferDecoder(encoding: string): TransferDecoder {
  const known = transferEncoding(encoding);
  switch (known) {
    case "7bit":
    case "8bit":
    case "binary":
      return identity;
    case "base64":
      return new Base64Decoder();
    case "quoted-printable":
      return new QuotedPrintableDecoder();
    case undefined:
      throw new Refusal("UNKNOWN-CTE", "The part has an unknown content transfer encoding");
  }
}

/** The decoded bytes of a part's body. @throws Refusal UNKNOWN-CTE */
export function decodePart(body: Uint8Array, encoding: string): Uint8Array {
  const decoder = transferDecoder(encoding);
  const first = decoder.push(body);
  const last = decoder.end();
  return last.length === 0 ? first : concatBytes([first, last]);
}

/** How many bytes `decodePart` would give, without holding them. @throws Refusal UNKNOWN-CTE */
export function decodedSize(body: Uint8Array, encoding: string): number {
  const decoder = transferDecoder(encoding);
  let size = 0;
  for (let at = 0; at < body.length; at += sizeStep)
    size += decoder.push(body.subarray(at, at + sizeStep)).length;
  return size + decoder.end().length;
}
const sizeStep = 64 * 1024;

const identity: TransferDecoder = { push: (encoded) => encoded, end: () => noBytes };

const SKIP = 0x80;
const PAD = 0x81;
/** Value of each base64 character; SKIP for what RFC 2045 §6.8 says to ignore. */
const base64Values = new Uint8Array(256).fill(SKIP);
const base64Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
for (let value = 0; value < 64; value++) base64Values[base64Alphabet.charCodeAt(value)] = value;
base64Values[0x3d] = PAD;

/**
 * Base64, RFC 2045 §6.8. Whatever is not of the alphabet is ignored; padding ends a group, and more
 * may follow it. A last group without padding counts.
 */
class Base64Decoder implements TransferDecoder {
  #bits = 0;
  #count = 0;

  push(encoded: Uint8Array): Uint8Array {
    const values = base64Values;
    const out = Buffer.allocUnsafe(((encoded.length + 3) >> 2) * 3 + 3);
    const last = encoded.length - 3;
    let bits = this.#bits;
    let count = this.#count;
    let to = 0;
    let at = 0;
    while (at < encoded.length) {
      if (count === 0 && at < last) {
        // Four characters of the alphabet in a row are the rule.
        const a = values[encoded[at]!]!;
        const b = values[encoded[at + 1]!]!;
        const c = values[encoded[at + 2]!]!;
        const d = values[encoded[at + 3]!]!;
        if ((a | b | c | d) < SKIP) {
          out[to] = (a << 2) | (b >> 4);
          out[to + 1] = (b << 4) | (c >> 2);
          out[to + 2] = (c << 6) | d;
          to += 3;
          at += 4;
          continue;
        }
      }
      const value = values[encoded[at++]!]!;
      if (value < SKIP) {
        bits = (bits << 6) | value;
        if (++count < 4) continue;
        out[to++] = bits >> 16;
        out[to++] = bits >> 8;
        out[to++] = bits;
        bits = count = 0;
      } else if (value === PAD) {
        to = flushGroup(out, to, bits, count);
        bits = count = 0;
      }
    }
    this.#bits = bits;
    this.#count = count;
    return out.subarray(0, to);
  }

  end(): Uint8Array {
    const out = Buffer.alloc(2);
    const size = flushGroup(out, 0, this.#bits, this.#count);
    this.#bits = this.#count = 0;
    return out.subarray(0, size);
  }
}

/** Writes the whole bytes of an incomplete group; where the next byte goes. */
function flushGroup(out: Uint8Array, at: number, bits: number, count: number): number {
  let to = at;
  if (count === 2) out[to++] = bits >> 4;
  else if (count === 3) {
    out[to++] = bits >> 10;
    out[to++] = bits >> 2;
  }
  return to;
}

const CR = 0x0d;
const LF = 0x0a;
const EQUALS = 0x3d;
const SPACE = 0x20;
const TAB = 0x09;

/** Value of a hexadecimal digit, or -1. */
function hexValue(c: number): number {
  if (c >= 0x30 && c <= 0x39) return c - 0x30;
  const lower = c | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

/**
 * Quoted-printable, RFC 2045 §6.7. White space at a line's end is dropped, as is white space after
 * the `=` of a soft line break. `=` before anything else stays as it is.
 */
class QuotedPrintableDecoder implements TransferDecoder {
  /** Bytes at the end of a piece whose meaning depends on what follows: `=`, or white space. */
  #held: Buffer = asBuffer(noBytes);

  push(encoded: Uint8Array): Uint8Array {
    return this.#decode(encoded, false);
  }

  end(): Uint8Array {
    return this.#decode(noBytes, true);
  }

  #decode(piece: Uint8Array, final: boolean): Uint8Array {
    const held = this.#held;
    const input = held.length === 0 ? asBuffer(piece) : Buffer.concat([held, piece]);
    const length = input.length;
    const out = Buffer.allocUnsafe(length);
    let to = 0;
    let at = 0;
    this.#held = asBuffer(noBytes);
    while (at < length) {
      const c = input[at]!;
      if (c !== EQUALS && c !== SPACE && c !== TAB) {
        out[to++] = c;
        at++;
        continue;
      }
      let next = at + 1;
      if (c === EQUALS && next < length) {
        const high = hexValue(input[next]!);
        if (high >= 0) {
          const low = next + 1 < length ? hexValue(input[next + 1]!) : -1;
          if (low >= 0) {
            out[to++] = (high << 4) | low;
            at += 3;
            continue;
          }
          if (next + 1 < length || final) {
            out[to++] = c;
            at++;
            continue;
          }
          this.#held = Buffer.from(input.subarray(at));
          break;
        }
      }
      while (next < length && (input[next] === SPACE || input[next] === TAB)) next++;
      const excess = next - at - heldBytesMax;
      if (excess > 0) {
        // Only so much is held back for a line end, wherever the pieces were cut.
        const count = c === EQUALS ? 1 : excess;
        for (const stop = at + count; at < stop; at++) out[to++] = input[at]!;
        if (c === EQUALS) continue;
      }
      // A line end needs to be seen whole: CR may be followed by anything.
      const undecided = next === length || (input[next] === CR && next + 1 === length);
      if (undecided && !final) {
        this.#held = Buffer.from(input.subarray(at));
        break;
      }
      const lineEnd =
        next === length ||
        input[next] === LF ||
        (input[next] === CR && (next + 1 === length || input[next + 1] === LF));
      if (!lineEnd) {
        out[to++] = input[at++]!;
        if (c === EQUALS) continue;
        while (at < next) out[to++] = input[at++]!;
      } else if (c === EQUALS) at = next + (input[next] === CR ? 2 : 1);
      else at = next;
    }
    return out.subarray(0, to);
  }
}

/** White space that waits for a line end; a line of RFC 5322 has 998 characters. */
const heldBytesMax = 1_000;
