/** How batches, seals and segment heads are stored; the prose twin is `docs/formats/journal.md`. */
import type { AccountId, Epoch, Shard } from "#base/brand.ts";
import { ByteReader, ByteWriter, asBuffer } from "#base/bytes.ts";
import { crc32 } from "#base/crc.ts";
import {
  EnvelopeError,
  type EnvelopeKind,
  envelopeBytes,
  mayBeEnvelope,
  readEnvelope,
  writeEnvelope,
} from "#objects/index.ts";
import type { JournalPlace, StoredEntry } from "./journal.ts";

/** Of 1, no batch has shared bytes. */
export const journalVersion = 2;
/** Batches in a segment's file begin at multiples of this. */
export const batchAlignment = 512;
export const batchHeaderBytes = 72;
export const tableEntryBytes = 32;
export const nonceBytes = 8;
/** Flag of a table entry whose payload was damaged and is given up. */
const lostFlag = 1;
/** Flag of a row that stands for bytes that entries share. */
const sharedFlag = 2;
/** Above the flags: which of the shared bytes an entry names, from 1. */
const sharedNumberShift = 2;

/** Header of a batch, a seal, a marker or a lost range; all little-endian, after the envelope:
 *
 *     32  4  segment
 *     36  4  batch: its number in the segment
 *     40  4  offset in the segment's file (object form: 0)
 *     44  4  synced: last batch of the segment that was durable when this one was written
 *     48  8  nonce of the segment (object form: of the incarnation)
 *     56  4  entries: rows of the table
 *     60  4  bytes of the payloads together
 *     64  4  CRC-32 of the table; where there are no entries, of the payload
 *     68  4  CRC-32 of bytes 0 .. 67
 *
 * @format journal
 */
export interface BatchHeader {
  readonly kind: EnvelopeKind;
  readonly segment: number;
  readonly batch: number;
  readonly offset: number;
  readonly synced: number;
  readonly entries: number;
  readonly payloadBytes: number;
  readonly checksum: number;
}

/** What a header must say to be believed. */
export interface BatchOrigin {
  readonly storeId: Uint8Array;
  readonly nonce: Uint8Array;
  readonly segment: number;
}

/** The same for a reader who does not know the nonce: then any will do. */
export interface ExpectedOrigin {
  readonly storeId: Uint8Array;
  readonly nonce: Uint8Array | null;
  readonly segment: number;
}

/** Bytes from the header to the end of the payload, without padding. */
export function batchLength(header: BatchHeader): number {
  return batchHeaderBytes + header.entries * tableEntryBytes + header.payloadBytes;
}

/** `length` and the padding to the next aligned offset. */
export function padded(length: number): number {
  return Math.ceil(length / batchAlignment) * batchAlignment;
}

export function writeBatchHeader(
  target: Uint8Array,
  header: BatchHeader,
  origin: BatchOrigin,
): void {
  const out = asBuffer(target);
  writeEnvelope(out, 0, {
    kind: header.kind,
    version: journalVersion,
    storeId: origin.storeId,
    keyId: 0,
  });
  out.writeUInt32LE(header.segment, 32);
  out.writeUInt32LE(header.batch, 36);
  out.writeUInt32LE(header.offset, 40);
  out.writeUInt32LE(header.synced, 44);
  out.set(origin.nonce, 48);
  out.writeUInt32LE(header.entries, 56);
  out.writeUInt32LE(header.payloadBytes, 60);
  out.writeUInt32LE(header.checksum, 64);
  out.writeUInt32LE(crc32(out.subarray(0, 68)), 68);
}

const batchKinds: readonly EnvelopeKind[] = [
  "journalBatch",
  "journalSeal",
  "journalGone",
  "journalLost",
];

/**
 * The header at the start of `bytes`; null where there is none, a damaged one, or one of another
 * segment (what a reused file held before). Errors: `EnvelopeError` for a sound header of a kind
 * or version that is not known here.
 */
