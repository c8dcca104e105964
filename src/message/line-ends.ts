import { asBuffer, concatBytes, noBytes } from "#base/bytes.ts";

const LF = 0x0a;
const CR = 0x0d;
const oneCr = Uint8Array.of(CR);

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
    if (chunk.length === 0) return noBytes;
    const bytes = asBuffer(chunk);
    let parts: Uint8Array[] | undefined;
    let copied = 0;
    let at = bytes.indexOf(LF);
    if (at === 0) {
      if (!this.#afterCr) parts = [oneCr];
      at = bytes.indexOf(LF, 1);
    }
    while (at >= 0) {
      if (bytes[at - 1] !== CR) {
        (parts ??= []).push(bytes.subarray(copied, at), oneCr);
        copied = at;
        if (parts.length >= 4096) parts = [concatBytes(parts)];
      }
      at = bytes.indexOf(LF, at + 1);
    }
    this.#afterCr = bytes[bytes.length - 1] === CR;
    if (parts === undefined) return chunk;
    parts.push(bytes.subarray(copied));
    const out = concatBytes(parts);
    this.#added += out.length - chunk.length;
    return out;
  }
}

/** A whole message with CRLF line ends; the same array where it has them already. */
export function normaliseLineEnds(message: Uint8Array): Uint8Array {
  return new LineEndNormaliser().push(message);
}
