/**
 * A pack: the bodies of many messages, then all their cached fields in one region, then a table.
 * @format pack
 */
import type { MessageNumber } from "#base/brand.ts";
import { ByteReader, ByteWriter, FormatError, asBuffer } from "#base/bytes.ts";
import { crc32 } from "#base/crc.ts";
import { encodeEnvelope, envelopeBytes, readEnvelope } from "#objects/index.ts";
import type { PackAdded, PackEntryPlace } from "../index/change.ts";
import type { Slices } from "../slices.ts";
import type { StoredBody } from "./compression.ts";
import {
  type EntryInfo,
  type PackEntry,
  decodeEntry,
  encodeEntryHeader,
  entryLength,
  entryMagic,
} from "./pack-entry.ts";

export const packFormatVersion = 1;
/** "PACK" */
const trailerMagic = 0x4b43_4150;
const trailerBytes = 16;
const tableEntryBytes = 20;
/** Before the cached fields of a message: its number, their length and their CRC-32. */
export const fieldsHeadBytes = 12;

/** Collects messages and gives the bytes of a pack. */
export class PackWriter {
  readonly #kind: "pack" | "body";
  readonly #pieces: Uint8Array[];
  readonly #entries: { message: number; offset: number; length: number; fields: Uint8Array }[] = [];
  #bytes = envelopeBytes;
  #fieldsBytes = 0;

  constructor(storeId: Uint8Array, kind: "pack" | "body") {
    this.#kind = kind;
    this.#pieces = [encodeEnvelope({ kind, version: packFormatVersion, storeId, keyId: 0 })];
  }

  get count(): number {
    return this.#entries.length;
  }

  /** Bytes of the pack so far, about. */
  get bytes(): number {
    return this.#bytes + this.#fieldsBytes + (this.#entries.length + 1) * tableEntryBytes;
  }

  /** Adds a message; the arrays must not be changed until the pack was put. */
  add(info: EntryInfo, body: StoredBody, fields: Uint8Array): void {
    const header = encodeEntryHeader(info, body);
    const length = header.length + body.stored.length;
    this.#pieces.push(header, body.stored);
    this.#entries.push({ message: info.message, offset: this.#bytes, length, fields });
    this.#bytes += length;
    this.#fieldsBytes += fieldsHeadBytes + fields.length;
  }

  /** The whole pack in pieces, and what a record says about it but for its number and name. */
  async finish(
    slices: Slices,
  ): Promise<{ pieces: Uint8Array[]; added: Omit<PackAdded, "number" | "name"> }> {
    const pieces = this.#pieces;
    const fieldsStart = this.#bytes;
    let at = fieldsStart;
    const entries: PackEntryPlace[] = [];
    for (const { message, offset, length, fields } of this.#entries) {
      const head = Buffer.allocUnsafe(fieldsHeadBytes);
      head.writeUInt32LE(message, 0);
      head.writeUInt32LE(fields.length, 4);
      head.writeUInt32LE(crc32(fields), 8);
      pieces.push(head, fields);
      const fieldsOffset = at + fieldsHeadBytes;
      const fieldsLength = fields.length;
      at = fieldsOffset + fieldsLength;
      entries.push({
        message: message as MessageNumber,
        offset,
        length,
        fieldsOffset,
        fieldsLength,
      });
      await slices.rest();
    }
    const table = encodeTable(entries);
    pieces.push(table, encodeTrailer({ tableAt: at, fieldsStart, table, kind: this.#kind }));
    const bytes = at + table.length + trailerBytes;
    return { pieces, added: { bytes, fieldsStart, fieldsEnd: at, entries } };
  }
}

function encodeTable(entries: readonly PackEntryPlace[]): Uint8Array {
  const out = new ByteWriter(8 + entries.length * tableEntryBytes);
  for (const entry of entries) {
    out.u32(entry.message).u32(entry.offset).u32(entry.length);
    out.u32(entry.fieldsOffset).u32(entry.fieldsLength);
  }
  return out.take();
}

function encodeTrailer(of: {
  tableAt: number;
  fieldsStart: number;
  table: Uint8Array;
  kind: string;
}): Uint8Array {
  const out = new ByteWriter(trailerBytes);
  out.u32(of.tableAt).u32(of.fieldsStart).u32(0).u32(trailerMagic);
  out.patchU32(8, crc32(of.table, crc32(out.view().subarray(0, 8))));
  return out.take();
}

/** The table of a pack. */
export interface PackTable {
  readonly fieldsStart: number;
  readonly fieldsEnd: number;
  readonly entries: readonly PackEntryPlace[];
}

/** Reads the envelope and the table of a whole pack. Errors: `FormatError`. */
export function decodePackTable(bytes: Uint8Array, storeId: Uint8Array): PackTable {
  readEnvelope(bytes, { storeId, kinds: ["pack", "body"], version: packFormatVersion });
  const source = asBuffer(bytes);
  const trailerAt = source.length - trailerBytes;
  if (trailerAt < envelopeBytes || source.readUInt32LE(trailerAt + 12) !== trailerMagic)
    throw new FormatError("A pack ends without its table");
  const tableAt = source.readUInt32LE(trailerAt);
  const fieldsStart = source.readUInt32LE(trailerAt + 4);
  if (fieldsStart > tableAt || tableAt > trailerAt)
    throw new FormatError("The table of a pack lies outside");
  const table = source.subarray(tableAt, trailerAt);
  const head = source.subarray(trailerAt, trailerAt + 8);
  if (crc32(table, crc32(head)) !== source.readUInt32LE(trailerAt + 8))
    throw new FormatError("The table of a pack does not fit its checksum");
  if (table.length % tableEntryBytes !== 0)
    throw new FormatError("The table of a pack is cut short");
  const input = new ByteReader(table);
  const entries: PackEntryPlace[] = [];
  while (input.left > 0)
    entries.push({
      message: input.u32() as MessageNumber,
      offset: input.u32(),
      length: input.u32(),
      fieldsOffset: input.u32(),
      fieldsLength: input.u32(),
    });
  return { fieldsStart, fieldsEnd: tableAt, entries };
}

/** Entries of a pack, found by their own headers: for a pack whose table is damaged. */
export function* scanEntries(bytes: Uint8Array): Generator<{ offset: number; entry: PackEntry }> {
  const source = asBuffer(bytes);
  const magic = Buffer.alloc(4);
  magic.writeUInt32LE(entryMagic);
  let at = source.indexOf(magic, envelopeBytes);
  while (at >= 0) {
    let next = at + 1;
    try {
      const entry = decodeEntry(source, at);
      next = at + entryLength(entry);
      yield { offset: at, entry };
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
    }
    at = source.indexOf(magic, next);
  }
}

/**
 * Cached fields out of bytes that begin at `windowAt` of a pack. Errors: `FormatError` where they
 * are not those that were written.
 *
 * @param at offset of the fields in the pack; their head lies before it
 */
export function checkedFields(
  window: { readonly bytes: Buffer; readonly at: number },
  at: number,
  length: number,
): Uint8Array {
  const { bytes } = window;
  const start = at - window.at;
  const fields = bytes.subarray(start, start + length);
  const head = start - fieldsHeadBytes;
  if (
    head < 0 ||
    fields.length !== length ||
    bytes.readUInt32LE(head + 4) !== length ||
    bytes.readUInt32LE(head + 8) !== crc32(fields)
  )
    throw new FormatError("Cached fields do not fit their checksum");
  return fields;
}
