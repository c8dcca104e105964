import { Refusal } from "#base/assert.ts";
import { sleep } from "#base/clock.ts";
import type { Clock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { BoundedMap } from "./bounded-map.ts";
import type { Peer } from "./identity.ts";
import { isLoopback, networkOf } from "./peer-address.ts";

/** Failures of one address or account. */
interface Failures {
  count: number;
  /** Monotonic milliseconds of the last failure. */
  at: number;
  /** Attempts that have begun and not ended; each counts as a failure to those that come after. */
  underway: number;
}

/** One attempt that was let through; exactly one of the calls ends it. */
export interface LoginAttempt {
  succeeded(): void;
  failed(): void;
  /** Nothing was learned: the check itself failed. */
  abandoned(): void;
}

export interface LoginThrottleOptions {
  readonly clock: Clock;
  /** Default `limits.penaltyDelayMsMax`; 0 switches all delays off. */
  readonly delayMsMax?: number;
  /**
   * Addresses that many users come from (webmail, proxies), beside loopback and Unix sockets: their
   * failures count for the accounts only.
   */
  readonly sharedAddress?: (address: string) => boolean;
}

/** Failures beyond this add no delay, and need as long to be forgotten. */
const countMax = 8;

/**
 * Makes guessing slow: after failures the next attempts wait, 2 s, 4 s, 8 s and so on, counted by
 * network and by account name (whether the account exists or not). Failures are forgotten one by
 * one; a success forgets those of its account. Waiting costs nobody else anything.
 */
export class LoginThrottle {
  readonly #clock: Clock;
  readonly #delayMsMax: number;
  readonly #isShared: (peer: Peer) => boolean;
  readonly #networks = new BoundedMap<string, Failures>(limits.penaltyEntriesMax);
  readonly #accounts = new BoundedMap<string, Failures>(limits.penaltyEntriesMax);
  #waiting = 0;

  constructor(options: LoginThrottleOptions) {
    this.#clock = options.clock;
    this.#delayMsMax = options.delayMsMax ?? limits.penaltyDelayMsMax;
    this.#isShared = ({ address, loopback = isLoopback(address) }) =>
      loopback || options.sharedAddress?.(address) === true;
  }

  /** Attempts that wait for their delay to pass. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Milliseconds that an attempt would wait now. */
  delayMs(peer: Peer, name: string): number {
    return Math.max(...this.#entries(peer, name).map((entry) => this.#delayOf(entry)), 0);
  }

  /** Waits as long as peer and account name have earned; refuses UNAVAILABLE if too many wait. */
  async enter(peer: Peer, name: string): Promise<LoginAttempt> {
    if (this.#accounts.get(name) === undefined)
      this.#accounts.set(name, { count: 0, at: 0, underway: 0 });
    const delayMs = this.delayMs(peer, name);
    const entries = this.#entries(peer, name);
    const network = this.#networks.get(networkOf(peer.address));
    // Those who guess from one place at once get no more guesses than one after another.
    const isCrowd = delayMs > 0 && (network?.underway ?? 0) >= limits.penaltyUnderwayMax;
    if (isCrowd || this.#waiting >= limits.penaltyWaitingMax)
      throw new Refusal("UNAVAILABLE", "Too many logins at the moment");
    for (const entry of entries) entry.underway++;
    const end = (): void => {
      for (const entry of entries) entry.underway--;
      entries.length = 0;
    };
    if (delayMs > 0) {
      this.#waiting++;
      await sleep(this.#clock, delayMs);
      this.#waiting--;
    }
    return {
      succeeded: () => {
        end();
        this.#accounts.delete(name);
      },
      failed: () => {
        end();
        this.#count(this.#accounts, name);
        if (!this.#isShared(peer)) this.#count(this.#networks, networkOf(peer.address));
      },
      abandoned: end,
    };
  }

  /** What counts for an attempt: the account, and the network where it has failures. */
  #entries(peer: Peer, name: string): Failures[] {
    const account = this.#accounts.get(name);
    const entries = account === undefined ? [] : [account];
    if (this.#isShared(peer)) return entries;
    const network = this.#networks.get(networkOf(peer.address));
    if (network !== undefined && this.#left(network) > 0) entries.push(network);
    return entries;
  }

  /** Failures that are not forgotten yet. */
  #left(entry: Failures): number {
    const passedMs = this.#clock.monotonic() - entry.at;
    return Math.max(0, entry.count - Math.floor(passedMs / limits.penaltyDecayMs));
  }

  /** A burst of good logins of one user must not wait, a burst of first guesses must. */
  #delayOf(entry: Failures): number {
    const left = this.#left(entry);
    const others = left > 0 ? entry.underway : entry.underway - limits.loginBurstMax + 1;
    const failures = Math.min(left + others, countMax);
    if (failures <= 0) return 0;
    return Math.min(limits.penaltyDelayMsMin * 2 ** (failures - 1), this.#delayMsMax);
  }

  #count(table: BoundedMap<string, Failures>, key: string): void {
    const entry = table.get(key) ?? { count: 0, at: 0, underway: 0 };
    entry.count = Math.min(this.#left(entry) + 1, countMax);
    entry.at = this.#clock.monotonic();
    table.set(key, entry);
  }
}
