import { asBuffer, FormatError, noBytes } from "#base/bytes.ts";
import { limits } from "#base/limits.ts";
import { decodeFrame, type Frame, frameHeaderBytes } from "./frames.ts";

/** Cuts frames out of chunks of any size. After a `FormatError` the carrier is of no use any more. */
export class FrameDecoder {
  /** The longest payload that is taken; small until the peer is known. */
  payloadBytesMax: number = limits.hopHelloBytesMax;
  #chunk: Uint8Array = noBytes;
  #at = 0;
  readonly #header = Buffer.alloc(frameHeaderBytes);
  #headerBytes = 0;
  /** The payload that is being collected, where it does not lie in one chunk. */
  #payload: Buffer | undefined;
  #payloadBytes = 0;

  /** The next chunk, to be given when `next` has nothing more; its memory is the decoder's. */
  push(chunk: Uint8Array): void {
    this.#chunk = chunk;
    this.#at = 0;
  }

  /** The next complete frame, or undefined where the next chunk is needed. @throws FormatError */
  next(): Frame | undefined {
    if (this.#headerBytes < frameHeaderBytes && !this.#takeHeader()) return undefined;
    const header = this.#header;
    const length = header.readUInt32LE(0);
    if (length > this.payloadBytesMax) throw new FormatError(`A frame of ${length} bytes`);
    const payload = this.#takePayload(length);
    if (payload === undefined) return undefined;
    this.#headerBytes = 0;
    return decodeFrame(header[4]!, header.readUInt32LE(5), payload);
  }

  #takeHeader(): boolean {
    const count = Math.min(frameHeaderBytes - this.#headerBytes, this.#chunk.length - this.#at);
    for (let i = 0; i < count; i++) this.#header[this.#headerBytes++] = this.#chunk[this.#at++]!;
    return this.#headerBytes === frameHeaderBytes;
  }

  #takePayload(length: number): Uint8Array | undefined {
    const left = this.#chunk.length - this.#at;
    if (this.#payload === undefined) {
      if (left >= length) {
        this.#at += length;
        return this.#chunk.subarray(this.#at - length, this.#at);
      }
      this.#payload = Buffer.allocUnsafe(length);
      this.#payloadBytes = 0;
    }
    const payload = this.#payload;
    const count = Math.min(left, length - this.#payloadBytes);
    asBuffer(this.#chunk).copy(payload, this.#payloadBytes, this.#at, this.#at + count);
    this.#at += count;
    this.#payloadBytes += count;
    if (this.#payloadBytes < length) return undefined;
    this.#payload = undefined;
    return payload;
  }
}
