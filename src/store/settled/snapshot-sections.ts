/**
 * Sections of a snapshot or of sort keys: tables as they lie in memory, little-endian, each column at a multiple of
 * 8 bytes, so that a loaded table is views of the bytes that were read.
 * @format snapshot
 */
import { assert } from "#base/assert.ts";
import { FormatError, asBuffer } from "#base/bytes.ts";
import { crc32 } from "#base/crc.ts";
import { type EnvelopeKind, encodeEnvelope, envelopeBytes, readEnvelope } from "#objects/index.ts";
import type { ColumnArray, ColumnArrays, ColumnSchema, Columns } from "../index/columns.ts";
import type { Slices } from "../slices.ts";

const directoryHeadBytes = 8;
const directoryEntryBytes = 16;
/** Checksums are made of so many bytes at a time. */
const checksumBytes = 1024 * 1024;

assert(new Uint8Array(Uint16Array.of(1).buffer)[0] === 1, "Numbers in memory are little-endian");

function aligned(length: number): number {
  return (length + 7) & ~7;
}

/** Bytes of a table as a section. */
export function tableBytes<S extends ColumnSchema>({ arrays, count }: Columns<S>): number {
  let length = 0;
  for (const column of Object.values(arrays) as ColumnArray[])
    length += aligned(count * column.BYTES_PER_ELEMENT);
  return length;
}

/**
 * A copy of the rows of a table, as a section.
 *
 * @param room zeros to be written into, where they are enough
 */
export function copyTable<S extends ColumnSchema>(
  table: Columns<S>,
  room?: Uint8Array,
): Uint8Array {
  const { count } = table;
  const columns = Object.values(table.arrays) as ColumnArray[];
  const length = tableBytes(table);
  const isEnough = room !== undefined && room.length >= length;
  const out = isEnough ? room.subarray(0, length) : new Uint8Array(length);
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

/** What an object of sections is. */
export interface SectionedObject {
  readonly kind: EnvelopeKind;
  readonly version: number;
  readonly storeId: Uint8Array;
}

/** The pieces of an object. */
export async function joinSections(
  sections: readonly Uint8Array[],
  { kind, version, storeId }: SectionedObject,
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
  const envelope = encodeEnvelope({ kind, version, storeId, keyId: 0 });
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

/** Where a section lies in its object. */
interface SectionPlace {
  readonly offset: number;
  readonly length: number;
  readonly crc: number;
}

/** Bytes at the start of an object that hold the directory of so many sections. */
export function directoryBytes(sections: number): number {
  return envelopeBytes + directoryHeadBytes + sections * directoryEntryBytes;
}

/** Where the sections lie, of the first bytes of an object. Errors: `FormatError`. */
export function readDirectory(
  object: Uint8Array,
  { kind, version, storeId }: SectionedObject,
): SectionPlace[] {
  readEnvelope(object, { storeId, kinds: [kind], version });
  const bytes = asBuffer(object);
  const entriesAt = envelopeBytes + directoryHeadBytes;
  if (bytes.length < entriesAt) throw new FormatError(`A ${kind} is cut short`);
  const end = directoryBytes(bytes.readUInt32LE(envelopeBytes));
  if (end > bytes.length) throw new FormatError(`A ${kind} is cut short`);
  if (crc32(bytes.subarray(entriesAt, end)) !== bytes.readUInt32LE(envelopeBytes + 4))
    throw new FormatError(`The directory of a ${kind} does not fit its checksum`);
  const places: SectionPlace[] = [];
  for (let entry = entriesAt; entry < end; entry += directoryEntryBytes)
    places.push({
      offset: bytes.readUInt32LE(entry) * 8,
      length: bytes.readUInt32LE(entry + 4),
      crc: bytes.readUInt32LE(entry + 8),
    });
  return places;
}

/** Compares what was read of a section with its checksum. Errors: `FormatError`. */
export function checkSection(section: Uint8Array, { length, crc }: SectionPlace): void {
  if (section.length !== length) throw new FormatError("A section is cut short");
  if (crc32(section) !== crc) throw new FormatError("A section does not fit its checksum");
}

/** The sections as views, all compared with their checksums. Errors: `FormatError`. */
export function splitSections(object: Uint8Array, of: SectionedObject): Uint8Array[] {
  // Views of numbers need their natural alignment; small objects may lie anywhere in a pool.
  const bytes = object.byteOffset % 8 === 0 ? object : Uint8Array.from(object);
  return readDirectory(bytes, of).map((place) => {
    const section = bytes.subarray(place.offset, place.offset + place.length);
    checkSection(section, place);
    return section;
  });
}
