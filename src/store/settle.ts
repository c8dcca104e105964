import { Refusal, errorText } from "#base/assert.ts";
import type { AccountId } from "#base/brand.ts";
import type { Clock, Timer } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import type { Log } from "#base/log.ts";
import {
  type Journal,
  type JournalPosition,
  comparePositions,
  journalStart,
} from "./journal/journal.ts";
import type { AccountTail } from "./settled/account-tail.ts";
import { type SettleOptions, settleAccount } from "./settled/settle-account.ts";
import type { SettleContext } from "./settled/write-packs.ts";
import type { Store } from "./store.ts";

export interface SettlerOptions {
  readonly store: Store;
  readonly context: SettleContext;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly log: Log;
}

/** An account that could not be settled. */
interface Failure {
  /** Monotonic milliseconds from which it is tried again. */
  readonly retryAt: number;
  readonly delayMs: number;
}

/**
 * Decides when accounts are settled: some time after their changes, when they have many, when the
 * journal has grown, at the end. A few at a time, beside all other work. Afterwards it lets the
 * journal delete what nobody needs and the store evict what nobody uses.
 */
export class Settler {
  readonly #options: SettlerOptions;
  readonly #running = new Map<AccountId, Promise<void>>();
  /** Accounts whose turn has come, in order. */
  readonly #wanted = new Set<AccountId>();
  readonly #failures = new Map<AccountId, Failure>();
  /** Accounts with dropped objects → monotonic milliseconds of their deletion. */
  readonly #sweeps = new Map<AccountId, number>();
  #timer: Timer | undefined;
  /** Monotonic milliseconds. */
  #lookAt = Infinity;
  #stopped = false;
  /** The journal has asked for relief that it did not get yet. */
  #pressed = false;
  #advanced: JournalPosition = journalStart;

  constructor(options: SettlerOptions) {
    this.#options = options;
  }

