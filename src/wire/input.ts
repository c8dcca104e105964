/** Octets that have arrived and are not yet used up. */
import { asBuffer, noBytes } from "../base/bytes.ts";

const nothing = asBuffer(noBytes);

/**
 * A queue of octets in one piece of memory. What was given out stays as it is: memory is only
 * appended to, and left for a new piece when it is full.
 */
export class InputBuffer {
  bytes: Buffer = nothing;
  /** The unused octets are `bytes[start .. end)`. */
  start = 0;
  end = 0;
  /** Octets ever pushed. */
  total = 0;
  #owned = false;

  get length(): number {
    return this.end - this.start;
  }

  /** Takes over a chunk; it must not be changed afterwards. */
  push(chunk: Uint8Array): void {
    this.total += chunk.length;
    const left = this.length;
    if (left === 0) {
      this.bytes = asBuffer(chunk);
      this.start = 0;
      this.end = chunk.length;
      this.#owned = false;
      return;
    }
    if (!this.#owned || this.end + chunk.length > this.bytes.length)
      this.#move(left + chunk.length);
    this.bytes.set(chunk, this.end);
    this.end += chunk.length;
  }

  #move(need: number): void {
    const grown = Buffer.allocUnsafe(Math.max(1024, need * 2));
    this.bytes.copy(grown, 0, this.start, this.end);
    this.end -= this.start;
    this.start = 0;
    this.bytes = grown;
    this.#owned = true;
  }

  /** Lets go of the memory where nothing is left in it: idle connections hold none. */
  release(): void {
    if (this.start < this.end) return;
    this.bytes = nothing;
    this.start = this.end = 0;
    this.#owned = false;
  }

  /** Index of the first LF at or after `from`, or -1. */
  lineFeed(from: number): number {
    // Memory that was grown for what is still to come is not looked through again and again.
    if (this.end === this.bytes.length) return this.bytes.indexOf(0x0a, from);
    return this.bytes.subarray(0, this.end).indexOf(0x0a, from);
  }

  /** Uses up `count` octets and gives them as a view. */
  take(count: number): Uint8Array {
    const start = this.start;
    this.start += count;
    return this.bytes.subarray(start, this.start);
  }
}
