import { concatBytes } from "#base/bytes.ts";
import {
  type ByteRange,
  type ObjectBytes,
  type ObjectStore,
  type ObjectStoreProperties,
  type PutOptions,
  type PutOutcome,
  checkKey,
  checkPrefix,
} from "../object-store.ts";

/**
 * Objects in the memory of this process; for tests, simulations and stores that may be forgotten.
 * Gives and takes copies, so that nobody can change an object through an array he kept.
 */
export class MemoryObjectStore implements ObjectStore {
  readonly properties: ObjectStoreProperties = {
    driver: "memory",
    durable: false,
    shared: false,
    conditionalPut: true,
    listAfterPut: true,
  };
  readonly #objects = new Map<string, Uint8Array>();

  async get(key: string, range?: ByteRange): Promise<Uint8Array | null> {
    checkKey(key);
    const bytes = this.#objects.get(key);
    if (bytes === undefined) return null;
    return range === undefined
      ? bytes.slice()
      : bytes.slice(range.offset, range.offset + range.length);
  }

  async put(key: string, bytes: ObjectBytes, options: PutOptions = {}): Promise<PutOutcome> {
    checkKey(key);
    if (options.ifAbsent === true && this.#objects.has(key)) return "lost";
    this.#objects.set(key, copyOf(bytes));
    return "done";
  }

  async list(prefix: string): Promise<string[]> {
    checkPrefix(prefix);
    const keys: string[] = [];
    for (const key of this.#objects.keys()) if (key.startsWith(prefix)) keys.push(key);
    return keys.sort();
  }

  async delete(key: string): Promise<void> {
    checkKey(key);
    this.#objects.delete(key);
  }

  readSync(key: string, offset: number, target: Uint8Array): number {
    const bytes = this.#objects.get(key);
    if (bytes === undefined) return -1;
    const part = bytes.subarray(offset, offset + target.length);
    target.set(part);
    return part.length;
  }
}

/** Not `slice`: that of a Buffer gives the same memory. */
function copyOf(bytes: ObjectBytes): Uint8Array {
  return new Uint8Array(bytes instanceof Uint8Array ? bytes : concatBytes(bytes));
}
