import type { Random } from "#base/random.ts";
import type { Lock, SegmentFile, SegmentFiles } from "#objects/index.ts";
import { type SegmentHead, batchAlignment, endsWithSeal, readSegmentHead } from "./batch-format.ts";
import { type Journal, JournalCorruption, type JournalEvents } from "./journal.ts";
import { LocalMedium } from "./local-medium.ts";
import type { SegmentInfo } from "./medium.ts";
import { repairHead, repairSegment, replaceMissing } from "./repair.ts";
import {
  type FoundSegment,
  type ScannedFile,
  type SegmentEnd,
  bytesOf,
  findEnd,
  findLater,
  headerAt,
  segmentName,
} from "./segment-scan.ts";
import { type JournalLimits, SegmentedJournal, journalLimits } from "./segmented-journal.ts";

export interface LocalJournalOptions {
  readonly files: SegmentFiles;
  /** 16 bytes that all segments of this store carry. */
  readonly storeId: Uint8Array;
  /** For the nonce of each segment. */
  readonly random: Random;
  readonly events?: JournalEvents;
  readonly limits?: Partial<JournalLimits>;
  /**
   * Go on without what is damaged: a copy of the segment is set aside, the damaged part is marked
   * as lost, and `replay` reports it.
   */
  readonly repair?: boolean;
  /**
   * The new segment has at least this number. For a store whose settled objects name positions of
   * a journal directory that has been lost.
   */
  readonly firstSegment?: number;
}

/**
 * Takes the lock, finds out where the journal of the former process ended, and begins a new
 * segment, whose head says so. Errors: `DirectoryLocked`; `JournalCorruption` (not with `repair`);
 * `EnvelopeError` for a journal of another store or a newer Roost; `Refusal` when there is no room.
 */
export async function openLocalJournal(options: LocalJournalOptions): Promise<Journal> {
  const lock = await options.files.lock();
  const found: FoundSegment[] = [];
  try {
    return await openLocked(options, lock, found);
  } catch (error) {
    for (const { scanned } of found) await scanned.file.close();
    await lock.release();
    throw error;
  }
}

async function openLocked(
  options: LocalJournalOptions,
  lock: Lock,
  found: FoundSegment[],
): Promise<Journal> {
  const { files, storeId, random, events = {} } = options;
  const limits = journalLimits("local", options.limits);
  await openFound(options, found);
  await checkChain(options, found);
  const ends = await findEnds(options, found);
  const medium = new LocalMedium({ files, lock, storeId, random, bytes: limits.segmentBytes });
  const segments: SegmentInfo[] = found.map(({ number, scanned, head }, i) => {
    medium.adopt(number, scanned.file, head.nonce);
    return { number, lastBatch: ends[i]!.lastBatch, bytes: ends[i]!.end };
  });
  const last = segments.at(-1);
  const number = Math.max((last?.number ?? 0) + 1, options.firstSegment ?? 1);
  await medium.begin(number, { previous: last?.number ?? 0, previousEnd: last?.lastBatch ?? 0 });
  for (const segment of segments) await medium.trim(segment);
  segments.push({ number, lastBatch: 0, bytes: batchAlignment });
  return new SegmentedJournal({ medium, segments, limits, events });
}

const namePattern = /^([0-9a-f]{8})\.segment$/;

