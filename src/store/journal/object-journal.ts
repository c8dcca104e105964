import type { Clock } from "#base/clock.ts";
import { limits as allLimits } from "#base/limits.ts";
import type { Random } from "#base/random.ts";
import { type ObjectStore, putKnown } from "#objects/index.ts";
import { encodeSeal, nonceBytes } from "./batch-format.ts";
import {
  type Journal,
  JournalCorruption,
  type JournalEvents,
  type ReplayOptions,
  type StoredEntry,
  journalStart,
} from "./journal.ts";
import { ObjectMedium, batchItems, batchKey, goneKey, sealIn } from "./object-medium.ts";
import { type JournalLimits, SegmentedJournal, journalLimits } from "./segmented-journal.ts";

export interface ObjectJournalOptions {
  readonly store: ObjectStore;
  /** Folder of this incarnation's journal, such as `journal/<incarnation>`: never used before. */
  readonly prefix: string;
  readonly storeId: Uint8Array;
  readonly random: Random;
  readonly events?: JournalEvents;
  readonly limits?: Partial<JournalLimits>;
  /** For a store whose requests cost money: collect for so long before each batch. */
  readonly linger?: { readonly clock: Clock; readonly ms: number };
}

/**
 * The journal of a new incarnation, one object per batch. Those of former incarnations are read
 * with `readObjectJournal`, after `fence` has ended them.
 */
export function openObjectJournal(options: ObjectJournalOptions): Journal {
  const { store, prefix, storeId, random, events = {}, linger } = options;
  const limits = journalLimits("object", options.limits);
  const nonce = random.bytes(nonceBytes);
  const { segmentBytes } = limits;
  const medium = new ObjectMedium({ store, prefix, storeId, nonce, segmentBytes });
  const segments = [{ number: 1, lastBatch: 0, bytes: 0 }];
  return new SegmentedJournal({
    medium,
    segments,
    limits,
    events,
    ...(linger === undefined ? {} : { linger }),
  });
}

/** A segment was deleted under its reader: start over from the newest heads. */
export class SegmentGone extends Error {
  override readonly name = "SegmentGone";
  readonly segment: number;
  constructor(segment: number) {
    super(`Journal segment ${segment} has been deleted meanwhile`);
    this.segment = segment;
  }
}

export interface ObjectJournalSource {
  readonly store: ObjectStore;
  readonly prefix: string;
  readonly storeId: Uint8Array;
}

/** The numbers of the batches and seals that a segment has, in order. */
async function numbersOf(source: ObjectJournalSource, segment: number): Promise<number[]> {
  const folder = batchKey(source.prefix, segment, 0).slice(0, -8);
  const numbers: number[] = [];
  for (const key of await source.store.list(folder)) {
    const name = key.slice(folder.length);
    if (/^[0-9a-f]{8}$/.test(name)) numbers.push(Number.parseInt(name, 16));
  }
  return numbers;
}

/** Whether the batches of a segment have been deleted, or are being deleted. */
async function isGone({ store, prefix }: ObjectJournalSource, segment: number): Promise<boolean> {
  return (await store.get(goneKey(prefix, segment))) !== null;
}

/** The number of the first segment that has anything left, 1 where there is nothing at all. */
async function firstSegment(source: ObjectJournalSource): Promise<number> {
  const { store, prefix } = source;
  for (const key of await store.list(`${prefix}/`)) {
    const segment = Number.parseInt(key.slice(prefix.length + 1, prefix.length + 9), 16);
    if (!(await isGone(source, segment))) return segment;
  }
  return 1;
}

/**
 * All entries of a journal that has been ended, in order, up to its closing or foreign seal.
 * Errors: `JournalCorruption`; `SegmentGone` when its segments are being deleted.
 */