export function readBatchHeader(bytes: Uint8Array, origin: ExpectedOrigin): BatchHeader | null {
  if (bytes.length < batchHeaderBytes || !mayBeEnvelope(bytes)) return null;
  const source = asBuffer(bytes);
  if (source.readUInt32LE(68) !== crc32(source.subarray(0, 68))) return null;
  let kind: EnvelopeKind;
  try {
    kind = readEnvelope(bytes, {
      storeId: origin.storeId,
      kinds: batchKinds,
      version: journalVersion,
    }).kind;
  } catch (error) {
    const stale = error instanceof EnvelopeError && ["damaged", "store"].includes(error.fault);
    if (stale) return null;
    throw error;
  }
  if (source.readUInt32LE(32) !== origin.segment) return null;
  const { nonce } = origin;
  if (nonce !== null && !source.subarray(48, 48 + nonceBytes).equals(nonce)) return null;
  return {
    kind,
    segment: origin.segment,
    batch: source.readUInt32LE(36),
    offset: source.readUInt32LE(40),
    synced: source.readUInt32LE(44),
    entries: source.readUInt32LE(56),
    payloadBytes: source.readUInt32LE(60),
    checksum: source.readUInt32LE(64),
  };
}

/**
 * A row of the table:
 *
 *     0  4  length of the payload        10  2  1 = lost, 2 = shared bytes, times 4 the number of
 *     4  4  CRC-32 of the payload               the shared bytes that the entry names, 0 = none
 *     8  2  shard                        12  4  epoch
 *                                        16 16  account
 */
export interface TableRow {
  readonly length: number;
  readonly checksum: number;
  readonly shard: Shard;
  readonly lost: boolean;
  readonly epoch: Epoch;
  readonly account: AccountId;
  /** No entry, but bytes that entries before it share; of nobody. */
  readonly isShared: boolean;
  /** Which of the shared bytes of the batch the entry names, from 1; 0 = none. */
  readonly sharedNumber: number;
}

/** A row of shared bytes, without length and checksum. */
export const sharedRow = {
  shard: 0 as Shard,
  lost: false,
  epoch: 0 as Epoch,
  account: "................" as AccountId,
  isShared: true,
  sharedNumber: 0,
} as const;

export function writeTableRow(out: Buffer, at: number, row: TableRow): void {
  out.writeUInt32LE(row.length, at);
  out.writeUInt32LE(row.checksum, at + 4);
  out.writeUInt16LE(row.shard, at + 8);
  const flags = (row.lost ? lostFlag : 0) | (row.isShared ? sharedFlag : 0);
  out.writeUInt16LE(flags | (row.sharedNumber << sharedNumberShift), at + 10);
  out.writeUInt32LE(row.epoch, at + 12);
  out.write(row.account, at + 16, 16, "latin1");
}

function readTableRow(source: Buffer, at: number): TableRow {
  const flags = source.readUInt16LE(at + 10);
  return {
    length: source.readUInt32LE(at),
    checksum: source.readUInt32LE(at + 4),
    shard: source.readUInt16LE(at + 8) as Shard,
    lost: (flags & lostFlag) !== 0,
    epoch: source.readUInt32LE(at + 12) as Epoch,
    account: source.toString("latin1", at + 16, at + 32) as AccountId,
    isShared: (flags & sharedFlag) !== 0,
    sharedNumber: flags >>> sharedNumberShift,
  };
}

/** The table of a batch whose bytes begin with `header`; null where it is damaged. */
export function readTable(bytes: Uint8Array, header: BatchHeader): TableRow[] | null {
  const source = asBuffer(bytes);
  const end = batchHeaderBytes + header.entries * tableEntryBytes;
  if (end > bytes.length) return null;
  if (crc32(source.subarray(batchHeaderBytes, end)) !== header.checksum) return null;
  const rows: TableRow[] = [];
  let total = 0;
  for (let at = batchHeaderBytes; at < end; at += tableEntryBytes) {
    const row = readTableRow(source, at);
    total += row.length;
    rows.push(row);
  }
  return total === header.payloadBytes ? rows : null;
}

