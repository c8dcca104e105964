import { asBuffer } from "#base/bytes.ts";
import { type PartTable, sectionRange } from "#message/index.ts";
import type { PartialRange } from "#wire/index.ts";
import type { BodyItem } from "./plan.ts";

export type SectionItem = Extract<BodyItem, { kind: "section" }>;

/**
 * The bytes of a BODY section, as a view of `body` where that is possible, or null where the
 * message has no such section. RFC 9051 §6.4.5.1
 *
 * @param parts undefined is enough for the whole message
 * @throws FormatError where the part table is damaged
 */
export function sectionBytes(
  body: Uint8Array,
  parts: PartTable | undefined,
  item: SectionItem,
): Uint8Array | null {
  const { part, section, selection, partial } = item;
  if (parts === undefined || (part.length === 0 && section === ""))
    return withoutNul(cut(body, partial));
  const range = sectionRange(parts, part, section);
  if (range === null) return null;
  const bytes = body.subarray(range.start, range.end);
  return withoutNul(cut(selection === undefined ? bytes : selection.select(bytes), partial));
}

/** The same of a section for which the kept header is enough. */
export function keptSectionBytes(keptHeader: Uint8Array, item: SectionItem): Uint8Array {
  return withoutNul(cut(item.selection!.select(keptHeader), item.partial));
}

/** A part of `bytes`; empty where it begins beyond their end. RFC 9051 §6.4.5 */
export function cut(bytes: Uint8Array, partial: PartialRange | null): Uint8Array {
  if (partial === null) return bytes;
  const start = Math.min(partial.offset, bytes.length);
  return bytes.subarray(start, Math.min(start + partial.count, bytes.length));
}

/**
 * A literal must not contain NUL (RFC 9051 §4.3), and all sizes were told: so 0x80 stands in.
 * BINARY gives the bytes as they are.
 */
export function withoutNul(bytes: Uint8Array): Uint8Array {
  if (!asBuffer(bytes).includes(0)) return bytes;
  return bytes.map((byte) => (byte === 0 ? 0x80 : byte));
}
