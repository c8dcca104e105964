import type { Clock, Timer } from "#base/clock.ts";
import type { Random } from "#base/random.ts";

interface Event {
  readonly at: number;
  readonly order: number;
  run: (() => void) | undefined;
}

/**
 * Virtual time: nothing happens between two events but promises. Events of the same time run in the
 * order in which they were asked for.
 */
export class SimClock implements Clock {
  readonly #random: Random;
  readonly #heap: Event[] = [];
  #time = 0;
  #order = 0;
  /** Events that have run. */
  events = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  now(): number {
    return 1_750_000_000_000 + Math.floor(this.#time);
  }

  /** Moves on a little with every look, so that long work finds its time slice over. */
  monotonic(): number {
    this.#time += this.#random.below(100) / 1000;
    return this.#time;
  }

  after(ms: number, run: () => void): Timer {
    const event: Event = { at: this.#time + Math.max(0, ms), order: this.#order++, run };
    this.#push(event);
    return { cancel: () => void (event.run = undefined) };
  }

  yield(): Promise<void> {
    return new Promise((resolve) => void this.after(0, resolve));
  }

  #before(a: Event, b: Event): boolean {
    return a.at < b.at || (a.at === b.at && a.order < b.order);
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.push(event) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#before(event, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = event;
  }

  #pop(): Event | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && this.#before(heap[child + 1]!, heap[child]!)) child++;
      if (!this.#before(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return first;
  }

  /** Runs events until `done`; throws when nothing is left to happen or `eventsMax` were not enough. */
  async runUntil(done: () => boolean, eventsMax: number): Promise<void> {
    for (let left = eventsMax; ; left--) {
      await settled();
      if (done()) return;
      if (left === 0) throw new Error(`Not done after ${eventsMax} events`);
      const event = this.#pop();
      if (event === undefined) throw new Error("Nothing is left to happen, and it is not done");
      this.#time = Math.max(this.#time, event.at);
      this.events++;
      event.run?.();
    }
  }
}

/** Resolves when all promises that can go on have done so. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** The clock of one process: after its death nothing that it waited for happens. */
export class ProcessClock implements Clock {
  readonly #clock: Clock;
  #dead = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  kill(): void {
    this.#dead = true;
  }

  now(): number {
    return this.#clock.now();
  }
  monotonic(): number {
    return this.#clock.monotonic();
  }
  after(ms: number, run: () => void): Timer {
    return this.#clock.after(ms, () => {
      if (!this.#dead) run();
    });
  }
  yield(): Promise<void> {
    return new Promise((resolve) => void this.after(0, resolve));
  }
}
