import type { Clock, Timer } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import type { RowSpace } from "./row-space.ts";

const spokes = 4_096;

/**
 * Deadlines of rows, in steps of `limits.parkedTickMs`: rows of one step are chained in columns, and
 * one timer waits for the next step that has rows. A row comes due at its deadline or up to one step
 * after it, together with all of its step.
 */
export class DeadlineWheel {
  readonly #clock: Clock;
  readonly #due: (rows: number[]) => void;
  /** Milliseconds of `clock.monotonic`; Infinity: none, and in no chain. */
  readonly #deadlines: Float64Array;
  readonly #next: Uint32Array;
  readonly #previous: Uint32Array;
  readonly #heads = new Uint32Array(spokes);
  /** Every step up to this one has been looked at. */
  #done: number;
  #timer: Timer | undefined;
  #timerStep = Infinity;

  /** `due` is given rows that have no deadline any more. */
  constructor(space: RowSpace, clock: Clock, due: (rows: number[]) => void) {
    this.#clock = clock;
    this.#due = due;
    this.#deadlines = space.floats();
    this.#next = space.words();
    this.#previous = space.words();
    this.#done = Math.floor(clock.monotonic() / limits.parkedTickMs);
  }

  /** Of a row that is in use and was `clear`ed or `set`. */
  deadline(row: number): number {
    return this.#deadlines[row]!;
  }

  /** For a new row, before anything else. */
  start(row: number): void {
    this.#deadlines[row] = Infinity;
  }

  set(row: number, deadlineMs: number): void {
    this.clear(row);
    if (deadlineMs === Infinity) return;
    this.#deadlines[row] = deadlineMs;
    const step = Math.max(this.#done + 1, stepOf(deadlineMs));
    const spoke = step % spokes;
    const head = this.#heads[spoke]!;
    this.#next[row] = head;
    this.#previous[row] = 0;
    if (head !== 0) this.#previous[head] = row;
    this.#heads[spoke] = row;
    if (step < this.#timerStep) this.#arm(step);
  }

  clear(row: number): void {
    const deadline = this.#deadlines[row]!;
    if (deadline === Infinity) return;
    this.#deadlines[row] = Infinity;
    const [before, after] = [this.#previous[row]!, this.#next[row]!];
    if (after !== 0) this.#previous[after] = before;
    if (before !== 0) {
      this.#next[before] = after;
      return;
    }
    // The head of a chain: of that of its step, or of the one after what was done when it was set.
    const spoke = stepOf(deadline) % spokes;
    if (this.#heads[spoke] === row) this.#heads[spoke] = after;
    else this.#heads[this.#heads.indexOf(row)] = after;
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #arm(step: number): void {
    this.#timer?.cancel();
    this.#timerStep = step;
    const wait = Math.max(0, step * limits.parkedTickMs - this.#clock.monotonic());
    this.#timer = this.#clock.after(Math.ceil(wait), () => this.#turn());
  }

  #turn(): void {
    this.#timerStep = Infinity;
    const now = this.#clock.monotonic();
    const step = Math.floor(now / limits.parkedTickMs);
    const due: number[] = [];
    const first = Math.max(this.#done + 1, step - spokes + 1);
    for (let s = first; s <= step; s++)
      for (let row = this.#heads[s % spokes]!, after; row !== 0; row = after) {
        after = this.#next[row]!;
        if (this.#deadlines[row]! <= now) due.push(row);
      }
    for (const row of due) this.clear(row);
    this.#done = Math.max(this.#done, step);
    if (due.length > 0) this.#due(due);
    this.#armNext();
  }

  /** The next step with rows, though perhaps for a later turn of the wheel. */
  #armNext(): void {
    for (let s = this.#done + 1; s <= this.#done + spokes; s++)
      if (this.#heads[s % spokes] !== 0) {
        // Who came due may have set deadlines meanwhile.
        if (s < this.#timerStep) this.#arm(s);
        return;
      }
  }
}

function stepOf(deadlineMs: number): number {
  return Math.ceil(deadlineMs / limits.parkedTickMs);
}
