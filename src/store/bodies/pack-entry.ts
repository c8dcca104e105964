/**
 * One message in a pack: a header with all that is needed to find the message's place in the
 * account again, then the stored body.
 * @format pack
 */
import { ByteReader, ByteWriter, FormatError, asBuffer } from "#base/bytes.ts";
import { crc32 } from "#base/crc.ts";
import { type Compression, type StoredBody, compressions } from "./compression.ts";

/** A mailbox in which the message lay when its entry was written. */
export interface EntryPlace {
  readonly mailbox: number;
  readonly name: string;
  readonly uidValidity: number;
  /** 0 where it was not given yet. */
  readonly uid: number;
  readonly bits: number;
  readonly keywords: readonly string[];
  /** Seconds since 1970. */
  readonly savedAt: number;
  /** POP3 unique-id, where it was imported. */
  readonly uidl: string;
}

/** What the columns of the account say about a message. */
export interface EntryInfo {
  /** Permanent number; 0 where it was not given yet. */
  readonly message: number;
  readonly internalDate: number;
  readonly sentDate: number;
  readonly thread: number;
  readonly messageIdHash: number;
  readonly places: readonly EntryPlace[];
}

/** What is needed to read the stored body of an entry. */
export interface EntryFrame extends Omit<StoredBody, "stored"> {
  /** Of the header; the stored body follows. */
  readonly headerLength: number;
  readonly storedLength: number;
  readonly storedCrc: number;
}

/** What the header of an entry says. */
export interface EntryHead extends EntryInfo, EntryFrame {}

export interface PackEntry extends EntryHead, StoredBody {}

/** "ENTR" */
export const entryMagic = 0x5254_4e45;
const fixedBytes = 12;
/** Up to the compression of the body. */
const frameBytes = fixedBytes + 21;
/** A header is at least as long as its fixed fields. */
const headerBytesMin = frameBytes;

/** The header of an entry; the stored body is to follow it. */
export function encodeEntryHeader(info: EntryInfo, body: StoredBody): Uint8Array {
  const out = new ByteWriter(192);
  out.u32(entryMagic).u32(0).u32(0);
  out.u32(info.message).u32(body.rawLength).u32(body.stored.length);
  out.u32(body.rawCrc).u32(crc32(body.stored)).u8(body.compression);
  out.f64(info.internalDate).f64(info.sentDate);
  out.varint(info.thread).varint(info.messageIdHash).varint(info.places.length);
  for (const place of info.places) {
    out.varint(place.mailbox).text(place.name).varint(place.uidValidity).varint(place.uid);
    out.u8(place.bits).varint(place.savedAt).text(place.uidl).varint(place.keywords.length);
    for (const keyword of place.keywords) out.text(keyword);
  }
  out.patchU32(4, out.length);
  out.patchU32(8, crc32(out.view().subarray(fixedBytes)));
  return out.take();
}

/**
 * Reads the entry at `at`; its stored body is a view and not yet compared with its checksums.
 * Errors: `FormatError`.
 */
export function decodeEntry(bytes: Uint8Array, at = 0): PackEntry {
  const head = decodeEntryHead(bytes, at);
  const start = at + head.headerLength;
  const end = start + head.storedLength;
  if (end > bytes.length) throw new FormatError("A stored body is cut short");
  return { ...head, stored: bytes.subarray(start, end) };
}

/** The length of the header that begins at `at`, of which the beginning is enough. */
export function entryHeadLength(bytes: Uint8Array, at = 0): number {
  const source = asBuffer(bytes);
  if (at + headerBytesMin > source.length || source.readUInt32LE(at) !== entryMagic)
    throw new FormatError("No pack entry begins here");
  return source.readUInt32LE(at + 4);
}

/** Reads the header at `at`; the stored body need not be there. Errors: `FormatError`. */
export function decodeEntryHead(bytes: Uint8Array, at = 0): EntryHead {
  const frame = decodeEntryFrame(bytes, at);
  const input = new ByteReader(bytes.subarray(at + frameBytes, at + frame.headerLength));
  return {
    ...frame,
    message: asBuffer(bytes).readUInt32LE(at + fixedBytes),
    internalDate: input.f64(),
    sentDate: input.f64(),
    thread: input.varint(),
    messageIdHash: input.varint(),
    places: decodePlaces(input),
  };
}

/** The same without what the account's columns say as well. Errors: `FormatError`. */
export function decodeEntryFrame(bytes: Uint8Array, at = 0): EntryFrame {
  const source = asBuffer(bytes);
  const headerLength = entryHeadLength(bytes, at);
  if (headerLength < headerBytesMin || at + headerLength > source.length)
    throw new FormatError("The header of a pack entry has an impossible length");
  const start = at + fixedBytes;
  if (crc32(source.subarray(start, at + headerLength)) !== source.readUInt32LE(at + 8))
    throw new FormatError("The header of a pack entry does not fit its checksum");
  return {
    headerLength,
    rawLength: source.readUInt32LE(start + 4),
    storedLength: source.readUInt32LE(start + 8),
    rawCrc: source.readUInt32LE(start + 12),
    storedCrc: source.readUInt32LE(start + 16),
    compression: compressionOf(source[start + 20]!),
  };
}

function compressionOf(number: number): Compression {
  if (number === compressions.plain || number === compressions.zstd) return number;
  if (number === compressions.blocks) return number;
  throw new FormatError(`Unknown compression ${number}`);
}

function decodePlaces(input: ByteReader): EntryPlace[] {
  const places: EntryPlace[] = [];
  for (let left = input.varint(); left > 0; left--) {
    const mailbox = input.varint();
    const name = input.text();
    const uidValidity = input.varint();
    const uid = input.varint();
    const bits = input.u8();
    const savedAt = input.varint();
    const uidl = input.text();
    const keywords: string[] = [];
    for (let more = input.varint(); more > 0; more--) keywords.push(input.text());
    places.push({ mailbox, name, uidValidity, uid, bits, keywords, savedAt, uidl });
  }
  return places;
}

/** Length of the whole entry, from the fixed fields at its beginning. */
export function entryLength(entry: PackEntry): number {
  return entry.headerLength + entry.stored.length;
}
