import { Refusal } from "#base/assert.ts";
import { type Clock, sleep } from "#base/clock.ts";
import type { Random } from "#base/random.ts";
import type {
  ByteRange,
  ObjectBytes,
  ObjectStore,
  ObjectStoreProperties,
  PutOptions,
  PutOutcome,
} from "../object-store.ts";

/** An error that the wrapper made up. */
export class FaultInjected extends Error {
  override readonly name = "FaultInjected";
}

/**
 * What can go wrong with one call. `fail`: an error, nothing done. `full`: refused for want of
 * room. `unknown`: outcome unknown, nothing done. `unknown-done`: outcome unknown, but done.
 * `error-done`: an error although it was done. `tear`: a read gives damaged bytes (cut short or one
 * byte changed).
 */
export type ObjectFault = "fail" | "full" | "unknown" | "unknown-done" | "error-done" | "tear";

export type ObjectCall = "get" | "put" | "list" | "delete";

/** Chances of the faults, each 0 .. 1; they are tried in the order in which they stand here. */
export interface FaultRates {
  readonly fail?: number;
  readonly full?: number;
  readonly unknown?: number;
  readonly unknownDone?: number;
  readonly errorDone?: number;
  readonly tear?: number;
}

export interface FaultyOptions {
  readonly random: Random;
  readonly rates?: FaultRates;
  /** Decides instead of the rates: null is no fault. */
  readonly script?: (call: ObjectCall, key: string) => ObjectFault | null;
  /** Every call waits up to so many milliseconds of `clock` before and after it is done. */
  readonly delayMsMax?: number;
  readonly clock?: Clock;
}

/** Lets calls of `inner` fail, delay, tear or end unknown, as chance or a script wants it. */
export class FaultyObjectStore implements ObjectStore {
  readonly properties: ObjectStoreProperties;
  readonly #inner: ObjectStore;
  readonly #options: FaultyOptions;
  /** While false every call passes unharmed. */
  enabled = true;

  constructor(inner: ObjectStore, options: FaultyOptions) {
    this.#inner = inner;
    this.#options = options;
    this.properties = inner.properties;
  }

  async get(key: string, range?: ByteRange): Promise<Uint8Array | null> {
    const fault = await this.#begin("get", key);
    const bytes = await this.#inner.get(key, range);
    await this.#delay();
    return fault === "tear" && bytes !== null ? this.#torn(bytes) : bytes;
  }

  async put(key: string, bytes: ObjectBytes, options?: PutOptions): Promise<PutOutcome> {
    const fault = await this.#begin("put", key);
    if (fault === "unknown") return "unknown";
    const outcome = await this.#inner.put(key, bytes, options);
    await this.#delay();
    if (fault === "unknown-done") return "unknown";
    if (fault === "error-done")
      throw new FaultInjected(`put ${key}: done, but the answer got lost`);
    return outcome;
  }

  async list(prefix: string): Promise<string[]> {
    await this.#begin("list", prefix);
    const keys = await this.#inner.list(prefix);
    await this.#delay();
    return keys;
  }

  async delete(key: string): Promise<void> {
    const fault = await this.#begin("delete", key);
    await this.#inner.delete(key);
    await this.#delay();
    if (fault === "error-done")
      throw new FaultInjected(`delete ${key}: done, but the answer got lost`);
  }

  async #begin(call: ObjectCall, key: string): Promise<ObjectFault | null> {
    await this.#delay();
    if (!this.enabled) return null;
    const { script, rates } = this.#options;
    const fault = script !== undefined ? script(call, key) : this.#draw(rates ?? {});
    if (fault === "fail") throw new FaultInjected(`${call} ${key}: failed`);
    if (fault === "full" && call === "put") throw new Refusal("UNAVAILABLE", "Disk full: injected");
    return fault;
  }

  #draw(rates: FaultRates): ObjectFault | null {
    if (this.#happens(rates.fail)) return "fail";
    if (this.#happens(rates.full)) return "full";
    if (this.#happens(rates.unknown)) return "unknown";
    if (this.#happens(rates.unknownDone)) return "unknown-done";
    if (this.#happens(rates.errorDone)) return "error-done";
    if (this.#happens(rates.tear)) return "tear";
    return null;
  }

  #happens(rate = 0): boolean {
    return rate > 0 && this.#options.random.below(1_000_000) < rate * 1_000_000;
  }

  #torn(bytes: Uint8Array): Uint8Array {
    const { random } = this.#options;
    if (bytes.length === 0) return bytes;
    if (random.below(2) === 0) return bytes.slice(0, random.below(bytes.length));
    const torn = bytes.slice();
    torn[random.below(torn.length)]! ^= 1 + random.below(255);
    return torn;
  }

  async #delay(): Promise<void> {
    const { clock, delayMsMax = 0, random } = this.#options;
    if (clock !== undefined && delayMsMax > 0) await sleep(clock, random.below(delayMsMax + 1));
  }
}
