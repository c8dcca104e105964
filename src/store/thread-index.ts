import type { AccountState } from "./index/account-state.ts";

/**
 * Finds the thread of an earlier message by the hash of its Message-ID. Derived from the account's
 * state when an account gets its first new message, and thrown away with it; the thread that a
 * message got is in its record. RFC 8474 §5.2
 */
export class ThreadIndex {
  #hashes = new Float64Array(1024);
  #threads = new Uint32Array(1024);
  #count = 0;

  constructor(state: AccountState) {
    const { messageIdHash, thread } = state.messages.arrays;
    for (let row = 0; row < state.messages.count; row++)
      if (messageIdHash[row] !== 0) this.add(messageIdHash[row]!, thread[row]!);
  }

  #slot(hash: number): number {
    const mask = this.#hashes.length - 1;
    let slot = (hash % 0x7fff_ffff) & mask;
    while (this.#hashes[slot] !== 0 && this.#hashes[slot] !== hash) slot = (slot + 1) & mask;
    return slot;
  }

  /** Thread of the message with this Message-ID hash, 0 where nobody knows it. */
  find(hash: number): number {
    return this.#threads[this.#slot(hash)]!;
  }

  /** The first message with a Message-ID decides its thread. */
  add(hash: number, thread: number): void {
    if (hash === 0) return;
    if (this.#count * 2 >= this.#hashes.length) this.#grow();
    const slot = this.#slot(hash);
    if (this.#hashes[slot] === hash) return;
    this.#hashes[slot] = hash;
    this.#threads[slot] = thread;
    this.#count++;
  }

  #grow(): void {
    const [hashes, threads] = [this.#hashes, this.#threads];
    this.#hashes = new Float64Array(hashes.length * 2);
    this.#threads = new Uint32Array(hashes.length * 2);
    this.#count = 0;
    for (let slot = 0; slot < hashes.length; slot++)
      if (hashes[slot] !== 0) this.add(hashes[slot]!, threads[slot]!);
  }
}