/** One row with its payload. `sound` is false where the payload does not fit its checksum. */
export interface DecodedEntry extends StoredEntry {
  readonly lost: boolean;
  readonly sound: boolean;
  readonly isShared: boolean;
  readonly sharedNumber: number;
}

/**
 * The entries of a batch, then the bytes that they share; null where the table is damaged or bytes
 * are missing.
 */
export function readEntries(bytes: Uint8Array, header: BatchHeader): DecodedEntry[] | null {
  const rows = bytes.length < batchLength(header) ? null : readTable(bytes, header);
  if (rows === null) return null;
  const payloadsAt = batchHeaderBytes + header.entries * tableEntryBytes;
  const sharedAts = sharedOffsets(rows, payloadsAt);
  let at = payloadsAt;
  const decoded: DecodedEntry[] = [];
  for (const [index, row] of rows.entries()) {
    const { length, checksum, shard, epoch, account, lost, isShared, sharedNumber } = row;
    if (sharedNumber > sharedAts.length) return null;
    const payload = bytes.subarray(at, at + length);
    const place: JournalPlace = {
      segment: header.segment,
      batch: header.batch,
      index,
      offset: header.offset + at,
      length,
      checksum,
      ...(sharedNumber === 0 ? {} : { sharedAt: sharedAts[sharedNumber - 1]! - at }),
    };
    at += length;
    const sound = lost || crc32(payload) === checksum;
    decoded.push({ place, shard, epoch, account, payload, lost, sound, isShared, sharedNumber });
  }
  return decoded;
}

/** Where the shared bytes of a batch begin, from its header on. */
function sharedOffsets(rows: readonly TableRow[], payloadsAt: number): number[] {
  const offsets: number[] = [];
  let at = payloadsAt;
  for (const { length, isShared } of rows) {
    if (isShared) offsets.push(at);
    at += length;
  }
  return offsets;
}

/** Header and table of a batch, with the entries of these numbers marked as lost. */
export function markLost(
  bytes: Uint8Array,
  header: BatchHeader,
  lost: readonly number[],
  origin: BatchOrigin,
): Uint8Array {
  const end = batchHeaderBytes + header.entries * tableEntryBytes;
  const out = Buffer.from(bytes.subarray(0, end));
  for (const index of lost) {
    const at = batchHeaderBytes + index * tableEntryBytes + 10;
    out.writeUInt16LE(out.readUInt16LE(at) | lostFlag, at);
  }
  const checksum = crc32(out.subarray(batchHeaderBytes, end));
  writeBatchHeader(out, { ...header, checksum }, origin);
  return out;
}

/** The nonce of a header that is sound for this segment and offset, whatever nonce it has. */
export function nonceOf(bytes: Uint8Array, segment: number, offset: number): Uint8Array | null {
  const source = asBuffer(bytes);
  if (bytes.length < batchHeaderBytes || !mayBeEnvelope(bytes)) return null;
  if (source.readUInt32LE(68) !== crc32(source.subarray(0, 68))) return null;
  if (source.readUInt32LE(32) !== segment || source.readUInt32LE(40) !== offset) return null;
  return new Uint8Array(source.subarray(48, 48 + nonceBytes));
}

/** What ends a segment: of its own writer, or foreign, of somebody who put the writer to an end. */
export interface Seal {
  /** Number of the segment that follows; 0 = none named. */
  readonly next: number;
  readonly foreign: boolean;
  /** Who sealed, for people who look. */
  readonly by: string;
}

/** The whole of a seal or (kind `journalGone`) of the marker of a deleted segment. */
export function encodeSeal(
  at: { kind: "journalSeal" | "journalGone"; batch: number; offset: number },
  seal: Seal,
  origin: BatchOrigin,
): Uint8Array {
  const body = new ByteWriter(64)
    .u32(seal.next)
    .u8(seal.foreign ? 1 : 0)
    .text(seal.by)
    .take();
  return encodeBodied({ ...at, synced: Math.max(0, at.batch - 1) }, body, origin);
}

