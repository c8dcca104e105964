/** What the tests of several areas share. */
import { asBuffer, concatBytes } from "./bytes.ts";
import type { Clock, Timer } from "./clock.ts";
import type { Random } from "./random.ts";
import { type ByteStream, ConnectionBroken, type SessionStream } from "./stream.ts";

/** Two ends of a connection in memory; what one writes the other reads. */
export function memoryStreams(): [MemoryStream, MemoryStream] {
  const a = new MemoryStream();
  const b = new MemoryStream();
  a.peer = b;
  b.peer = a;
  return [a, b];
}

export class MemoryStream implements SessionStream {
  peer!: MemoryStream;
  compressed = false;
  /** Writes that arrived, for looking at how they were cut. */
  readonly writes: Uint8Array[] = [];
  /** A slow reader: writers wait until it is false. */
  stalled = false;
  #chunks: Uint8Array[] = [];
  #ended = false;
  #reader: ((bytes: Uint8Array | null) => void) | undefined;
  #drained: (() => void)[] = [];

  read(): Promise<Uint8Array | null> {
    if (this.#chunks.length > 0) {
      const all = concatBytes(this.#chunks);
      this.#chunks = [];
      return Promise.resolve(all);
    }
    if (this.#ended) return Promise.resolve(null);
    return new Promise((resolve) => (this.#reader = resolve));
  }

  withdrawRead(): boolean {
    if (this.#reader === undefined) return false;
    this.#reader = undefined;
    return true;
  }

  write(bytes: Uint8Array): Promise<void> | undefined {
    if (this.peer.#ended) {
      const broken = Promise.reject(new ConnectionBroken("Closed"));
      broken.catch(() => {});
      return broken;
    }
    this.peer.#receive(bytes);
    if (!this.peer.stalled) return undefined;
    return new Promise((resolve) => void this.peer.#drained.push(resolve));
  }

  #receive(bytes: Uint8Array): void {
    this.writes.push(bytes);
    if (this.#reader === undefined) {
      this.#chunks.push(bytes);
      return;
    }
    const reader = this.#reader;
    this.#reader = undefined;
    reader(asBuffer(bytes));
  }

  resume(): void {
    this.stalled = false;
    for (const resolve of this.#drained.splice(0)) resolve();
  }

  end(): void {
    this.peer.#finish();
  }

  destroy(): void {
    this.#finish();
    this.peer.#finish();
  }

  #finish(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#reader?.(null);
    this.#reader = undefined;
  }

  startCompression(): void {
    this.compressed = true;
  }
}

/** Time that passes only in `advance`, and promises that run on between two timers. */
export class ManualClock implements Clock {
  #now = 0;
  #order = 0;
  readonly #timers = new Map<number, { readonly at: number; readonly run: () => void }>();

  now(): number {
    return this.#now;
  }
  monotonic(): number {
    return this.#now;
  }
  after(ms: number, run: () => void): Timer {
    const id = this.#order++;
    this.#timers.set(id, { at: this.#now + ms, run });
    return { cancel: () => void this.#timers.delete(id) };
  }
  yield(): Promise<void> {
    return settled();
  }

  /** Calls that wait for a time. */
  get waiting(): number {
    return this.#timers.size;
  }

  /** Runs the next timer; false where there is none. */
  async step(): Promise<boolean> {
    await settled();
    let first: number | undefined;
    for (const [id, { at }] of this.#timers)
      if (first === undefined || at < this.#timers.get(first)!.at) first = id;
    if (first === undefined) return false;
    const { at, run } = this.#timers.get(first)!;
    this.#timers.delete(first);
    this.#now = Math.max(this.#now, at);
    run();
    await settled();
    return true;
  }

  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settled();
    while ([...this.#timers.values()].some(({ at }) => at <= end)) await this.step();
    this.#now = end;
  }
}

/** Resolves when all promises that can go on have done so. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** One end of a connection whose bytes arrive late and cut anywhere, in their order. */
export class DelayedStream implements ByteStream {
  peer!: DelayedStream;
  readonly #clock: Clock;
  readonly #random: Random;
  #arrived: (Uint8Array | null)[] = [];
  #reader: PromiseWithResolvers<Uint8Array | null> | undefined;
  #lastArrival = 0;
  #broken = false;
  #closed = false;
  #silent = false;

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  read(): Promise<Uint8Array | null> {
    const first = this.#arrived.shift();
    if (first !== undefined) return Promise.resolve(first);
    if (this.#broken) return Promise.reject(new ConnectionBroken("Cut"));
    if (this.#closed) return Promise.resolve(null);
    this.#reader = Promise.withResolvers();
    return this.#reader.promise;
  }

  write(bytes: Uint8Array): Promise<void> | undefined {
    if (this.#closed || this.#silent) return undefined;
    const copy = Uint8Array.from(bytes);
    let at = 0;
    while (at < copy.length) {
      const count = this.#random.below(3) === 0 ? 1 + this.#random.below(40) : copy.length;
      this.peer.#deliver(copy.subarray(at, at + count));
      at += count;
    }
    if (this.#random.below(4) > 0) return undefined;
    return new Promise((resolve) => void this.#clock.after(this.#random.below(3), resolve));
  }

  end(): void {
    if (!this.#silent) this.peer.#deliver(null);
  }

  destroy(): void {
    this.#closed = true;
    this.#reader?.resolve(null);
    if (!this.#silent) this.peer.#deliver(null);
  }

  /** Nothing of what this end sends arrives any more, not even its end. */
  fallSilent(): void {
    this.#silent = true;
  }

  /** The connection breaks here and now; bytes on their way are lost. */
  cut(): void {
    this.#broken = true;
    this.#arrived = [];
    this.#reader?.reject(new ConnectionBroken("Cut"));
    this.#reader = undefined;
  }

  #deliver(bytes: Uint8Array | null): void {
    const at = Math.max(this.#lastArrival, this.#clock.monotonic() + this.#random.below(4));
    this.#lastArrival = at;
    this.#clock.after(at - this.#clock.monotonic(), () => {
      if (this.#broken || this.#closed) return;
      const reader = this.#reader;
      this.#reader = undefined;
      if (reader !== undefined) reader.resolve(bytes);
      else this.#arrived.push(bytes);
    });
  }
}

export function delayedStreams(clock: Clock, random: Random): [DelayedStream, DelayedStream] {
  const a = new DelayedStream(clock, random);
  const b = new DelayedStream(clock, random);
  a.peer = b;
  b.peer = a;
  return [a, b];
}
