import { asBuffer } from "#base/bytes.ts";

const LF = 0x0a;
const CR = 0x0d;

/**
 * Makes every line end CRLF while a message arrives. A LF without CR before it becomes CRLF. A CR
 * without LF after it stays: it ends no line in RFC 5322 §2.3 and in nothing of ours, so it does no
 * harm, and changing it would damage binary parts. NUL stays as well. Whoever receives BINARYMIME
 * (RFC 3030 §3) must not use this at all.
 *
 * No byte is held back, so the result does not depend on how the message was cut into chunks.
 */
export class LineEndNormaliser {
  #afterCr = false;
  #added = 0;

  /** How many CRs were added so far. */
  get added(): number {
    return this.#added;
  }

  /** The bytes of `chunk` with CRLF line ends: the same array where there was nothing to do. */
  push(chunk: Uint8Array): Uint8Array {
    if (chunk.length === 0) return chunk;
    const bytes = asBuffer(chunk);
    const afterCr = this.#afterCr;
    this.#afterCr = bytes[bytes.length - 1] === CR;
    let at = bytes.indexOf(LF);
    if (at === 0 && afterCr) at = bytes.indexOf(LF, 1);
    while (at > 0 && bytes[at - 1] === CR) at = bytes.indexOf(LF, at + 1);
    if (at < 0) return chunk;
    const out = withCrs(bytes, at);
    this.#added += out.length - bytes.length;
    return out;
  }
}

/** `bytes` with a CR before every bare LF, the first of which is at `first`. */
function withCrs(bytes: Buffer, first: number): Buffer {
  let missing = 1;
  for (let at = first + 1; at < bytes.length; at++)
    if (bytes[at] === LF && bytes[at - 1] !== CR) missing++;
  const out = Buffer.allocUnsafe(bytes.length + missing);
  bytes.copy(out, 0, 0, first);
  out[first] = CR;
  out[first + 1] = LF;
  let to = first + 2;
  for (let at = first + 1; at < bytes.length; at++) {
    const byte = bytes[at]!;
    if (byte === LF && bytes[at - 1] !== CR) out[to++] = CR;
    out[to++] = byte;
  }
  return out;
}

/** A whole message with CRLF line ends; the same array where it has them already. */
export function normaliseLineEnds(message: Uint8Array): Uint8Array {
  return new LineEndNormaliser().push(message);
}
