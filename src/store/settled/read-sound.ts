import { Refusal } from "#base/assert.ts";
import type { AccountId } from "#base/brand.ts";
import { FormatError } from "#base/bytes.ts";
import type { Clock } from "#base/clock.ts";
import { EnvelopeError, type ObjectStore } from "#objects/index.ts";
import type { Damage } from "./damage.ts";
import { objectKey } from "./names.ts";

/** What reading an account's objects needs. */
export interface SettledContext {
  readonly objects: ObjectStore;
  readonly storeId: Uint8Array;
  readonly clock: Clock;
  readonly report: (damage: Damage) => void;
}

/** What was wrong with an object; its reader decides what that means. */
export class Unsound extends Error {
  override readonly name = "Unsound";
}

/**
 * Reads and decodes an object of an account. What cannot be decoded is read a second time, lest a
 * fault on the way be taken for damage.
 *
 * Errors: `Unsound` where the object is damaged or missing; `Refusal` UNAVAILABLE where it cannot
 * be read now or was written by a newer Roost.
 */
export async function readSound<T>(
  context: SettledContext,
  id: AccountId,
  name: string,
  decode: (bytes: Uint8Array) => T,
): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    const bytes = await getObject(context.objects, objectKey(id, name));
    if (bytes === null) throw new Unsound("is missing");
    try {
      return decode(bytes);
    } catch (error) {
      if (error instanceof EnvelopeError && error.fault !== "damaged")
        throw new Refusal("UNAVAILABLE", `${name}: ${error.message}`, { cause: error });
      if (!(error instanceof FormatError) && !(error instanceof RangeError)) throw error;
      if (attempt > 0) throw new Unsound(error.message, { cause: error });
    }
  }
}

/** Like `get`, but whatever goes wrong is a `Refusal` UNAVAILABLE. */
export async function getObject(objects: ObjectStore, key: string): Promise<Uint8Array | null> {
  try {
    return await objects.get(key);
  } catch (cause) {
    throw new Refusal("UNAVAILABLE", "The account cannot be read now", { cause });
  }
}

/** Names of all objects of an account, in order. Errors: `Refusal` UNAVAILABLE. */
export async function listNames(objects: ObjectStore, folder: string): Promise<string[]> {
  try {
    const keys = await objects.list(folder);
    return keys.map((key) => key.slice(folder.length));
  } catch (cause) {
    throw new Refusal("UNAVAILABLE", "The account cannot be read now", { cause });
  }
}
