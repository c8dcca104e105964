import type { Clock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";

/**
 * Asked now and then by work that may be long: undefined to go on, else a promise to wait for, during
 * which others work.
 */
export type Rest = () => Promise<void> | undefined;

/** Cuts long work on the owner's thread into slices of `limits.sliceMs`. */
export class Slices {
  readonly #clock: Clock;
  #began: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#began = clock.monotonic();
  }

  /**
   * Undefined while the slice lasts; afterwards a promise to wait for, during which others work.
   * What was read from an account before it may be stale behind it.
   */
  readonly rest: Rest = () => {
    if (this.#clock.monotonic() - this.#began < limits.sliceMs) return undefined;
    return this.#clock.yield().then(() => {
      this.#began = this.#clock.monotonic();
    });
  };
}
