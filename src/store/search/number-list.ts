/** A growing list of integers from 0 to 2^32-1. */
export class NumberList {
  #numbers: Uint32Array;
  #count: number;

  /** @param numbers to begin with; they are copied when the list grows */
  constructor(numbers: Uint32Array = new Uint32Array(0)) {
    this.#numbers = numbers;
    this.#count = numbers.length;
  }

  get length(): number {
    return this.#count;
  }

  get bytes(): number {
    return this.#numbers.byteLength;
  }

  push(number: number): void {
    if (this.#count === this.#numbers.length) {
      const grown = new Uint32Array(Math.max(256, this.#count + (this.#count >> 1)));
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
