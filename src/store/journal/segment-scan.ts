/** Reading a segment's file of the local form: where it ends, what is in it, what is damaged. */
import type { SegmentFile } from "#objects/index.ts";
import {
  type BatchHeader,
  type BatchOrigin,
  type DecodedEntry,
  type LostRange,
  type Seal,
  type SegmentHead,
  batchAlignment,
  batchHeaderBytes,
  batchLength,
  padded,
  readBatchHeader,
  readEntries,
  readLostRange,
  readSeal,
} from "./batch-format.ts";
import { JournalCorruption, type JournalLoss } from "./journal.ts";
import type { SegmentInfo, SegmentItem } from "./medium.ts";

/** A file with what its batches must say. */
export interface ScannedFile {
  readonly file: SegmentFile;
  readonly origin: BatchOrigin;
}

/** A segment that a former process left. */
export interface FoundSegment {
  readonly number: number;
  readonly head: SegmentHead;
  readonly scanned: ScannedFile;
}

/** Name of a segment's file. */
export function segmentName(number: number): string {
  return `${number.toString(16).padStart(8, "0")}.segment`;
}

/** Bytes read at one time. */
const chunkBytes = 1024 * 1024;

/** Where a segment ends. */
export interface SegmentEnd {
  readonly lastBatch: number;
  /** Offset of the last batch, 0 = there is none. */
  readonly lastOffset: number;
  /** Behind the last batch. */
  readonly end: number;
  readonly seal: Seal | null;
}

/** The header at `offset`, if it is that of batch `batch` and lies within the file. */
export function headerAt(scanned: ScannedFile, offset: number, batch: number): BatchHeader | null {
  const bytes = new Uint8Array(batchHeaderBytes);
  scanned.file.readSync(offset, bytes);
  const header = readBatchHeader(bytes, scanned.origin);
  if (header === null || header.batch !== batch || header.offset !== offset) return null;
  return offset + batchLength(header) <= scanned.file.size ? header : null;
}

/** The seal or lost range at `offset`, decoded; null where it is damaged. */
function bodyAt<T>(
  scanned: ScannedFile,
  header: BatchHeader,
  decode: (bytes: Uint8Array, header: BatchHeader) => T | null,
): T | null {
  const bytes = new Uint8Array(batchLength(header));
  scanned.file.readSync(header.offset, bytes);
  return decode(bytes, header);
}

export function lostRangeAt(scanned: ScannedFile, header: BatchHeader): LostRange | null {
  return bodyAt(scanned, header, readLostRange);
}

export function sealAt(scanned: ScannedFile, header: BatchHeader): Seal | null {
  return bodyAt(scanned, header, readSeal);
}

/** Last number and end of what the header at its place stands for; null where it is damaged. */
export function extentOf(
  scanned: ScannedFile,
  header: BatchHeader,
): { lastBatch: number; end: number } | null {
  if (header.kind === "journalBatch")
    return { lastBatch: header.batch, end: header.offset + padded(batchLength(header)) };
  const range = header.kind === "journalLost" ? lostRangeAt(scanned, header) : null;
  return range === null ? null : { lastBatch: range.lastBatch, end: header.offset + range.bytes };
}

/**
 * Goes from header to header to the end of a segment: its seal, batch `lastBatch` where the next
 * segment says so (null: it does not), or the last batch that is whole. Errors:
 * `JournalCorruption` where something durable is missing.
 */
export async function findEnd(scanned: ScannedFile, lastBatch: number | null): Promise<SegmentEnd> {
  let last = { lastBatch: 0, end: batchAlignment };
  let lastOffset = 0;
  while (lastBatch === null || last.lastBatch < lastBatch) {
    const header = headerAt(scanned, last.end, last.lastBatch + 1);
    if (header?.kind === "journalSeal") {
      const seal = sealAt(scanned, header);
      if (seal !== null) return { ...last, lastOffset, seal };
    }
    const extent = header === null ? null : extentOf(scanned, header);
    if (extent === null) break;
    lastOffset = last.end;
    last = extent;
  }
  if (lastBatch !== null && last.lastBatch < lastBatch)
    throw corruption(scanned, last, `missing, though ${lastBatch} batches were durable`);
  if (lastBatch !== null) return { ...last, lastOffset, seal: null };
  return findTornEnd(scanned, last, lastOffset);
}

/**
 * The end of a segment that its writer was still writing. Its very last batch may be torn: nobody
 * was told that it is durable. Everything before was.
 */
async function findTornEnd(
  scanned: ScannedFile,
  last: { lastBatch: number; end: number },
  lastOffset: number,
): Promise<SegmentEnd> {
  const later = await findLater(scanned, last.end, last.lastBatch + 1);
  if (later !== null && later.synced > last.lastBatch)
    throw corruption(
      scanned,
      last,
      `damaged, though batch ${later.batch} at offset ${later.offset} says that it was durable`,
    );
  const header = lastOffset === 0 ? null : headerAt(scanned, lastOffset, last.lastBatch);
  if (header === null || header.kind !== "journalBatch") return { ...last, lastOffset, seal: null };
  const entries = readEntries(await bytesOf(scanned, header), header);
  if (entries !== null && entries.every((entry) => entry.sound))
    return { ...last, lastOffset, seal: null };
  // Torn: go back by one. The batch before was durable, so it is not looked at here.
  const before = { lastBatch: last.lastBatch - 1, end: lastOffset };
  return { ...before, lastOffset: 0, seal: null };
}