export async function* readObjectJournal(
  source: ObjectJournalSource,
  options: ReplayOptions = {},
): AsyncGenerator<StoredEntry> {
  const { store, prefix, storeId } = source;
  const from = options.from ?? journalStart;
  let segment = Math.max(from.segment, await firstSegment(source));
  while (segment !== 0) {
    const origin = { storeId, nonce: null, segment };
    const inFrom = segment === from.segment;
    let batch = inFrom ? Math.max(1, from.batch) : 1;
    for (; ; batch++) {
      const at = { segment, batch, offset: 0 };
      const bytes = await store.get(batchKey(prefix, segment, batch));
      if (bytes === null) {
        if (await isGone(source, segment)) throw new SegmentGone(segment);
        if (await hasBatchBehind(source, segment, batch))
          throw new JournalCorruption(at, "missing, though later batches are there");
        return;
      }
      const seal = sealIn(bytes, origin);
      if (seal !== null) {
        if (seal.foreign && (await isGone(source, segment))) throw new SegmentGone(segment);
        segment = seal.next;
        break;
      }
      for (const item of batchItems(bytes, origin, at)) {
        if (item.kind === "loss") options.lost?.(item.loss);
        else if (!(inFrom && batch === from.batch && item.entry.place.index < from.index)) {
          const { place, shard, epoch, account, payload } = item.entry;
          yield { place, shard, epoch, account, payload };
        }
      }
    }
  }
}

/** A seal may have been put ahead of the end, a batch never is. */
async function hasBatchBehind(
  source: ObjectJournalSource,
  segment: number,
  batch: number,
): Promise<boolean> {
  const origin = { storeId: source.storeId, nonce: null, segment };
  for (const number of await numbersOf(source, segment)) {
    if (number <= batch) continue;
    const bytes = await source.store.get(batchKey(source.prefix, segment, number));
    if (bytes !== null && sealIn(bytes, origin) === null) return true;
  }
  return false;
}

export interface FenceOptions extends ObjectJournalSource {
  readonly random: Random;
  /** Who fences, for people who look. */
  readonly by: string;
  /** Where the search for the end begins: a segment that was not settled when it was looked up. */
  readonly from: { readonly segment: number; readonly batch: number };
}

/**
 * `sealed`: the incarnation can never write again, and its journal ends at this seal. `gone`: the
 * search began in a segment that had been deleted; start over from the newest heads.
 */
export type FenceOutcome =
  | { readonly outcome: "sealed"; readonly segment: number; readonly batch: number }
  | { readonly outcome: "gone"; readonly segment: number };

/** Races lost in a row before a seal is put ahead of a busy writer, and how far ahead. */
const racesBeforeAhead = 4;
const aheadBy = 8;

/**
 * Ends an incarnation for ever: puts a foreign seal at the first absent number of its journal.
 * Then looks for the marker of a deleted segment: if it is there, the number was absent because it
 * had been deleted, not because it was the end. A busy writer that keeps winning the race is
 * stopped by a seal a few numbers ahead. Errors: `PutUnknown`; an error after
 * `limits.fenceStepsMax` steps.
 */
export async function fence(options: FenceOptions): Promise<FenceOutcome> {
  const { store, prefix, storeId, random, by } = options;
  const nonce = random.bytes(nonceBytes);
  let { segment, batch } = options.from;
  batch = await lastBeforeGap(options, segment, batch);
  let races = 0;
  const putSeal = (number: number): Promise<"done" | "lost"> => {
    const at = { kind: "journalSeal", batch: number, offset: 0 } as const;
    const origin = { storeId, nonce, segment };
    const bytes = encodeSeal(at, { next: 0, foreign: true, by }, origin);
    return putKnown(store, batchKey(prefix, segment, number), bytes);
  };
  // A seal that was found may have been put into a deleted segment too, by a fencer before us.
  const ended = async (at: number): Promise<FenceOutcome> =>
    (await isGone(options, segment))
      ? { outcome: "gone", segment }
      : { outcome: "sealed", segment, batch: at };
  for (let step = 0; step < allLimits.fenceStepsMax; step++) {
    const bytes = await store.get(batchKey(prefix, segment, batch));
    if (bytes !== null) {
      const seal = sealIn(bytes, { storeId, nonce: null, segment });
      if (seal === null) batch++;
      else if (seal.next === 0) return ended(batch);
      else {
        segment = seal.next;
        batch = await lastBeforeGap(options, segment, 1);
      }
      continue;
    }
    if ((await putSeal(batch)) === "done") return ended(batch);
    races++;
    if (races % racesBeforeAhead === 0) await putSeal(batch + aheadBy);
  }
  throw new Error(`The end of ${prefix} was not reached in ${allLimits.fenceStepsMax} steps`);
}

/** The last number before a gap, so that the walk need not read a long segment from its start. */
async function lastBeforeGap(
  source: ObjectJournalSource,
  segment: number,
  from: number,
): Promise<number> {
  let last = from;
  for (const number of await numbersOf(source, segment)) if (number === last + 1) last = number;
  return last;
}
