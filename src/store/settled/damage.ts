import type { AccountId } from "#base/brand.ts";
import { limits } from "#base/limits.ts";
import type { Log } from "#base/log.ts";

/**
 * What became of a damage. `recovered`: other sources had everything. `lost`: something is gone,
 * the text says what. `found`: nothing was done about it yet.
 */
export type DamageOutcome = "recovered" | "lost" | "found";

/** Stored bytes that are not those that were written. */
export interface Damage {
  /** Undefined for what belongs to no account. */
  readonly account: AccountId | undefined;
  /** Name of the object below the account's folder, or `journal`. */
  readonly object: string;
  readonly text: string;
  readonly outcome: DamageOutcome;
}

/** Damages that were met since the store was opened, each once; all are logged. */
export class Damages {
  readonly #log: Log;
  readonly #known = new Map<string, Damage>();

  constructor(log: Log) {
    this.#log = log;
  }

  report(damage: Damage): void {
    const { account, object, text, outcome } = damage;
    const key = `${account ?? ""}/${object} ${outcome} ${text}`;
    if (this.#known.has(key)) return;
    this.#log.error({ account, object, damage: text, outcome }, "Stored data is damaged");
    if (this.#known.size < limits.damagesMax) this.#known.set(key, damage);
  }

  get list(): readonly Damage[] {
    return [...this.#known.values()];
  }
}
