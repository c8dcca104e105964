import { type ByteReader, type ByteWriter, FormatError } from "#base/bytes.ts";
import { crc32 } from "#base/crc.ts";
import type { JournalPlace, JournalPosition } from "../journal/journal.ts";

export function encodePosition(out: ByteWriter, position: JournalPosition): void {
  out.varint(position.segment).varint(position.batch).varint(position.index);
}

export function decodePosition(input: ByteReader): JournalPosition {
  return { segment: input.varint(), batch: input.varint(), index: input.varint() };
}

export function encodePlace(out: ByteWriter, place: JournalPlace): void {
  encodePosition(out, place);
  out.varint(place.offset).varint(place.length).u32(place.checksum);
}

export function decodePlace(input: ByteReader): JournalPlace {
  return {
    ...decodePosition(input),
    offset: input.varint(),
    length: input.varint(),
    checksum: input.u32(),
  };
}

/** Appends `content` with its length and CRC-32 before it. */
export function encodeFrame(out: ByteWriter, content: Uint8Array): void {
  out.u32(content.length).u32(crc32(content)).raw(content);
}

/** A view of what `encodeFrame` wrote. Errors: `FormatError`. */
export function decodeFrame(input: ByteReader): Uint8Array {
  const length = input.u32();
  const checksum = input.u32();
  const content = input.raw(length);
  if (crc32(content) !== checksum) throw new FormatError("A part does not fit its checksum");
  return content;
}
