import type { Clock } from "#base/clock.ts";
import {
  type ByteRange,
  type ObjectBytes,
  type ObjectStore,
  type ObjectStoreProperties,
  type PutOptions,
  type PutOutcome,
  objectLength,
} from "../object-store.ts";

/** One finished call. */
export interface TracedCall {
  readonly call: "get" | "put" | "list" | "delete" | "readSync";
  /** The key, or the prefix of a list. */
  readonly key: string;
  /** Bytes read or written; for a list, the number of keys. */
  readonly bytes: number;
  readonly durationMs: number;
  /** `done`, `lost`, `unknown`; `absent` for a read of what is not there; `error`. */
  readonly outcome: PutOutcome | "absent" | "error";
}

/** Tells `listener` of every call, after it has ended. */
export class TracedObjectStore implements ObjectStore {
  readonly properties: ObjectStoreProperties;
  readonly readSync?: (key: string, offset: number, target: Uint8Array) => number;
  readonly #inner: ObjectStore;
  readonly #clock: Clock;
  readonly #listener: (call: TracedCall) => void;

  constructor(inner: ObjectStore, clock: Clock, listener: (call: TracedCall) => void) {
    this.#inner = inner;
    this.#clock = clock;
    this.#listener = listener;
    this.properties = inner.properties;
    if (inner.readSync !== undefined)
      this.readSync = (key, offset, target) => {
        const start = clock.monotonic();
        const count = inner.readSync!(key, offset, target);
        const outcome = count === -1 ? "absent" : "done";
        this.#tell({ call: "readSync", key, bytes: Math.max(count, 0), outcome }, start);
        return count;
      };
  }

  get(key: string, range?: ByteRange): Promise<Uint8Array | null> {
    return this.#trace("get", key, async () => {
      const result = await this.#inner.get(key, range);
      return { result, bytes: result?.length ?? 0, outcome: result === null ? "absent" : "done" };
    });
  }

  put(key: string, bytes: ObjectBytes, options?: PutOptions): Promise<PutOutcome> {
    return this.#trace("put", key, async () => {
      const result = await this.#inner.put(key, bytes, options);
      return { result, bytes: objectLength(bytes), outcome: result };
    });
  }

  list(prefix: string): Promise<string[]> {
    return this.#trace("list", prefix, async () => {
      const result = await this.#inner.list(prefix);
      return { result, bytes: result.length, outcome: "done" };
    });
  }

  delete(key: string): Promise<void> {
    return this.#trace("delete", key, async () => {
      await this.#inner.delete(key);
      return { result: undefined, bytes: 0, outcome: "done" };
    });
  }

  async #trace<T>(
    call: TracedCall["call"],
    key: string,
    run: () => Promise<{ result: T; bytes: number; outcome: TracedCall["outcome"] }>,
  ): Promise<T> {
    const start = this.#clock.monotonic();
    try {
      const { result, bytes, outcome } = await run();
      this.#tell({ call, key, bytes, outcome }, start);
      return result;
    } catch (error) {
      this.#tell({ call, key, bytes: 0, outcome: "error" }, start);
      throw error;
    }
  }

  #tell(call: Omit<TracedCall, "durationMs">, start: number): void {
    this.#listener({ ...call, durationMs: this.#clock.monotonic() - start });
  }
}
