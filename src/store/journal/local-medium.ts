import { errorText } from "#base/assert.ts";
import type { Random } from "#base/random.ts";
import type { Lock, SegmentFile, SegmentFiles } from "#objects/index.ts";
import type { EncodedBatch } from "./batch-encoder.ts";
import {
  type BatchOrigin,
  batchAlignment,
  encodeSeal,
  encodeSegmentHead,
  endsWithSeal,
  nonceBytes,
} from "./batch-format.ts";
import type { JournalPlace } from "./journal.ts";
import {
  type JournalMedium,
  NothingWritten,
  type SegmentInfo,
  type SegmentItem,
  type Spot,
} from "./medium.ts";
import { findEnd, readContent, segmentName } from "./segment-scan.ts";

interface OpenSegment {
  readonly file: SegmentFile;
  readonly nonce: Uint8Array;
  /** Reads under way: the file must not be closed under them. */
  reads: number;
  /** Called when there are none left. */
  unused: (() => void) | null;
}

export interface LocalMediumOptions {
  readonly files: SegmentFiles;
  readonly lock: Lock;
  readonly storeId: Uint8Array;
  readonly random: Random;
  /** Size of a segment's file. */
  readonly bytes: number;
}

/** A journal in files of this machine. */
export class LocalMedium implements JournalMedium {
  readonly form = "local";
  readonly firstOffset = batchAlignment;
  readonly aligned = true;
  readonly #options: LocalMediumOptions;
  readonly #segments = new Map<number, OpenSegment>();
  /** The segment that is being made ready, by its number. */
  #ready: { readonly number: number; readonly segment: Promise<OpenSegment> } | null = null;

  constructor(options: LocalMediumOptions) {
    this.#options = options;
  }

  /** Takes over a segment of a former process. */
  adopt(number: number, file: SegmentFile, nonce: Uint8Array): void {
    this.#segments.set(number, { file, nonce, reads: 0, unused: null });
  }

  /** Makes a new current segment. */
  async begin(
    number: number,
    before: { readonly previous: number; readonly previousEnd: number },
  ): Promise<void> {
    this.#segments.set(number, await this.#create(number, before));
  }

  /** Gives back the room behind the end of a segment that will not grow, where it is much. */
  async trim({ number, bytes }: SegmentInfo): Promise<void> {
    const { file } = this.#segments.get(number)!;
    // The seal, if there is one, lies behind the last batch.
    const size = bytes + batchAlignment;
    if (size * 2 >= file.size) return;
    try {
      await file.truncate(size);
    } catch {
      // Then the file keeps its room until it is deleted.
    }
  }

  originOf(segment: number): BatchOrigin {
    const { nonce } = this.#segments.get(segment)!;
    return { storeId: this.#options.storeId, nonce, segment };
  }

  hasRoom(offset: number, bytes: number): boolean {
    return offset + bytes + 2 * batchAlignment <= this.#options.bytes;
  }

  async write(spot: Spot, batch: EncodedBatch): Promise<void> {
    await this.#writeAt(spot, batch.pieces);
  }

  async #writeAt({ segment, offset }: Spot, pieces: readonly Uint8Array[]): Promise<void> {
    const { file } = this.#segments.get(segment)!;
    try {
      await file.write(offset, pieces);
    } catch (error) {
      // Part of it may be there. Nothing else is written before that is gone for certain.
      await file.truncate(offset);
      await file.sync();
      throw new NothingWritten(errorText(error), { cause: error });
    }
    await file.sync();
  }

  async rotate(spot: Spot): Promise<void> {
    const next = spot.segment + 1;
    let created: OpenSegment;
    try {
      this.#prepareSegment(next);
      created = await this.#ready!.segment;
    } catch (error) {
      this.#ready = null;
      throw new NothingWritten(errorText(error), { cause: error });
    }
    await this.#writeAt(spot, [this.#seal(spot, next)]);
    this.#ready = null;
    this.#segments.set(next, created);
    await this.trim({ number: spot.segment, lastBatch: 0, bytes: spot.offset });
  }

