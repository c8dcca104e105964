import { limits } from "#base/limits.ts";

interface Waiting {
  readonly bytes: number;
  readonly admit: () => void;
}

/** The memory that messages may take while they arrive, over all sessions. First come, first served. */
export class ArrivingBytes {
  readonly #max: number;
  #used = 0;
  readonly #queue: Waiting[] = [];

  constructor(max: number = limits.arrivingBytesMax) {
    this.#max = max;
  }

  get used(): number {
    return this.#used;
  }

  /**
   * Takes `bytes`, which `release` must give back. Undefined when they were there, else a promise
   * for the moment when they are.
   */
  take(bytes: number): Promise<void> | undefined {
    if (this.#queue.length === 0 && this.#fits(bytes)) {
      this.#used += bytes;
      return undefined;
    }
    return new Promise((admit) => void this.#queue.push({ bytes, admit }));
  }

  // A message larger than everything is let in when nothing else is there.
  #fits(bytes: number): boolean {
    return this.#used === 0 || this.#used + bytes <= this.#max;
  }

  release(bytes: number): void {
    this.#used -= bytes;
    while (this.#queue.length > 0 && this.#fits(this.#queue[0]!.bytes)) {
      const next = this.#queue.shift()!;
      this.#used += next.bytes;
      next.admit();
    }
  }
}
