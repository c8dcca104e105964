import type { AccountId } from "#base/brand.ts";
import { limits } from "#base/limits.ts";

/** Counts the sessions of each account, so that one of them does not take all there are. */
export class UserConnections {
  readonly #max: number;
  readonly #counts = new Map<AccountId, number>();

  constructor(max: number = limits.connectionsPerUserMax) {
    this.#max = max;
  }

  /** False where the account has as many as it may have. */
  enter(accountId: AccountId): boolean {
    const count = this.#counts.get(accountId) ?? 0;
    if (count >= this.#max) return false;
    this.#counts.set(accountId, count + 1);
    return true;
  }

  leave(accountId: AccountId): void {
    const count = this.#counts.get(accountId) ?? 0;
    if (count <= 1) this.#counts.delete(accountId);
    else this.#counts.set(accountId, count - 1);
  }
}
