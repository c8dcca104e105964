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

/** Those that let others work, in their order; from `resumed` on they still wait. */
let resting: (() => void)[] = [];
let resumed = 0;

function rest(resume: () => void): void {
  if (resumed === resting.length) {
    resting = [];
    resumed = 0;
    setImmediate(resumeOne);
  } else if (resumed > 1_000) {
    resting = resting.slice(resumed);
    resumed = 0;
  }
  resting.push(resume);
}

/**
 * One of those that rest goes on in each turn of the event loop: however many have long work, what
 * comes from the network waits for one slice of it and not for all of them.
 */
function resumeOne(): void {
  const resume = resting[resumed++]!;
  if (resumed < resting.length) setImmediate(resumeOne);
  resume();
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms);
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
  yield: () => new Promise(rest),
};

/** Resolves after `ms` milliseconds of `clock`. */
export function sleep(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => void clock.after(ms, resolve));
}
