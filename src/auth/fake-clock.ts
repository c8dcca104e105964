import type { Clock } from "#base/clock.ts";

/** A clock for tests: time passes only in `advance`. */
export class FakeClock implements Clock {
  #now = 0;
  #order = 0;
  readonly #timers = new Map<number, { readonly at: number; readonly run: () => void }>();

  now(): number {
    return this.#now;
  }
  monotonic(): number {
    return this.#now;
  }
  after(ms: number, run: () => void): { cancel(): void } {
    const id = this.#order++;
    this.#timers.set(id, { at: this.#now + ms, run });
    return { cancel: () => void this.#timers.delete(id) };
  }
  async yield(): Promise<void> {
    for (let i = 0; i < 20; i++) await Promise.resolve();
  }

  /** Calls that wait for a time. */
  get waiting(): number {
    return this.#timers.size;
  }

  /** Lets `ms` pass, timers running in order, and what they wake up run on. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await this.yield();
    for (;;) {
      const due = [...this.#timers].filter(([, { at }]) => at <= end);
      const next = due.sort(([a, x], [b, y]) => x.at - y.at || a - b)[0];
      if (next === undefined) break;
      this.#timers.delete(next[0]);
      this.#now = next[1].at;
      next[1].run();
      await this.yield();
    }
    this.#now = end;
  }
}
