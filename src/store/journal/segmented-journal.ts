import { Bug, Refusal, assert } from "#base/assert.ts";
import type { AccountId } from "#base/brand.ts";
import { type Clock, sleep } from "#base/clock.ts";
import { crc32 } from "#base/crc.ts";
import { limits } from "#base/limits.ts";
import { objectLength } from "#objects/index.ts";
import { BatchEncoder } from "./batch-encoder.ts";
import { batchHeaderBytes, tableEntryBytes } from "./batch-format.ts";
import { BatchQueue, type PendingAppend, batchBytesOf } from "./batch-queue.ts";
import {
  type Journal,
  JournalCorruption,
  type JournalEntry,
  type JournalEvents,
  JournalFenced,
  type JournalPlace,
  type JournalPosition,
  type JournalState,
  type JournalTail,
  type ReplayOptions,
  type StoredEntry,
  journalStart,
} from "./journal.ts";
import { type JournalMedium, NothingWritten, type SegmentInfo, type Spot } from "./medium.ts";

/** Limits of one journal; the defaults are those of `base/limits`. */
export interface JournalLimits {
  readonly batchBytesMax: number;
  readonly batchEntriesMax: number;
  /** Size of a segment; in the object form, where none is reserved, of its batches. */
  readonly segmentBytes: number;
  readonly tailBatchesMax: number;
  readonly tailBytesMax: number;
  readonly queueEntriesMax: number;
  readonly queueBytesMax: number;
}

export function journalLimits(
  form: "local" | "object",
  chosen: Partial<JournalLimits> = {},
): JournalLimits {
  const all: JournalLimits = {
    batchBytesMax: limits.batchBytesMax,
    batchEntriesMax: limits.batchEntriesMax,
    segmentBytes: limits.segmentBytes,
    tailBatchesMax: form === "local" ? limits.localTailBatchesMax : limits.tailBatchesMax,
    tailBytesMax: limits.tailBytesMax,
    queueEntriesMax: limits.journalQueueEntriesMax,
    queueBytesMax: limits.journalQueueBytesMax,
    ...chosen,
  };
  assert(all.batchBytesMax * 2 <= all.segmentBytes, "A segment holds several batches");
  assert(all.segmentBytes * 2 <= all.tailBytesMax, "The tail holds several segments");
  assert(all.tailBatchesMax >= 8, "The tail holds several segments of several batches");
  return all;
}

export interface SegmentedJournalOptions {
  readonly medium: JournalMedium;
  /** Segments that exist, in order; the last one is current, empty and open. */
  readonly segments: SegmentInfo[];
  readonly limits: JournalLimits;
  readonly events: JournalEvents;
  /** Collect for so long before a batch is written (a store whose requests cost money). */
  readonly linger?: { readonly clock: Clock; readonly ms: number };
}

/**
 * The part of a journal that is the same in both forms. One loop writes one batch at a time; what
 * is appended meanwhile collects for the next. A segment ends when the next batch does not fit, or
 * after a quarter of the batches of a full tail, so that something can always be deleted.
 */
export class SegmentedJournal implements Journal {
  readonly form: "local" | "object";
  readonly readSync?: (place: JournalPlace, offset: number, target: Uint8Array) => number;
  readonly #medium: JournalMedium;
  readonly #segments: SegmentInfo[];
  readonly #limits: JournalLimits;
  readonly #events: JournalEvents;
  readonly #linger: SegmentedJournalOptions["linger"];
  readonly #encoder = new BatchEncoder();
  #queue = new BatchQueue();
  /** Appends of the batch that is being written. */
  #inFlight: readonly PendingAppend[] = [];
  #state: JournalState = "open";
  #failure: Error | null = null;
  #running = false;
  #closing = false;
  #rotations: { resolve: () => void; reject: (error: Error) => void }[] = [];
  /** Called when the loop has stopped. */
  #idle: (() => void)[] = [];
  /** The end of the deletions that are under way. */
  #deleting: Promise<void> = Promise.resolve();
  #pressed = false;
  #tailBatches = 0;
  #tailBytes = 0;

  constructor(options: SegmentedJournalOptions) {
    const { medium } = options;
    this.form = medium.form;
    this.#medium = medium;
    this.#segments = options.segments;
    this.#limits = options.limits;
    this.#events = options.events;
    this.#linger = options.linger;
    for (const segment of this.#segments) {
      this.#tailBatches += segment.lastBatch;
      this.#tailBytes += segment.bytes;
    }
    if (medium.readSync !== undefined)
      this.readSync = (place, offset, target) => medium.readSync!(place, offset, target);
  }

  get state(): JournalState {
    return this.#state;
  }

  get failure(): Error | null {
    return this.#failure;
  }

