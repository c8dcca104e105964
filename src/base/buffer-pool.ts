import { limits } from "./limits.ts";

/** Buffers of one length that are used again when what they held has been sent. */
export class BufferPool {
  readonly bytes: number;
  readonly #spare: Buffer[] = [];

  /** @param bytes length of each buffer */
  constructor(bytes: number) {
    this.bytes = bytes;
  }

  /** A buffer with anything in it. */
  take(): Buffer {
    return this.#spare.pop() ?? Buffer.allocUnsafeSlow(this.bytes);
  }

  /** For a buffer from `take` that nobody reads any more. */
  give(buffer: Buffer): void {
    if (this.#spare.length < limits.spareOutputBuffersMax) this.#spare.push(buffer);
  }
}
