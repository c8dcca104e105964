/** A growing list of integers from 0 to 2^32-1. */
export class NumberList {
  #numbers = new Uint32Array(256);
  #count = 0;

  get length(): number {
    return this.#count;
  }

  push(number: number): void {
    if (this.#count === this.#numbers.length) {
      const grown = new Uint32Array(this.#count * 2);
      grown.set(this.#numbers);
      this.#numbers = grown;
    }
    this.#numbers[this.#count++] = number;
  }

  /** The numbers so far, as a view that does not grow. */
  view(): Uint32Array {
    return this.#numbers.subarray(0, this.#count);
  }
}