  get tail(): JournalTail {
    const segments = this.#segments.length;
    return { segments, batches: this.#tailBatches, bytes: this.#tailBytes };
  }

  get next(): JournalPosition {
    const { number, lastBatch } = this.#current;
    return { segment: number, batch: lastBatch + 1, index: 0 };
  }

  get #current(): SegmentInfo {
    return this.#segments.at(-1)!;
  }

  get #spot(): Spot {
    const { number, lastBatch, bytes } = this.#current;
    const offset = this.form === "local" ? bytes : 0;
    return { segment: number, batch: lastBatch + 1, offset };
  }

  append(entry: JournalEntry): Promise<JournalPlace> {
    if (this.#state !== "open" || this.#closing) return Promise.reject(this.#refusal());
    const { payload, shared } = entry;
    let bytes = objectLength(payload) + tableEntryBytes;
    if (shared !== undefined) bytes += objectLength(shared) + tableEntryBytes;
    if (bytes + batchHeaderBytes > this.#limits.batchBytesMax)
      return Promise.reject(new Bug(`An entry of ${bytes} bytes does not fit into a batch`));
    const { queueEntriesMax, queueBytesMax } = this.#limits;
    const queueIsFull =
      this.#queue.entries >= queueEntriesMax || this.#queue.bytes + bytes > queueBytesMax;
    if (queueIsFull && entry.exempt !== true)
      return Promise.reject(new Refusal("UNAVAILABLE", "Too many changes wait to be stored"));
    return new Promise((resolve, reject) => {
      this.#queue.add(entry, { resolve, reject });
      this.#wake();
    });
  }

  async read(
    place: JournalPlace,
    offset = 0,
    length = place.length - offset,
  ): Promise<Uint8Array | null> {
    const wanted = Math.max(0, Math.min(length, place.length - offset));
    const bytes = await this.#medium.read(place, offset, wanted);
    const whole = bytes !== null && wanted === place.length;
    if (whole && (bytes.length !== wanted || crc32(bytes) !== place.checksum))
      throw new JournalCorruption(place, `entry ${place.index} does not fit its checksum`);
    return bytes;
  }

  async *replay(options: ReplayOptions = {}): AsyncGenerator<StoredEntry> {
    const from = options.from ?? journalStart;
    // What is durable now; the journal may go on meanwhile.
    const segments = this.#segments.map((segment) => ({ ...segment }));
    for (const segment of segments) {
      if (segment.number < from.segment) continue;
      const fromBatch = segment.number === from.segment ? from.batch : 0;
      for await (const item of this.#medium.contentOf(segment, fromBatch)) {
        if (item.kind === "loss") options.lost?.(item.loss);
        else {
          const { place, shard, epoch, account, payload } = item.entry;
          const before = place.batch === fromBatch && place.index < from.index;
          if (!before) yield { place, shard, epoch, account, payload };
        }
      }
    }
  }

  rotate(): Promise<void> {
    if (this.#state !== "open" || this.#closing) return Promise.reject(this.#refusal());
    return new Promise((resolve, reject) => {
      this.#rotations.push({ resolve, reject });
      this.#wake();
    });
  }

  deleteSettled(before: JournalPosition): Promise<void> {
    const work = this.#deleting.then(() => this.#deleteBefore(before));
    this.#deleting = work.catch(() => {});
    return work;
  }

  async reopen(): Promise<void> {
    if (this.#state !== "failed") throw new Bug(`Journal is ${this.#state}, not failed`);
    await this.#stopped();
    const spot = this.#spot;
    const inFlightIsDurable = await this.#medium.recover(spot);
    if (inFlightIsDurable) this.#count(0);
    this.#begin(spot.segment + 1);
    this.#failure = null;
    this.#state = "open";
  }

  async close(): Promise<void> {
    if (this.#state === "closed") return;
    this.#closing = true;
    if (this.#state === "open") this.#wake();
    await this.#stopped();
    await this.#deleting;
    const sound = this.#state === "open";
    this.#state = "closed";
    await this.#medium.close(sound ? this.#spot : null);
  }

  #wake(): void {
    if (this.#running) return;
    this.#running = true;
    // A microtask later, so that one burst of appends is one batch.
    queueMicrotask(() => void this.#run());
  }

  /** Resolves when the loop does not run. */
  #stopped(): Promise<void> {
    if (!this.#running) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  async #run(): Promise<void> {
    while (this.#state === "open" && (this.#queue.entries > 0 || this.#rotations.length > 0)) {
      try {
        if (this.#rotations.length > 0) await this.#rotateForCallers();
        else {
          const onlyExempt = this.#tailIsFull() && !this.#closing;
          if (onlyExempt && !this.#queue.hasExempt) break;
          await this.#writeBatch(onlyExempt);
        }
      } catch (error) {
        this.#fail(error);
      }
    }
    this.#running = false;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  #tailIsFull(): boolean {
    const { tailBatchesMax, tailBytesMax } = this.#limits;
    const full = this.#tailBatches >= tailBatchesMax || this.#tailBytes >= tailBytesMax;
    if (full) this.#events.tailPressure?.(this.tail);
    return full;
  }

  async #writeBatch(onlyExempt: boolean): Promise<void> {
    const { batchBytesMax, batchEntriesMax } = this.#limits;
    if (this.#linger !== undefined && this.#queue.bytes < batchBytesMax && !this.#closing)
      await sleep(this.#linger.clock, this.#linger.ms);
    const appends = onlyExempt
      ? this.#queue.takeExempt(batchBytesMax, batchEntriesMax)
      : this.#queue.take(batchBytesMax, batchEntriesMax);
    this.#inFlight = appends;
    let spot = this.#spot;
    if (this.#segmentIsFull(batchBytesOf(appends))) {
      await this.#rotate();
      spot = this.#spot;
    }
    const batch = this.#encoder.encode(
      appends,
      {
        batch: spot.batch,
        offset: spot.offset,
        synced: spot.batch - 1,
        align: this.#medium.aligned,
      },
      this.#medium.originOf(spot.segment),
    );
    await this.#medium.write(spot, batch);
    this.#inFlight = [];
    this.#count(batch.length);
    for (let i = 0; i < appends.length; i++) appends[i]!.resolve(batch.places[i]!);
    this.#medium.prepare(this.#spot);
    this.#press();
  }

  #segmentIsFull(bytes: number): boolean {
    const { lastBatch, bytes: used } = this.#current;
    if (lastBatch === 0) return false;
    return (
      !this.#medium.hasRoom(used, bytes) || lastBatch >= Math.floor(this.#limits.tailBatchesMax / 4)
    );
  }

  async #rotate(): Promise<void> {
    const spot = this.#spot;
    await this.#medium.rotate(spot);
    this.#begin(spot.segment + 1);
  }

  async #rotateForCallers(): Promise<void> {
    if (this.#current.lastBatch > 0) await this.#rotate();
    for (const { resolve } of this.#rotations.splice(0)) resolve();
  }

  #begin(number: number): void {
    this.#segments.push({ number, lastBatch: 0, bytes: this.#medium.firstOffset });
    this.#tailBytes += this.#medium.firstOffset;
    // While the tail stays long, its owner is told again with every segment.
    this.#pressed = false;
  }

  #count(bytes: number): void {
    this.#current.lastBatch++;
    this.#current.bytes += bytes;
    this.#tailBatches++;
    this.#tailBytes += bytes;
  }

  /** Tells that the tail has passed half of its limit. */
  #press(): void {
    const { tailBatchesMax, tailBytesMax } = this.#limits;
    const half = this.#tailBatches * 2 >= tailBatchesMax || this.#tailBytes * 2 >= tailBytesMax;
    if (half && !this.#pressed) this.#events.tailPressure?.(this.tail);
    this.#pressed = half;
  }

  async #deleteBefore(before: JournalPosition): Promise<void> {
    while (this.#segments.length > 1) {
      const segment = this.#segments[0]!;
      const settled =
        segment.number < before.segment ||
        (segment.number === before.segment && segment.lastBatch < before.batch);
      if (!settled) break;
      await this.#medium.remove(segment);
      this.#segments.shift();
      this.#tailBatches -= segment.lastBatch;
      this.#tailBytes -= segment.bytes;
    }
    this.#press();
    if (this.#queue.entries > 0 && this.#state === "open") this.#wake();
  }

  #fail(error: unknown): void {
    const cause = error instanceof Error ? error : new Error(String(error));
    if (cause instanceof JournalFenced) this.#state = "fenced";
    else if (!(cause instanceof NothingWritten)) this.#state = "failed";
    if (this.#state !== "open") this.#failure = cause;
    const rejected = [...this.#inFlight, ...this.#queue.take(Infinity, Infinity)];
    this.#inFlight = [];
    this.#queue = new BatchQueue();
    const reason = cause instanceof NothingWritten ? (cause.cause as Error) : cause;
    const refusal =
      reason instanceof Refusal
        ? reason
        : new Refusal("UNAVAILABLE", "The change could not be stored", { cause: reason });
    const accounts = new Set<AccountId>();
    for (const { entry } of rejected) accounts.add(entry.account);
    if (accounts.size > 0) this.#events.rejected?.(accounts, refusal);
    for (const { reject } of rejected) reject(refusal);
    for (const { reject } of this.#rotations.splice(0)) reject(refusal);
  }

  #refusal(): Refusal {
    const text = {
      open: "The journal is being closed",
      closed: "The journal is closed",
      failed: "The journal has failed and is being reopened",
      fenced: "This server has lost its journal to another one",
    }[this.#state];
    return new Refusal("UNAVAILABLE", text, { cause: this.#failure });
  }
}