/** The content of a seal or marker; null where it is damaged. */
export function readSeal(bytes: Uint8Array, header: BatchHeader): Seal | null {
  const reader = bodyReader(bytes, header);
  if (reader === null) return null;
  return { next: reader.u32(), foreign: reader.u8() === 1, by: reader.text() };
}

/** A range of a segment's file that a repair gave up, in place of its first bytes. */
export interface LostRange {
  /** Number of the last batch in the range; the first is that of the header. */
  readonly lastBatch: number;
  /** Bytes of the range, this record included. */
  readonly bytes: number;
}

export function encodeLostRange(
  at: { batch: number; offset: number },
  range: LostRange,
  origin: BatchOrigin,
): Uint8Array {
  const body = new ByteWriter(8).u32(range.lastBatch).u32(range.bytes).take();
  return encodeBodied({ ...at, kind: "journalLost", synced: range.lastBatch }, body, origin);
}

export function readLostRange(bytes: Uint8Array, header: BatchHeader): LostRange | null {
  const reader = bodyReader(bytes, header);
  return reader === null ? null : { lastBatch: reader.u32(), bytes: reader.u32() };
}

function encodeBodied(
  at: { kind: EnvelopeKind; batch: number; offset: number; synced: number },
  body: Uint8Array,
  origin: BatchOrigin,
): Uint8Array {
  const out = new Uint8Array(padded(batchHeaderBytes + body.length));
  out.set(body, batchHeaderBytes);
  const { segment } = origin;
  const sizes = { entries: 0, payloadBytes: body.length, checksum: crc32(body) };
  writeBatchHeader(out, { ...at, ...sizes, segment }, origin);
  return out;
}

function bodyReader(bytes: Uint8Array, header: BatchHeader): ByteReader | null {
  const end = batchLength(header);
  if (header.entries !== 0 || bytes.length < end) return null;
  if (crc32(bytes.subarray(batchHeaderBytes, end)) !== header.checksum) return null;
  return new ByteReader(bytes, batchHeaderBytes, end);
}

/** First block of a segment's file. */
export interface SegmentHead {
  readonly segment: number;
  /** Number of the segment before; 0 = none. */
  readonly previous: number;
  /**
   * Last batch that counts in the segment before; what follows there was never acknowledged.
   * `endsWithSeal`: that segment ends with a seal of its own.
   */
  readonly previousEnd: number;
  readonly nonce: Uint8Array;
}

export const endsWithSeal = 0xffff_ffff;

/**
 * After the envelope: segment (4), previous (4), previousEnd (4), nonce (8), CRC-32 of bytes
 * 0 .. 51 (4), zeros up to 512.
 */
export function encodeSegmentHead(head: SegmentHead, storeId: Uint8Array): Uint8Array {
  const out = asBuffer(new Uint8Array(batchAlignment));
  writeEnvelope(out, 0, { kind: "journalSegment", version: journalVersion, storeId, keyId: 0 });
  out.writeUInt32LE(head.segment, envelopeBytes);
  out.writeUInt32LE(head.previous, envelopeBytes + 4);
  out.writeUInt32LE(head.previousEnd, envelopeBytes + 8);
  out.set(head.nonce, envelopeBytes + 12);
  out.writeUInt32LE(crc32(out.subarray(0, 52)), 52);
  return out;
}

/** Null where it is damaged. Errors: `EnvelopeError` for another store, kind or version. */
export function readSegmentHead(bytes: Uint8Array, storeId: Uint8Array): SegmentHead | null {
  const source = asBuffer(bytes);
  if (bytes.length < batchAlignment || source.readUInt32LE(52) !== crc32(source.subarray(0, 52)))
    return null;
  readEnvelope(bytes, { storeId, kinds: ["journalSegment"], version: journalVersion });
  return {
    segment: source.readUInt32LE(envelopeBytes),
    previous: source.readUInt32LE(envelopeBytes + 4),
    previousEnd: source.readUInt32LE(envelopeBytes + 8),
    nonce: new Uint8Array(source.subarray(envelopeBytes + 12, envelopeBytes + 12 + nonceBytes)),
  };
}
