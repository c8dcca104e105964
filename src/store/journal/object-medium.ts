import { Refusal, errorText } from "#base/assert.ts";
import { type ObjectStore, putKnown } from "#objects/index.ts";
import type { EncodedBatch } from "./batch-encoder.ts";
import {
  type BatchHeader,
  type BatchOrigin,
  type ExpectedOrigin,
  type Seal,
  encodeSeal,
  readBatchHeader,
  readEntries,
  readSeal,
} from "./batch-format.ts";
import { JournalCorruption, JournalFenced, type JournalPlace } from "./journal.ts";
import {
  type JournalMedium,
  NothingWritten,
  type SegmentInfo,
  type SegmentItem,
  type Spot,
} from "./medium.ts";
import { itemsOf } from "./segment-scan.ts";

/** Key of a batch or seal: `<prefix>/<segment>/<batch>`, numbers as 8 hexadecimal digits. */
export function batchKey(prefix: string, segment: number, batch: number): string {
  return `${prefix}/${hex8(segment)}/${hex8(batch)}`;
}

/** Key of the marker of a segment whose batches are being deleted, or have been. */
export function goneKey(prefix: string, segment: number): string {
  return `${prefix}/${hex8(segment)}/gone`;
}

function hex8(value: number): string {
  return value.toString(16).padStart(8, "0");
}

export interface ObjectMediumOptions {
  readonly store: ObjectStore;
  /** Folder of this incarnation's journal, such as `journal/<incarnation>`. */
  readonly prefix: string;
  readonly storeId: Uint8Array;
  /** 8 random bytes of this incarnation; tell its attempts from those of all others. */
  readonly nonce: Uint8Array;
  readonly segmentBytes: number;
}

/** A journal as objects, one for each batch. Every put is conditional: that is the fence. */
export class ObjectMedium implements JournalMedium {
  readonly form = "object";
  readonly firstOffset = 0;
  readonly aligned = false;
  readonly readSync?: (place: JournalPlace, offset: number, target: Uint8Array) => number;
  readonly #options: ObjectMediumOptions;

  constructor(options: ObjectMediumOptions) {
    this.#options = options;
    const { store, prefix } = options;
    if (store.readSync !== undefined)
      this.readSync = (place, offset, target) => {
        const length = Math.max(0, Math.min(target.length, place.length - offset));
        const key = batchKey(prefix, place.segment, place.batch);
        return store.readSync!(key, place.offset + offset, target.subarray(0, length));
      };
  }

  originOf(segment: number): BatchOrigin {
    const { storeId, nonce } = this.#options;
    return { storeId, nonce, segment };
  }

  hasRoom(used: number, bytes: number): boolean {
    return used + bytes <= this.#options.segmentBytes;
  }

  async write(spot: Spot, batch: EncodedBatch): Promise<void> {
    await this.#put(spot, batch.pieces);
  }

  async #put(spot: Spot, bytes: Uint8Array | readonly Uint8Array[]): Promise<void> {
    const { store, prefix } = this.#options;
    const key = batchKey(prefix, spot.segment, spot.batch);
    let outcome: "done" | "lost";
    try {
      outcome = await putKnown(store, key, bytes);
    } catch (error) {
      if (error instanceof Refusal) throw new NothingWritten(errorText(error), { cause: error });
      throw error;
    }
    if (outcome === "lost")
      throw new JournalFenced(`Somebody else has put ${key}: this incarnation has been ended`);
  }

  async rotate(spot: Spot): Promise<void> {
    await this.#put(spot, this.#seal(spot, spot.segment + 1));
  }

  prepare(): void {}

  async recover(spot: Spot): Promise<boolean> {
    const { store, prefix } = this.#options;
    const next = spot.segment + 1;
    const key = batchKey(prefix, spot.segment, spot.batch);
    const seal = this.#seal(spot, next);
    if ((await putKnown(store, key, seal)) === "done") return false;
    const header = await this.#headerAt(key, spot.segment);
    if (header?.kind !== "journalBatch")
      throw new JournalFenced(`Somebody else has put ${key}: this incarnation has been ended`);
    // It got in after all.
    const behind = { ...spot, batch: spot.batch + 1 };
    await this.#put(behind, this.#seal(behind, next));
    return true;
  }

  async remove({ number, lastBatch }: SegmentInfo): Promise<void> {
    const { store, prefix } = this.#options;
    const at = { kind: "journalGone", batch: 0, offset: 0 } as const;
    const seal = { next: number + 1, foreign: false, by: "" };
    await putKnown(store, goneKey(prefix, number), encodeSeal(at, seal, this.originOf(number)));
    for (let batch = 1; batch <= lastBatch; batch++)
      await store.delete(batchKey(prefix, number, batch));
  }

  read(place: JournalPlace, offset: number, length: number): Promise<Uint8Array | null> {
    const { store, prefix } = this.#options;
    const key = batchKey(prefix, place.segment, place.batch);
    return store.get(key, { offset: place.offset + offset, length });
  }

  async *contentOf(segment: SegmentInfo, fromBatch: number): AsyncGenerator<SegmentItem> {
    const { store, prefix } = this.#options;
    for (let batch = Math.max(1, fromBatch); batch <= segment.lastBatch; batch++) {
      const bytes = await store.get(batchKey(prefix, segment.number, batch));
      const at = { segment: segment.number, batch, offset: 0 };
      if (bytes === null) throw new JournalCorruption(at, "missing, though it was durable");
      yield* batchItems(bytes, this.originOf(segment.number), at);
    }
  }

  async close(spot: Spot | null): Promise<void> {
    if (spot !== null) await this.#put(spot, this.#seal(spot, 0));
  }

  #seal({ segment, batch }: Spot, next: number): Uint8Array {
    const at = { kind: "journalSeal", batch, offset: 0 } as const;
    return encodeSeal(at, { next, foreign: false, by: "" }, this.originOf(segment));
  }

  async #headerAt(key: string, segment: number): Promise<BatchHeader | null> {
    const bytes = await this.#options.store.get(key);
    return bytes === null ? null : readBatchHeader(bytes, this.originOf(segment));
  }
}

/** The entries of one batch object. Errors: `JournalCorruption`. */
export function* batchItems(
  bytes: Uint8Array,
  origin: ExpectedOrigin,
  at: { segment: number; batch: number; offset: number },
): Generator<SegmentItem> {
  const header = readBatchHeader(bytes, origin);
  const sound = header?.kind === "journalBatch" && header.batch === at.batch;
  const entries = sound ? readEntries(bytes, header) : null;
  if (entries === null) throw new JournalCorruption(at, "the batch is damaged");
  yield* itemsOf(entries, header!, (text) => new JournalCorruption(at, text));
}

/** The seal in a batch's place; null where it is something else. */
export function sealIn(bytes: Uint8Array, origin: ExpectedOrigin): Seal | null {
  const header = readBatchHeader(bytes, origin);
  return header?.kind === "journalSeal" ? readSeal(bytes, header) : null;
}
