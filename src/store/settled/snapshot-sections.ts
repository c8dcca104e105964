/**
 * Sections of a snapshot: tables as they lie in memory, little-endian, each column at a multiple of
 * 8 bytes, so that a loaded table is views of the bytes that were read.
 * @format snapshot
 */
import { assert } from "#base/assert.ts";
import { FormatError, asBuffer } from "#base/bytes.ts";
import { crc32 } from "#base/crc.ts";
import { encodeEnvelope, envelopeBytes, readEnvelope } from "#objects/index.ts";
import type { ColumnArray, ColumnArrays, ColumnSchema, Columns } from "../index/columns.ts";
import type { Slices } from "../slices.ts";

export const snapshotFormatVersion = 1;
const directoryHeadBytes = 8;
const directoryEntryBytes = 16;
/** Checksums are made of so many bytes at a time. */
const checksumBytes = 1024 * 1024;

assert(new Uint8Array(Uint16Array.of(1).buffer)[0] === 1, "Numbers in memory are little-endian");

function aligned(length: number): number {
  return (length + 7) & ~7;
}

/** A copy of the rows of a table, as a section. */
export function copyTable<S extends ColumnSchema>(table: Columns<S>): Uint8Array {
  const { count } = table;
  const columns = Object.values(table.arrays) as ColumnArray[];
  let length = 0;
  for (const column of columns) length += aligned(count * column.BYTES_PER_ELEMENT);
  const out = new Uint8Array(length);
  let at = 0;
  for (const column of columns) {
    const bytes = count * column.BYTES_PER_ELEMENT;
    out.set(new Uint8Array(column.buffer, column.byteOffset, bytes), at);
    at += aligned(bytes);
  }
  return out;
}

/** Lets a table take its rows from a section, without copying. Errors: `FormatError`. */
export function adoptTable<S extends ColumnSchema>(
  table: Columns<S>,
  section: Uint8Array,
  count: number,
): void {
  const arrays: Record<string, ColumnArray> = {};
  let at = 0;
  for (const [name, constructor] of Object.entries(table.schema)) {
    const bytes = count * constructor.BYTES_PER_ELEMENT;
    if (at + bytes > section.length) throw new FormatError("A table has fewer rows than it should");
    const column = constructor as unknown as new (
      b: ArrayBufferLike,
      o: number,
      l: number,
    ) => ColumnArray;
    arrays[name] = new column(section.buffer, section.byteOffset + at, count);
    at += aligned(bytes);
  }
  if (at !== section.length) throw new FormatError("A table has more rows than it should");
  table.adopt(count, arrays as ColumnArrays<S>);
}

/** The pieces of a snapshot. */
export async function joinSections(
  sections: readonly Uint8Array[],
  storeId: Uint8Array,
  slices: Slices,
): Promise<Uint8Array[]> {
  const entries = Buffer.alloc(sections.length * directoryEntryBytes);
  let at = envelopeBytes + directoryHeadBytes + entries.length;
  const padding = new Uint8Array(8);
  const pieces: Uint8Array[] = [];
  for (const [i, section] of sections.entries()) {
    const gap = aligned(at) - at;
    if (gap > 0) pieces.push(padding.subarray(0, gap));
    at += gap;
    entries.writeUInt32LE(at / 8, i * directoryEntryBytes);
    entries.writeUInt32LE(section.length, i * directoryEntryBytes + 4);
    entries.writeUInt32LE(await slicedChecksum(section, slices), i * directoryEntryBytes + 8);
    pieces.push(section);
    at += section.length;
  }
  const head = Buffer.alloc(directoryHeadBytes);
  head.writeUInt32LE(sections.length, 0);
  head.writeUInt32LE(crc32(entries), 4);
  const kind = "snapshot";
  const envelope = encodeEnvelope({ kind, version: snapshotFormatVersion, storeId, keyId: 0 });
  return [envelope, head, entries, ...pieces];
}

async function slicedChecksum(bytes: Uint8Array, slices: Slices): Promise<number> {
  let checksum = 0;
  for (let at = 0; at < bytes.length; at += checksumBytes) {
    checksum = crc32(bytes.subarray(at, at + checksumBytes), checksum);
    await slices.rest();
  }
  return checksum;
}

/** The sections as views, all compared with their checksums. Errors: `FormatError`. */
export function splitSections(object: Uint8Array, storeId: Uint8Array): Uint8Array[] {
  readEnvelope(object, { storeId, kinds: ["snapshot"], version: snapshotFormatVersion });
  // Views of numbers need their natural alignment; small objects may lie anywhere in a pool.
  const bytes = asBuffer(object.byteOffset % 8 === 0 ? object : Uint8Array.from(object));
  const entriesAt = envelopeBytes + directoryHeadBytes;
  if (bytes.length < entriesAt) throw new FormatError("A snapshot is cut short");
  const count = bytes.readUInt32LE(envelopeBytes);
  const end = entriesAt + count * directoryEntryBytes;
  if (end > bytes.length) throw new FormatError("A snapshot is cut short");
  if (crc32(bytes.subarray(entriesAt, end)) !== bytes.readUInt32LE(envelopeBytes + 4))
    throw new FormatError("The directory of a snapshot does not fit its checksum");
  const sections: Uint8Array[] = [];
  for (let entry = entriesAt; entry < end; entry += directoryEntryBytes) {
    const at = bytes.readUInt32LE(entry) * 8;
    const section = bytes.subarray(at, at + bytes.readUInt32LE(entry + 4));
    if (section.length !== bytes.readUInt32LE(entry + 4))
      throw new FormatError("A snapshot is cut short");
    if (crc32(section) !== bytes.readUInt32LE(entry + 8))
      throw new FormatError(`Section ${sections.length} of a snapshot does not fit its checksum`);
    sections.push(section);
  }
  return sections;
}