function corruption(
  scanned: ScannedFile,
  last: { lastBatch: number; end: number },
  text: string,
): JournalCorruption {
  const { segment } = scanned.origin;
  return new JournalCorruption({ segment, batch: last.lastBatch + 1, offset: last.end }, text);
}

/** All bytes of a batch. */
export function bytesOf(scanned: ScannedFile, header: BatchHeader): Promise<Uint8Array> {
  return scanned.file.read(header.offset, batchLength(header));
}

/**
 * The first sound header behind `offset` with a number above `batch`: a look at every aligned
 * offset to the end of the file, needed only when something is damaged or a writer has crashed.
 */
export async function findLater(
  scanned: ScannedFile,
  offset: number,
  batch: number,
): Promise<BatchHeader | null> {
  const { file, origin } = scanned;
  for (let at = offset + batchAlignment; at < file.size; at += chunkBytes) {
    const bytes = await file.read(at, chunkBytes);
    for (let i = 0; i + batchHeaderBytes <= bytes.length; i += batchAlignment) {
      const header = readBatchHeader(bytes.subarray(i, i + batchHeaderBytes), origin);
      if (header !== null && header.offset === at + i && header.batch > batch) return header;
    }
  }
  return null;
}

/** The content of a segment up to its last batch. Errors: `JournalCorruption`. */
export async function* readContent(
  scanned: ScannedFile,
  segment: SegmentInfo,
  fromBatch: number,
): AsyncGenerator<SegmentItem> {
  let last = { lastBatch: 0, end: batchAlignment };
  let chunk: Uint8Array = new Uint8Array(0);
  let chunkAt = 0;
  while (last.lastBatch < segment.lastBatch) {
    const header = headerAt(scanned, last.end, last.lastBatch + 1);
    const extent = header === null ? null : extentOf(scanned, header);
    if (header === null || extent === null)
      throw corruption(scanned, last, `damaged, though ${segment.lastBatch} batches were durable`);
    if (extent.lastBatch >= fromBatch && header.kind === "journalLost")
      yield { kind: "loss", loss: rangeLoss(header, extent) };
    else if (extent.lastBatch >= fromBatch) {
      const length = batchLength(header);
      if (header.offset < chunkAt || header.offset + length > chunkAt + chunk.length) {
        chunkAt = header.offset;
        chunk = await scanned.file.read(chunkAt, Math.max(length, chunkBytes));
      }
      const start = header.offset - chunkAt;
      const entries = readEntries(chunk.subarray(start, start + length), header);
      if (entries === null) throw corruption(scanned, last, "the table of its entries is damaged");
      const here = last;
      yield* itemsOf(entries, header, (text) => corruption(scanned, here, text));
    }
    last = extent;
  }
}

/**
 * Entries in order; those that a repair gave up come together as one loss, and with them those that
 * share bytes which it gave up: of these only the contents are lost.
 */
export function* itemsOf(
  entries: readonly DecodedEntry[],
  header: BatchHeader,
  corrupt: (text: string) => JournalCorruption,
): Generator<SegmentItem> {
  const loss = entryLoss(entries, header);
  if (loss !== null) yield { kind: "loss", loss };
  for (const entry of entries)
    if (!entry.sound) throw corrupt(`entry ${entry.place.index} does not fit its checksum`);
  for (const entry of entries) {
    if (entry.lost || entry.isShared) continue;
    yield { kind: "entry", entry };
  }
}

function entryLoss(entries: readonly DecodedEntry[], header: BatchHeader): JournalLoss | null {
  const lost = entries.filter((entry) => entry.lost);
  if (lost.length === 0) return null;
  const { segment, batch } = header;
  const shared = entries.filter((entry) => entry.isShared);
  const concerned = entries.filter(
    ({ lost, isShared, sharedNumber }) =>
      !isShared && (lost || shared[sharedNumber - 1]?.lost === true),
  );
  return {
    segment,
    offset: header.offset,
    bytes: lost.reduce((sum, { place }) => sum + place.length, 0),
    firstBatch: batch,
    lastBatch: batch,
    entries: concerned.map(({ place, shard, epoch, account }) => ({
      position: { segment, batch, index: place.index },
      shard,
      epoch,
      account,
    })),
  };
}

function rangeLoss(header: BatchHeader, extent: { lastBatch: number; end: number }): JournalLoss {
  return {
    segment: header.segment,
    offset: header.offset,
    bytes: extent.end - header.offset,
    firstBatch: header.batch,
    lastBatch: extent.lastBatch,
    entries: null,
  };
}
