import { crc32 } from "#base/crc.ts";
import type { OutputPart } from "#hop/index.ts";

/**
 * How much of a session's output the client has got, and what it was, as far as a next backend may
 * say it again. While all of it belongs to the last state there is nothing to compare.
 */
export class DeliveredOutput {
  /** Bytes that the client has got. */
  #delivered = 0;
  /** CRC-32 of what it got from the anchor on; the anchor is the last state that had all delivered. */
  #hash = 0;
  #anchor = 0;
  /** Where the last state is, and the hash from the anchor to there. */
  #state = 0;
  #stateHash = 0;
  /** How far the present backend has come, and the hash from the anchor to there. */
  #said = 0;
  #saidHash = 0;

  /** Bytes of output that the last state includes. */
  get state(): number {
    return this.#state;
  }

  /** The client has got a part of a response whose end is not there yet. */
  get halfSent(): boolean {
    return this.#delivered > this.#state;
  }

  /** The next backend begins at the last state. */
  beginAgain(): void {
    this.#said = this.#state;
    this.#saidHash = this.#stateHash;
  }

  /**
   * What of the next part is new to the client, or undefined where it is not what the client got.
   * The new bytes count as delivered.
   */
  next({ offset, bytes, hash, done }: OutputPart): Uint8Array | undefined {
    if (offset !== this.#said) return undefined;
    const known = Math.min(this.#delivered - offset, bytes.length);
    this.#said = offset + bytes.length;
    if (known > 0) {
      this.#saidHash = crc32(bytes.subarray(0, known), this.#saidHash);
      if (offset + known === this.#delivered && this.#saidHash !== this.#hash) return undefined;
    }
    const fresh = known > 0 ? bytes.subarray(known) : bytes;
    if (fresh.length > 0) {
      this.#delivered = this.#said;
      // Behind a complete flush nothing of it is asked for again.
      if (done === undefined)
        this.#hash =
          hash !== undefined && this.#anchor === this.#state ? hash : crc32(fresh, this.#hash);
      this.#saidHash = this.#hash;
    }
    if (done !== undefined) this.#complete();
    return fresh;
  }

  #complete(): void {
    this.#state = this.#said;
    if (this.#delivered === this.#state) {
      this.#anchor = this.#state;
      this.#hash = 0;
      this.#saidHash = 0;
    }
    this.#stateHash = this.#saidHash;
  }
}
