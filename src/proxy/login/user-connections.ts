import type { AccountId } from "#base/brand.ts";
import { limits } from "#base/limits.ts";
import { type Farewell, Shutdown } from "#base/shutdown.ts";

/** The sessions of one account. */
export interface AccountSessions {
  readonly accountId: AccountId;
  /** Begins when they are to end: all of the server's, or only these. */
  readonly shutdown: Shutdown;
}

interface Counted extends AccountSessions {
  count: number;
  /** Stops listening to the shutdown of the server. */
  readonly forget: () => void;
}

/** A login under way: what it was told by the directory may be outdated when it is done. */
export interface Entry {
  /** Accounts whose sessions were ended meanwhile. */
  readonly ended: Set<AccountId>;
}

/** Knows the sessions of each account: one account cannot take all there are, and may lose its own. */
export class UserConnections {
  readonly #server: Shutdown;
  readonly #max: number;
  readonly #accounts = new Map<AccountId, Counted>();
  readonly #entries = new Set<Entry>();
  #parkedOf: (accountId: AccountId) => number = () => 0;

  constructor(server: Shutdown, max: number = limits.connectionsPerUserMax) {
    this.#server = server;
    this.#max = max;
  }

  /** Parked sessions count, too. */
  countParked(ofAccount: (accountId: AccountId) => number): void {
    this.#parkedOf = ofAccount;
  }

  /** Before a login is looked at; ends with `enter` or `giveUp`. */
  arrive(): Entry {
    const entry = { ended: new Set<AccountId>() };
    this.#entries.add(entry);
    return entry;
  }

  giveUp(entry: Entry): void {
    this.#entries.delete(entry);
  }

  /**
   * Counts a session. "limit": the account has as many as it may have; "ended": since `arrive` the
   * sessions of the account were ended.
   */
  enter(entry: Entry, accountId: AccountId): AccountSessions | "limit" | "ended" {
    this.#entries.delete(entry);
    if (entry.ended.has(accountId)) return "ended";
    let sessions = this.#accounts.get(accountId);
    if (sessions === undefined) {
      const shutdown = new Shutdown();
      const forget = this.#server.whenBegun(() => shutdown.begin());
      sessions = { accountId, shutdown, count: 0, forget };
      this.#accounts.set(accountId, sessions);
    }
    if (sessions.count + this.#parkedOf(accountId) >= this.#max) return "limit";
    sessions.count++;
    return sessions;
  }

  /** A session that `enter` counted is over. */
  leave(of: AccountSessions): void {
    const sessions = of as Counted;
    if (--sessions.count > 0) return;
    sessions.forget();
    if (this.#accounts.get(of.accountId) === sessions) this.#accounts.delete(of.accountId);
  }

  /** Ends all sessions that an account has or is about to have. */
  end(accountId: AccountId, farewell: Farewell): void {
    for (const { ended } of this.#entries) ended.add(accountId);
    const sessions = this.#accounts.get(accountId);
    if (sessions === undefined) return;
    // Who logs in from here on is not one of them.
    this.#accounts.delete(accountId);
    sessions.shutdown.begin(farewell);
  }
}