async function openFound(options: LocalJournalOptions, found: FoundSegment[]): Promise<void> {
  const { files, storeId } = options;
  for (const name of await files.list()) {
    const digits = namePattern.exec(name)?.[1];
    if (digits === undefined) continue;
    const number = Number.parseInt(digits, 16);
    const file = await files.open(name);
    try {
      found.push(await openOne(options, { number, file, previous: found.at(-1) }));
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  async function openOne(
    { repair }: LocalJournalOptions,
    at: { number: number; file: SegmentFile; previous: FoundSegment | undefined },
  ): Promise<FoundSegment> {
    const { number, file } = at;
    let head = readSegmentHead(await file.read(0, batchAlignment), storeId);
    if (head?.segment !== number) {
      if (repair !== true) throw broken(number, 0, 0, "the head of its file is damaged");
      head = await repairHead({ ...options, ...at });
    }
    return { number, head, scanned: scannedFile(file, head, storeId) };
  }
}

function scannedFile(file: SegmentFile, head: SegmentHead, storeId: Uint8Array): ScannedFile {
  return { file, origin: { storeId, nonce: head.nonce, segment: head.segment } };
}

function broken(segment: number, batch: number, offset: number, text: string): JournalCorruption {
  return new JournalCorruption({ segment, batch, offset }, text);
}

/** Every head names the segment before; the first one left names one that has been deleted. */
async function checkChain(options: LocalJournalOptions, found: FoundSegment[]): Promise<void> {
  for (let i = 1; i < found.length; i++) {
    const { previous, previousEnd } = found[i]!.head;
    if (previous === found[i - 1]!.number) continue;
    if (options.repair !== true) throw broken(previous, 0, 0, "its file is missing");
    const lost = await replaceMissing(options, {
      number: previous,
      after: found[i - 1]!,
      previousEnd,
    });
    found.splice(i, 0, lost);
    i++;
  }
}

/** Where each segment ends, in order. Drops a last one that was made ready but never used. */
async function findEnds(
  options: LocalJournalOptions,
  found: FoundSegment[],
): Promise<SegmentEnd[]> {
  const ends: SegmentEnd[] = [];
  for (let i = 0; i < found.length; i++) {
    const { number, scanned } = found[i]!;
    const next = found[i + 1];
    const sealExpected = next?.head.previousEnd === endsWithSeal;
    const mustEnd = next === undefined || sealExpected ? null : next.head.previousEnd;
    const unused = sealExpected && i + 2 === found.length && (await isUnused(next));
    if (options.repair === true) {
      const sealFor = sealExpected && !unused ? next.number : null;
      await repairSegment({ files: options.files, scanned, mustEnd, sealFor });
    }
    const end = await findEnd(scanned, mustEnd);
    ends.push(end);
    if (sealExpected && end.seal === null) {
      if (!unused) throw broken(number, end.lastBatch + 1, end.end, "the seal is missing");
      await next.scanned.file.close();
      await options.files.remove(segmentName(next.number));
      found.pop();
    }
  }
  const seal = ends.at(-1)?.seal ?? null;
  if (seal !== null && seal.next !== 0) {
    const number = seal.next;
    if (options.repair !== true) throw broken(number, 0, 0, "its file is missing");
    const missing = { number, after: found.at(-1)!, previousEnd: 1 };
    found.push(await replaceMissing(options, missing));
    ends.push(await findEnd(found.at(-1)!.scanned, 1));
  }
  // Two, because the last one may have been begun and not written to.
  for (let i = Math.max(0, found.length - 2); i < found.length; i++)
    await rewriteEnd(found[i]!.scanned, ends[i]!);
  return ends;
}

async function isUnused({ scanned }: FoundSegment): Promise<boolean> {
  if (headerAt(scanned, batchAlignment, 1) !== null) return false;
  return (await findLater(scanned, 0, 0)) === null;
}

/**
 * The end of a segment may be known to the page cache only, and even be taken for written there,
 * if the sync failed that the former process ended in. The same bytes once more, and a sync, make
 * sure that nobody is served what a power failure can take back.
 */
async function rewriteEnd(scanned: ScannedFile, end: SegmentEnd): Promise<void> {
  const batch = end.lastOffset === 0 ? null : headerAt(scanned, end.lastOffset, end.lastBatch);
  const seal = end.seal === null ? null : headerAt(scanned, end.end, end.lastBatch + 1);
  for (const header of [batch, seal])
    if (header !== null) await scanned.file.write(header.offset, [await bytesOf(scanned, header)]);
  await scanned.file.sync();
}
