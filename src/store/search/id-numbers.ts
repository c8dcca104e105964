/**
 * Numbers of Message-IDs by their hashes, from 1 in the order of their arrival; 0 is none. Stored
 * numbers are looked up only when others are to join them.
 */
export class IdNumbers {
  /** Hash of each number; 0 for number 0. */
  #hashes: Float64Array;
  #count: number;
  /** Numbers by hash, at most half full; empty until it is needed. */
  #slots = new Uint32Array(0);

  /** @param hashes by number, the first one 0 */
  constructor(hashes: Float64Array = new Float64Array(1)) {
    this.#hashes = hashes;
    this.#count = hashes.length - 1;
  }

  /** The greatest number. */
  get count(): number {
    return this.#count;
  }

  get bytes(): number {
    return this.#hashes.byteLength + this.#slots.byteLength;
  }

  hashOf(number: number): number {
    return this.#hashes[number]!;
  }

  /** The number of a hash that may be new; 0 for hash 0. */
  numberOf(hash: number): number {
    if (hash === 0) return 0;
    if ((this.#count + 1) * 2 > this.#slots.length) this.#grow();
    const slot = this.#slotOf(hash);
    const known = this.#slots[slot]!;
    if (known !== 0) return known;
    const number = ++this.#count;
    if (number >= this.#hashes.length) {
      const grown = new Float64Array(Math.max(256, number + (number >> 1)));
      grown.set(this.#hashes);
      this.#hashes = grown;
    }
    this.#hashes[number] = hash;
    this.#slots[slot] = number;
    return number;
  }

  #slotOf(hash: number): number {
    const mask = this.#slots.length - 1;
    let slot = (hash % 0x7fff_ffff) & mask;
    for (;;) {
      const number = this.#slots[slot]!;
      if (number === 0 || this.#hashes[number] === hash) return slot;
      slot = (slot + 1) & mask;
    }
  }

  #grow(): void {
    let length = 1024;
    while (length < (this.#count + 1) * 4) length *= 2;
    this.#slots = new Uint32Array(length);
    for (let number = 1; number <= this.#count; number++)
      this.#slots[this.#slotOf(this.#hashes[number]!)] = number;
  }
}
