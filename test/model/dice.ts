import { type Random, seededRandom } from "#base/random.ts";
import type { Clock, Timer } from "#base/clock.ts";

/** Chance from a seed, in the shapes that the generators of commands want. */
export class Dice {
  readonly #random: Random;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  /** An integer in 0 .. limit-1. */
  below(limit: number): number {
    return this.#random.below(limit);
  }

  /** An integer in from .. to. */
  between(from: number, to: number): number {
    return from + this.below(to - from + 1);
  }

  /** True once in `times`. */
  oneIn(times: number): boolean {
    return this.below(times) === 0;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }

  /** Some of `items`, in their order; at least one. */
  some<T>(items: readonly T[]): T[] {
    const chosen = items.filter(() => this.oneIn(2));
    return chosen.length === 0 ? [this.pick(items)] : chosen;
  }

  shuffled<T>(items: readonly T[]): T[] {
    const out = [...items];
    for (let i = out.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [out[i], out[j]] = [out[j]!, out[i]!];
    }
    return out;
  }

  /** One of the keys, with the weight that it has. */
  weighted<K extends string>(weights: Readonly<Record<K, number>>): K {
    const entries = Object.entries(weights) as [K, number][];
    let at = this.below(entries.reduce((sum, [, weight]) => sum + weight, 0));
    for (const [key, weight] of entries) {
      if (at < weight) return key;
      at -= weight;
    }
    return entries[0]![0];
  }
}

/** Time that passes only when it is told to. */
export class ManualClock implements Clock {
  #now: number;
  #looks = 0;

  constructor(now: number) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  /** Every look takes a little, so that long commands let others work. */
  monotonic(): number {
    return this.#now + this.#looks++;
  }

  after(): Timer {
    return { cancel: () => undefined };
  }

  yield(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
  }

  pass(ms: number): void {
    this.#now += ms;
  }
}
