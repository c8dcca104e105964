import { Bug } from "#base/assert.ts";
import { concatBytes } from "#base/bytes.ts";

interface Kept {
  readonly bytes: Uint8Array;
  /** When it came in, monotonic milliseconds. */
  readonly at: number;
}

/** Chunks before they are put together: a client may send byte by byte. */
const chunksMax = 256;

/**
 * The end of a session's input: what no backend has consumed for good yet. It never holds more than
 * `bytesMax`; the oldest goes first, and then what is left is not enough to begin anew with.
 */
export class KeptInput {
  readonly #bytesMax: number;
  #chunks: Kept[] = [];
  #start = 0;
  #end = 0;
  #consumed = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** All input that has come: the offset of the next byte. */
  get end(): number {
    return this.#end;
  }

  get consumed(): number {
    return this.#consumed;
  }

  /** Everything beyond the consumed offset is here. */
  get complete(): boolean {
    return this.#start <= this.#consumed;
  }

  /** When the oldest of it came in; undefined where there is nothing. */
  get oldestAt(): number | undefined {
    return this.#chunks[0]?.at;
  }

  append(bytes: Uint8Array, at: number): void {
    if (bytes.length === 0) return;
    if (this.#chunks.length === chunksMax) {
      const oldest = this.#chunks[0]!.at;
      this.#chunks = [{ bytes: concatBytes(this.#chunks.map((kept) => kept.bytes)), at: oldest }];
    }
    this.#chunks.push({ bytes, at });
    this.#end += bytes.length;
  }

  /** A backend has consumed everything before `offset`. */
  consume(offset: number): void {
    if (offset < this.#consumed || offset > this.#end)
      throw new Bug(`Consumed up to ${offset}, of ${this.#consumed} to ${this.#end}`);
    this.#consumed = offset;
    this.#dropBefore(offset);
  }

  /** Lets go what is too much, of the bytes before `sent` only. */
  shrink(sent: number): void {
    const excess = this.#end - this.#start - this.#bytesMax;
    if (excess > 0) this.#dropBefore(Math.min(this.#start + excess, sent));
  }

  /** What lies at `offset` and behind it, as far as it is in one piece; undefined: nothing. */
  from(offset: number): Uint8Array | undefined {
    if (offset >= this.#end) return undefined;
    if (offset < this.#start) throw new Bug("Input that is not kept any more");
    let at = this.#end;
    for (let i = this.#chunks.length - 1; ; i--) {
      const { bytes } = this.#chunks[i]!;
      at -= bytes.length;
      if (at <= offset) return bytes.subarray(offset - at);
    }
  }

  #dropBefore(offset: number): void {
    let count = 0;
    while (this.#start < offset) {
      const kept = this.#chunks[count]!;
      const cut = offset - this.#start;
      if (cut < kept.bytes.length) {
        this.#chunks[count] = { bytes: kept.bytes.subarray(cut), at: kept.at };
        this.#start = offset;
      } else {
        this.#start += kept.bytes.length;
        count++;
      }
    }
    if (count > 0) this.#chunks.splice(0, count);
  }
}
