import type { AlertName } from "./alerts.ts";
import { concatBytes } from "#base/bytes.ts";
import { ciphertextBytesMax, contentType, headerBytes } from "./record-protection.ts";

/**
 * Cuts what arrives, in pieces of any size, into records. Keeps at most one record that is not
 * complete yet, beside what was pushed and not asked for.
 */
export class RecordReader {
  #chunks: Buffer[] = [];
  /** Where the first chunk goes on. */
  #at = 0;
  /** The beginning of a record that goes on in chunks to come. */
  #partial: Buffer | undefined;
  #partialLength = 0;

  push(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#chunks.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  }

  /** True where a record has begun and is not complete. */
  get midRecord(): boolean {
    return this.#partialLength > 0 || this.#chunks.length > 0;
  }

  /**
   * The next record with its header, a view where it came in one piece; undefined: more bytes are
   * needed; the name of an alert: this is no record, and nothing after it is read. RFC 8446 §5.1
   */
  next(): Buffer | AlertName | undefined {
    const chunk = this.#chunks[0];
    if (chunk === undefined) return undefined;
    if (this.#partialLength === 0 && chunk.length - this.#at >= headerBytes) {
      const length = recordLength(chunk, this.#at);
      if (typeof length === "string") return length;
      if (chunk.length - this.#at >= length) {
        const record = chunk.subarray(this.#at, this.#at + length);
        this.#advance(length);
        return record;
      }
    }
    return this.#join();
  }

  /** All bytes that were not returned by `next`, in order. The reader is empty afterwards. */
  takeRest(): Uint8Array {
    const parts: Uint8Array[] = [];
    if (this.#partial !== undefined) parts.push(this.#partial.subarray(0, this.#partialLength));
    this.#chunks.forEach((chunk, i) => parts.push(i === 0 ? chunk.subarray(this.#at) : chunk));
    this.#chunks = [];
    this.#at = 0;
    this.#partial = undefined;
    this.#partialLength = 0;
    return concatBytes(parts);
  }

  /** A record that lies in several chunks: collected in memory of its own size. */
  #join(): Buffer | AlertName | undefined {
    let partial = (this.#partial ??= Buffer.allocUnsafe(headerBytes));
    for (;;) {
      const chunk = this.#chunks[0];
      if (chunk === undefined) return undefined;
      const copied = chunk.copy(partial, this.#partialLength, this.#at);
      this.#partialLength += copied;
      this.#advance(copied);
      if (this.#partialLength < partial.length) continue;
      const length = recordLength(partial, 0);
      if (typeof length === "string") return length;
      if (length === partial.length) {
        this.#partial = undefined;
        this.#partialLength = 0;
        return partial;
      }
      const whole = Buffer.allocUnsafe(length);
      partial.copy(whole);
      this.#partial = partial = whole;
    }
  }

  #advance(count: number): void {
    this.#at += count;
    if (this.#at < this.#chunks[0]!.length) return;
    this.#chunks.shift();
    this.#at = 0;
  }
}

function recordLength(bytes: Buffer, at: number): number | AlertName {
  const type = bytes[at]!;
  if (type < contentType.changeCipherSpec || type > contentType.applicationData)
    return "unexpected_message";
  const length = bytes.readUInt16BE(at + 3);
  return length > ciphertextBytesMax ? "record_overflow" : headerBytes + length;
}