  prepare({ segment, offset }: Spot): void {
    if (offset * 2 > this.#options.bytes) this.#prepareSegment(segment + 1);
  }

  #prepareSegment(number: number): void {
    if (this.#ready?.number === number) return;
    const segment = this.#create(number, { previous: number - 1, previousEnd: endsWithSeal });
    // Without room now there may be room when it is needed: `rotate` looks at the error.
    segment.catch(() => {});
    this.#ready = { number, segment };
  }

  async recover(spot: Spot): Promise<boolean> {
    const { file } = this.#segments.get(spot.segment)!;
    const before = { previous: spot.segment, previousEnd: spot.batch - 1 };
    // What was acknowledged must be readable still; the file itself is not written to again.
    await findEnd({ file, origin: this.originOf(spot.segment) }, before.previousEnd);
    // A seal that names the next segment may have been written: that name must never be absent.
    await this.#letGoOfReady();
    const next = spot.segment + 1;
    this.#segments.set(next, await this.#create(next, before, true));
    return false;
  }

  async remove({ number }: SegmentInfo): Promise<void> {
    const segment = this.#segments.get(number)!;
    this.#segments.delete(number);
    if (segment.reads > 0) await new Promise<void>((resolve) => (segment.unused = resolve));
    await segment.file.close();
    await this.#options.files.remove(segmentName(number));
  }

  async read(place: JournalPlace, offset: number, length: number): Promise<Uint8Array | null> {
    const segment = this.#segments.get(place.segment);
    if (segment === undefined) return null;
    return this.#reading(segment, () => segment.file.read(place.offset + offset, length));
  }

  readSync(place: JournalPlace, offset: number, target: Uint8Array): number {
    const segment = this.#segments.get(place.segment);
    if (segment === undefined) return -1;
    const length = Math.max(0, Math.min(target.length, place.length - offset));
    return segment.file.readSync(place.offset + offset, target.subarray(0, length));
  }

  async *contentOf(segment: SegmentInfo, fromBatch: number): AsyncGenerator<SegmentItem> {
    const open = this.#segments.get(segment.number);
    if (open === undefined) return;
    const origin = this.originOf(segment.number);
    open.reads++;
    try {
      yield* readContent({ file: open.file, origin }, segment, fromBatch);
    } finally {
      this.#release(open);
    }
  }

  async close(spot: Spot | null): Promise<void> {
    try {
      const ready = await this.#letGoOfReady();
      if (spot !== null) {
        if (ready !== null) await this.#options.files.remove(segmentName(ready));
        await this.#writeAt(spot, [this.#seal(spot, 0)]);
        await this.trim({ number: spot.segment, lastBatch: 0, bytes: spot.offset });
      }
    } finally {
      for (const { file } of this.#segments.values()) await file.close();
      this.#segments.clear();
      await this.#options.lock.release();
    }
  }

  #seal({ segment, batch, offset }: Spot, next: number): Uint8Array {
    const seal = { next, foreign: false, by: "" };
    return encodeSeal({ kind: "journalSeal", batch, offset }, seal, this.originOf(segment));
  }

  async #create(
    number: number,
    before: { readonly previous: number; readonly previousEnd: number },
    replace = false,
  ): Promise<OpenSegment> {
    const { files, random, storeId, bytes } = this.#options;
    const nonce = random.bytes(nonceBytes);
    const head = encodeSegmentHead({ segment: number, ...before, nonce }, storeId);
    const file = await files.create(segmentName(number), { bytes, head, replace });
    return { file, nonce, reads: 0, unused: null };
  }

  /** Closes the segment that was made ready, if there is one, and gives its number. */
  async #letGoOfReady(): Promise<number | null> {
    const ready = this.#ready;
    this.#ready = null;
    const segment = await ready?.segment.catch(() => undefined);
    if (ready === null || segment === undefined) return null;
    await segment.file.close();
    return ready.number;
  }

  async #reading<T>(segment: OpenSegment, run: () => Promise<T>): Promise<T> {
    segment.reads++;
    try {
      return await run();
    } finally {
      this.#release(segment);
    }
  }

  #release(segment: OpenSegment): void {
    segment.reads--;
    if (segment.reads === 0) segment.unused?.();
  }
}
