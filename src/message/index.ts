/**
 * Messages: from bytes to what protocols and the store want to know about them. Pure functions of
 * bytes; nothing here reads, waits or asks what time it is.
 *
 * - Everything survives every input: what cannot be understood is passed over or read by a stated
 *   default, never thrown. The exceptions are named: `Refusal` UNKNOWN-CTE for a content transfer
 *   encoding that cannot be undone, `Refusal` LIMIT for a search string, `FormatError` for stored
 *   fields that are damaged.
 * - Work is linear in the input and bounded by `limits` (depth, number of parts, header size).
 * - What a header says is kept as text with one character per byte and decoded on request
 *   (`decodeHeaderText`, `parameterText`): raw 8-bit text passes unharmed.
 * - Offsets count from the first byte of the message, as stored with CRLF line ends.
 *
 * A delivery: `LineEndNormaliser` and `MessageParser` take the chunks, `encodeCachedFields` makes
 * of the parse what is stored beside the message. FETCH and SEARCH read `CachedFields`, cut
 * sections out of the message with `sectionRange`, and decode with `decodePart`.
 */
export { LineEndNormaliser, normaliseLineEnds } from "./line-ends.ts";
export { MessageParser, parseMessage } from "./parse.ts";
export type {
  Disposition,
  MessagePart,
  Parameter,
  ParsedMessage,
  PartKind,
  TextSample,
} from "./part.ts";
export {
  areKeptFields,
  CachedFields,
  encodeCachedFields,
  shiftCachedFields,
} from "./cached-fields.ts";
export { PartTable } from "./part-table.ts";
export type { PartEntry, TextKind } from "./part-table.ts";
export { findPart, sectionRange } from "./sections.ts";
export type { ByteRange, SectionKind } from "./sections.ts";
export { FieldSelection, headerTexts } from "./header-fields.ts";
export type { FieldRange } from "./header-fields.ts";
export { decodePart, transferDecoder } from "./transfer-encoding.ts";
export type { TransferDecoder, TransferEncoding } from "./transfer-encoding.ts";
export { decodeHeaderText } from "./encoded-words.ts";
export type { Address } from "./addresses.ts";
export type { Envelope } from "./envelope.ts";
export { addressText, decodeEnvelope } from "./decode-envelope.ts";
export type { SentDate } from "./dates.ts";
export type { BaseSubject } from "./subject.ts";
export { decodeCharset, knowsCharset } from "./charsets.ts";
export type { CharsetDecoder } from "./charsets.ts";
export { foldCase } from "./folding.ts";
export { searchableText, searchableTextOf, TextSearch } from "./search.ts";
export type { SearchScope, TextPiece } from "./search.ts";
