import type { ByteAllowance } from "#base/byte-budget.ts";
import type { Clock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";

/** Who waits for memory, and how long. */
export interface Patience {
  readonly clock: Clock;
  readonly waitMs: number;
}

interface Waiting {
  readonly holder: string;
  readonly bytes: number;
  readonly admit: () => void;
}

/**
 * The memory that messages may take while they arrive, over all sessions. First come, first served;
 * but one holder, with however many sessions, gets no more than its share.
 */
export class ArrivingBytes {
  readonly #max: number;
  readonly #shareMax: number;
  #used = 0;
  readonly #shares = new Map<string, number>();
  #queue: Waiting[] = [];

  constructor(
    max: number = limits.arrivingBytesMax,
    shareMax: number = Math.min(max, limits.arrivingShareBytesMax),
  ) {
    this.#max = max;
    this.#shareMax = shareMax;
  }

  get used(): number {
    return this.#used;
  }

  /**
   * Takes `bytes`, which `release` must give back; false when they were not to be had within
   * `waitMs` milliseconds.
   */
  async take(holder: string, bytes: number, { clock, waitMs }: Patience): Promise<boolean> {
    if (this.#queue.length === 0 && this.#fits(holder, bytes)) {
      this.#give(holder, bytes);
      return true;
    }
    if (waitMs === 0) return false;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const waiting = { holder, bytes, admit: () => resolve(true) };
    this.#queue.push(waiting);
    this.#admit();
    const timer = clock.after(waitMs, () => {
      this.#queue = this.#queue.filter((other) => other !== waiting);
      resolve(false);
      this.#admit();
    });
    const admitted = await promise;
    timer.cancel();
    return admitted;
  }

  /**
   * A part of the same memory for a holder that does not wait. Nobody is passed by who waits for
   * room.
   */
  allowanceOf(holder: string): ByteAllowance {
    return {
      take: (bytes) => {
        const awaited = this.#queue.some((waiting) =>
          this.#hasShare(waiting.holder, waiting.bytes),
        );
        if (awaited || !this.#fits(holder, bytes)) return false;
        this.#give(holder, bytes);
        return true;
      },
      give: (bytes) => {
        if (bytes > 0) this.release(holder, bytes);
      },
    };
  }

  #fits(holder: string, bytes: number): boolean {
    return this.#used + bytes <= this.#max && this.#hasShare(holder, bytes);
  }

  #hasShare(holder: string, bytes: number): boolean {
    return (this.#shares.get(holder) ?? 0) + bytes <= this.#shareMax;
  }

  #give(holder: string, bytes: number): void {
    this.#used += bytes;
    this.#shares.set(holder, (this.#shares.get(holder) ?? 0) + bytes);
  }

  release(holder: string, bytes: number): void {
    this.#used -= bytes;
    const left = (this.#shares.get(holder) ?? 0) - bytes;
    if (left > 0) this.#shares.set(holder, left);
    else this.#shares.delete(holder);
    this.#admit();
  }

  /** Who waits for its own share only is passed over; else the first one must fit first. */
  #admit(): void {
    const left: Waiting[] = [];
    let full = false;
    for (const waiting of this.#queue) {
      const { holder, bytes, admit } = waiting;
      if (full || !this.#hasShare(holder, bytes)) left.push(waiting);
      else if (this.#used + bytes > this.#max) {
        full = true;
        left.push(waiting);
      } else {
        this.#give(holder, bytes);
        admit();
      }
    }
    this.#queue = left;
  }
}
