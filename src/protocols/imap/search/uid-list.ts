/** A growing list of uids. */
export class UidList {
  #uids = new Uint32Array(256);
  #count = 0;

  push(uid: number): void {
    if (this.#count === this.#uids.length) {
      const grown = new Uint32Array(this.#count * 2);
      grown.set(this.#uids);
      this.#uids = grown;
    }
    this.#uids[this.#count++] = uid;
  }

  /** The uids in the order in which they came, as a view. */
  take(): Uint32Array {
    return this.#uids.subarray(0, this.#count);
  }
}
