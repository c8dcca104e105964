import { Bug, Refusal } from "#base/assert.ts";
import { asBuffer, concatBytes } from "#base/bytes.ts";
import { limits } from "#base/limits.ts";

/** What a driver promises beyond the port, so that its user can refuse a store that is too weak. */
export interface ObjectStoreProperties {
  /** For messages: `memory`, `filesystem`, `s3`. */
  readonly driver: string;
  /** A finished put survives a power failure. */
  readonly durable: boolean;
  /** Several processes may use the store at the same time. */
  readonly shared: boolean;
  /** `ifAbsent` lets exactly one of several racing writers win. */
  readonly conditionalPut: boolean;
  /** A finished put is seen by every `list` that starts afterwards. */
  readonly listAfterPut: boolean;
}

/** Part of an object: `length` bytes from `offset`. */
export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

export interface PutOptions {
  /** Only if there is no object of that name. */
  readonly ifAbsent?: boolean;
}

/**
 * `done`: these bytes are the object now, durably. `lost`: there was an object (only with
 * `ifAbsent`). `unknown`: the store did not say; look again, or use `putKnown`.
 */
export type PutOutcome = "done" | "lost" | "unknown";

/** The content of an object, in one piece or in pieces that follow one another. */
export type ObjectBytes = Uint8Array | readonly Uint8Array[];

/**
 * Named, immutable objects. A key is names joined by `/`; a name has the characters
 * [A-Za-z0-9._-] and does not begin with a dot. No key may be a folder of another key. An object
 * appears whole or not at all, and is never changed once put: a put without `ifAbsent` to a name
 * that exists is allowed only with the same bytes.
 *
 * Errors: `Refusal` with UNAVAILABLE when there is no room, any other error when the store fails.
 */
export interface ObjectStore {
  readonly properties: ObjectStoreProperties;
  /** The object or the part of it that exists within `range`; null where there is no such object. */
  get(key: string, range?: ByteRange): Promise<Uint8Array | null>;
  put(key: string, bytes: ObjectBytes, options?: PutOptions): Promise<PutOutcome>;
  /** All keys that begin with `prefix` (which may end within a name), in order of their bytes. */
  list(prefix: string): Promise<string[]>;
  /** Harmless where there is no such object. */
  delete(key: string): Promise<void>;
  /**
   * For stores that are as near as the page cache: reads into `target` from `offset` of the
   * object, without waiting. Gives the bytes read (fewer at the end), or -1 without such an object.
   */
  readSync?(key: string, offset: number, target: Uint8Array): number;
}

const keyPattern = /^[A-Za-z0-9_-][A-Za-z0-9._-]*(?:\/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$/;
const prefixPattern = /^(?:[A-Za-z0-9_-][A-Za-z0-9._-]*(?:\/|$))*$/;

/** Throws `Bug` for what cannot be a key. */
export function checkKey(key: string): void {
  if (key.length > limits.objectKeyBytesMax || !keyPattern.test(key))
    throw new Bug(`Not a key of an object: ${JSON.stringify(key)}`);
}

/** Throws `Bug` for what no key can begin with. */
export function checkPrefix(prefix: string): void {
  if (prefix.length > limits.objectKeyBytesMax || !prefixPattern.test(prefix))
    throw new Bug(`No key begins with ${JSON.stringify(prefix)}`);
}

/** Number of bytes in all pieces. */
export function objectLength(bytes: ObjectBytes): number {
  if (bytes instanceof Uint8Array) return bytes.length;
  let length = 0;
  for (const piece of bytes) length += piece.length;
  return length;
}

/** The fate of a put stayed unknown: the object may appear at any time. */
export class PutUnknown extends Error {
  override readonly name = "PutUnknown";
  readonly key: string;
  constructor(key: string, attempts: number, options?: ErrorOptions) {
    super(`Fate of ${key} still unknown after ${attempts} attempts`, options);
    this.key = key;
  }
}

/**
 * Puts with `ifAbsent` until the outcome is known: after `unknown` or an error it reads the object
 * and compares, and repeats only the very same bytes. The bytes must be unlike those of any other
 * writer (a nonce in them), else a rival's success would look like ours.
 *
 * Errors: `Refusal` (no room; nothing was put), `PutUnknown` after `limits.putAttemptsMax`.
 */
export async function putKnown(
  store: ObjectStore,
  key: string,
  bytes: ObjectBytes,
): Promise<"done" | "lost"> {
  let cause: unknown;
  let unknownBefore = false;
  for (let attempt = 0; attempt < limits.putAttemptsMax; attempt++) {
    try {
      const outcome = await store.put(key, bytes, { ifAbsent: true });
      if (outcome === "done") return "done";
      // The first answer is the plain truth; later ones may speak of our own earlier attempt.
      if (outcome === "lost" && !unknownBefore) return "lost";
    } catch (error) {
      if (error instanceof Refusal && !unknownBefore) throw error;
      cause = error;
    }
    unknownBefore = true;
    try {
      const found = await store.get(key);
      if (found !== null) return sameBytes(found, bytes) ? "done" : "lost";
    } catch (error) {
      cause = error;
    }
  }
  throw new PutUnknown(key, limits.putAttemptsMax, { cause });
}

function sameBytes(found: Uint8Array, bytes: ObjectBytes): boolean {
  if (found.length !== objectLength(bytes)) return false;
  const whole = bytes instanceof Uint8Array ? bytes : concatBytes(bytes);
  return asBuffer(found).equals(whole);
}
