import type { Clock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";

interface Waiting {
  readonly bytes: number;
  readonly admit: () => void;
}

/** The memory that messages may take while they arrive, over all sessions. First come, first served. */
export class ArrivingBytes {
  readonly #max: number;
  #used = 0;
  #queue: Waiting[] = [];

  constructor(max: number = limits.arrivingBytesMax) {
    this.#max = max;
  }

  get used(): number {
    return this.#used;
  }

  /**
   * Takes `bytes`, which `release` must give back; false when they were not to be had within
   * `waitMs` milliseconds.
   */
  async take(
    bytes: number,
    patience: { readonly clock: Clock; readonly waitMs: number },
  ): Promise<boolean> {
    if (this.#queue.length === 0 && this.#fits(bytes)) {
      this.#used += bytes;
      return true;
    }
    if (patience.waitMs === 0) return false;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const waiting = { bytes, admit: () => resolve(true) };
    this.#queue.push(waiting);
    const timer = patience.clock.after(patience.waitMs, () => {
      this.#queue = this.#queue.filter((other) => other !== waiting);
      resolve(false);
      this.#admit();
    });
    const admitted = await promise;
    timer.cancel();
    return admitted;
  }

  #fits(bytes: number): boolean {
    return this.#used + bytes <= this.#max;
  }

  release(bytes: number): void {
    this.#used -= bytes;
    this.#admit();
  }

  #admit(): void {
    while (this.#queue.length > 0 && this.#fits(this.#queue[0]!.bytes)) {
      const next = this.#queue.shift()!;
      this.#used += next.bytes;
      next.admit();
    }
  }
}
