import type { RowSpace } from "./row-space.ts";

/** Finds rows of a `RowSpace` by a hash of what they hold: chains in columns, no object per row. */
export class HashChains {
  readonly #hash: Uint32Array;
  readonly #next: Uint32Array;
  #heads = new Uint32Array(1024);
  #count = 0;

  constructor(space: RowSpace) {
    this.#hash = space.words();
    this.#next = space.words();
  }

  /** The first row that may have this hash; 0: none. Compare, and go on with `next`. */
  first(hash: number): number {
    return this.#skip(this.#heads[hash & (this.#heads.length - 1)]!, hash);
  }

  next(row: number, hash: number): number {
    return this.#skip(this.#next[row]!, hash);
  }

  insert(row: number, hash: number): void {
    if (this.#count >= this.#heads.length) this.#widen();
    const at = hash & (this.#heads.length - 1);
    this.#hash[row] = hash;
    this.#next[row] = this.#heads[at]!;
    this.#heads[at] = row;
    this.#count++;
  }

  remove(row: number): void {
    const at = this.#hash[row]! & (this.#heads.length - 1);
    const after = this.#next[row]!;
    let before = this.#heads[at]!;
    if (before === row) this.#heads[at] = after;
    else {
      while (this.#next[before]! !== row) before = this.#next[before]!;
      this.#next[before] = after;
    }
    this.#count--;
  }

  #skip(start: number, hash: number): number {
    let row = start;
    while (row !== 0 && this.#hash[row]! !== hash) row = this.#next[row]!;
    return row;
  }

  /** Only the heads are made anew, four bytes each; the rows stay where they are. */
  #widen(): void {
    const old = this.#heads;
    const heads = new Uint32Array(old.length * 2);
    for (const head of old)
      for (let row = head, after; row !== 0; row = after) {
        after = this.#next[row]!;
        const at = this.#hash[row]! & (heads.length - 1);
        this.#next[row] = heads[at]!;
        heads[at] = row;
      }
    this.#heads = heads;
  }
}

/** Spreads the bits of two words; `seed` differs from process to process. */
export function mixHash(a: number, b: number, seed: number): number {
  let hash = seed;
  hash = Math.imul(hash ^ a, 0x85eb_ca6b);
  hash = Math.imul((hash ^ (hash >>> 13)) + b, 0xc2b2_ae35);
  hash = Math.imul(hash ^ (hash >>> 16), 0x27d4_eb2f);
  return (hash ^ (hash >>> 15)) >>> 0;
}
