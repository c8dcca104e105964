/** A pending call; `cancel` is harmless after it ran. */
export interface Timer {
  cancel(): void;
}

/** Time as an argument: the only place where the process asks what time it is. */
export interface Clock {
  /** Wall clock, milliseconds since 1970-01-01T00:00Z. */
  now(): number;
  /** Monotonic clock, milliseconds from an arbitrary start, with fractions. */
  monotonic(): number;
  /** Calls `run` once after `ms` milliseconds. Does not keep the process alive by itself. */
  after(ms: number, run: () => void): Timer;
  /** Lets other work of this thread run first (network events included). */
  yield(): Promise<void>;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms);
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
  yield: () => new Promise((resolve) => setImmediate(resolve)),
};

/** Resolves after `ms` milliseconds of `clock`. */
export function sleep(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => void clock.after(ms, resolve));
}