  /** Begins to look after what a former process left. */
  begin(): void {
    if (this.#options.store.tails.size > 0) this.#arm();
  }

  /** An account has a new record. */
  noteChange(id: AccountId, tail: AccountTail): void {
    this.#arm();
    if (tail.bytes >= limits.unsettledBytesMax || tail.units.length >= limits.unsettledUnitsMax)
      this.#want(id);
  }

  /** The journal has become long: everything in it is settled, the oldest first. */
  relieve(): void {
    // It says so again and again while it is full; what has begun is to end first.
    this.#pressed = true;
    if (this.#wanted.size === 0 && this.#running.size === 0) this.#relieveNow();
  }

  #relieveNow(): void {
    this.#pressed = false;
    const starts: [AccountId, JournalPosition][] = [];
    for (const [id, { start }] of this.#options.store.tails)
      if (start !== undefined) starts.push([id, start]);
    starts.sort(([, a], [, b]) => comparePositions(a, b));
    for (const [id] of starts) this.#want(id);
    this.#advance();
  }

  /** Settles an account now. Errors: `Refusal` UNAVAILABLE and what the objects throw. */
  async settle(id: AccountId, options: SettleOptions = {}): Promise<void> {
    // A settling that runs may have begun before the last change.
    while (this.#running.has(id)) await this.#running.get(id);
    const { store, context } = this.#options;
    const work = store.settling(id, (target) => settleAccount(context, target, options));
    const running = work.catch(() => undefined);
    this.#running.set(id, running);
    try {
      await work;
      this.#failures.delete(id);
      this.#planSweep(id);
    } finally {
      if (this.#running.get(id) === running) this.#running.delete(id);
    }
    this.#advance();
  }

  /** Settles all accounts; what fails is logged and stays in the journal. */
  async settleAll(): Promise<void> {
    const left = [...this.#options.store.tails.keys()];
    const worker = async (): Promise<void> => {
      for (let id = left.pop(); id !== undefined; id = left.pop()) await this.#attempt(id);
    };
    await Promise.all(Array.from({ length: limits.settlingMax }, worker));
    await this.#options.journal.deleteSettled(this.#options.store.settledPosition());
  }

  /** Ends the background work and waits for what has begun. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#wanted.clear();
    await Promise.all(this.#running.values());
  }

  #want(id: AccountId): void {
    if (this.#stopped || this.#wanted.has(id) || this.#running.has(id)) return;
    const failure = this.#failures.get(id);
    if (failure !== undefined && failure.retryAt > this.#options.clock.monotonic()) return;
    this.#wanted.add(id);
    this.#pump();
  }

  #pump(): void {
    for (const id of this.#wanted) {
      if (this.#running.size >= limits.settlingMax) break;
      this.#wanted.delete(id);
      if (this.#running.has(id)) continue;
      void this.#attempt(id).then(() => this.#pump());
    }
    if (this.#pressed && this.#wanted.size === 0 && this.#running.size === 0) this.#relieveNow();
  }

  async #attempt(id: AccountId): Promise<void> {
    try {
      await this.settle(id, { sweep: this.#sweepIsDue(id) });
    } catch (error) {
      this.#noteFailure(id, error);
    }
  }

  #noteFailure(id: AccountId, error: unknown): void {
    const { clock, log } = this.#options;
    const before = this.#failures.get(id)?.delayMs ?? limits.settleRetryMsMin / 2;
    const delayMs = Math.min(before * 2, limits.settleRetryMsMax);
    this.#failures.set(id, { retryAt: clock.monotonic() + delayMs, delayMs });
    const fields = { account: id, error: errorText(error), retryMs: delayMs };
    if (error instanceof Refusal)
      log.warn({ ...fields, cause: error.cause }, "An account could not be settled");
    else log.error({ ...fields, cause: error }, "An account could not be settled");
    this.#arm();
  }

  #planSweep(id: AccountId): void {
    const { store, clock } = this.#options;
    const droppedAt = store.oldestDropped(id);
    if (droppedAt === undefined) this.#sweeps.delete(id);
    else {
      const inMs = Math.max(0, droppedAt + limits.retentionMs - clock.now());
      this.#sweeps.set(id, clock.monotonic() + inMs + limits.settleCheckMs);
      this.#arm();
    }
  }

  #sweepIsDue(id: AccountId): boolean {
    return (this.#sweeps.get(id) ?? Infinity) <= this.#options.clock.monotonic();
  }

  /** Lets the journal delete what no account needs. */
  #advance(): void {
    const { store, journal, log } = this.#options;
    const position = store.settledPosition();
    if (comparePositions(position, this.#advanced) <= 0) return;
    this.#advanced = position;
    journal.deleteSettled(position).catch((error: unknown) => {
      this.#advanced = journalStart;
      log.warn({ error: errorText(error) }, "Settled segments could not be deleted");
    });
  }

  #arm(ms: number = limits.settleCheckMs): void {
    const at = this.#options.clock.monotonic() + ms;
    if (this.#stopped || this.#lookAt <= at) return;
    this.#timer?.cancel();
    this.#lookAt = at;
    this.#timer = this.#options.clock.after(ms, () => {
      this.#lookAt = Infinity;
      this.#look();
    });
  }

  #look(): void {
    const { store, clock } = this.#options;
    const now = clock.monotonic();
    let waiting = false;
    for (const [id, tail] of store.tails) {
      if (tail.isEmpty) continue;
      waiting = true;
      const idle = now - tail.lastAt >= limits.settleIdleMs;
      const old = now - tail.firstAt >= limits.settleMsMax;
      if (idle || old || this.#failures.has(id)) this.#want(id);
    }
    let nextSweep = Infinity;
    for (const [id, at] of this.#sweeps) {
      nextSweep = Math.min(nextSweep, Math.max(at - now, limits.settleCheckMs));
      if (at <= now) this.#want(id);
    }
    this.#advance();
    store.evict();
    if (waiting || store.overfull) this.#arm();
    else if (nextSweep < Infinity) this.#arm(Math.min(nextSweep, limits.sweepPauseMsMax));
  }
}
