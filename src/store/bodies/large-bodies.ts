import { Refusal } from "#base/assert.ts";
import type { AccountId, Epoch } from "#base/brand.ts";
import type { Clock } from "#base/clock.ts";
import type { Random } from "#base/random.ts";
import { type ObjectStore, putKnown } from "#objects/index.ts";
import type { PackAdded } from "../index/change.ts";
import type { LargeBody, LargeBodyWriter } from "../ports.ts";
import { objectKey, objectName } from "../settled/names.ts";
import { Slices } from "../slices.ts";
import { storeBody } from "./compression.ts";
import { PackWriter } from "./pack-codec.ts";

/**
 * Puts large messages as packs of one entry. The message has no number and no uid yet: the record
 * that names the pack gives them. The entry says into which mailbox it was to go, for rebuilding.
 */
export class LargeBodies implements LargeBodyWriter {
  readonly #options: {
    readonly objects: ObjectStore;
    readonly storeId: Uint8Array;
    readonly epoch: Epoch;
    readonly random: Random;
    readonly clock: Clock;
  };
  #sequence = 0;

  constructor(options: {
    readonly objects: ObjectStore;
    readonly storeId: Uint8Array;
    readonly epoch: Epoch;
    readonly random: Random;
    readonly clock: Clock;
  }) {
    this.#options = options;
  }

  async put(account: AccountId, message: LargeBody): Promise<PackAdded> {
    const { objects, storeId, epoch, random, clock } = this.#options;
    const { prepared } = message;
    const slices = new Slices(clock);
    const body = await storeBody(prepared.body, prepared.bodyCrc, slices);
    const writer = new PackWriter(storeId, "body");
    const { sentDate, messageIdHash } = prepared;
    const { internalDate, places } = message;
    const info = { message: 0, internalDate, sentDate, thread: 0, messageIdHash, places };
    writer.add(info, body, prepared.fields);
    const { pieces, added } = await writer.finish(slices);
    const name = objectName({ kind: "body", epoch, sequence: ++this.#sequence }, random);
    try {
      await putKnown(objects, objectKey(account, name), pieces);
    } catch (cause) {
      if (cause instanceof Refusal) throw cause;
      throw new Refusal("UNAVAILABLE", "The message could not be stored", { cause });
    }
    return { number: 0, name, ...added };
  }
}
