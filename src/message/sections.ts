import type { PartEntry, PartTable } from "./part-table.ts";

/** What of a part is meant; "" is its content. HEADER.FIELDS selects from HEADER. */
export type SectionKind = "" | "HEADER" | "TEXT" | "MIME";

/** Bytes of the stored message: from `start` to before `end`. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * Where a section of a message lies, or null where it has no such section. RFC 9051 §6.4.5.1
 *
 * - `[]`: the message, its HEADER, its TEXT
 * - `[1]` of a message that is no multipart: its text; `[1.MIME]` is then its header
 * - HEADER and TEXT of a numbered part: only where that part is a message
 *
 * @param path part numbers, from 1
 */
export function sectionRange(
  parts: PartTable,
  path: readonly number[],
  kind: SectionKind,
): ByteRange | null {
  if (path.length === 0) {
    if (kind === "MIME") return null;
    const root = parts.entry(0);
    return kind === "" ? { start: 0, end: root.bodyEnd } : ofMessage(root, kind);
  }
  const index = parts.find(path);
  if (index < 0) return null;
  const part = parts.entry(index);
  if (kind === "") return { start: part.bodyStart, end: part.bodyEnd };
  if (kind === "MIME") return { start: part.headerStart, end: part.bodyStart };
  return part.kind === "message" ? ofMessage(parts.entry(index + 1), kind) : null;
}

function ofMessage(message: PartEntry, kind: "HEADER" | "TEXT"): ByteRange {
  return kind === "HEADER"
    ? { start: message.headerStart, end: message.bodyStart }
    : { start: message.bodyStart, end: message.bodyEnd };
}

/**
 * The part whose decoded content BINARY[path] is, or null. The empty path is the whole message,
 * which is not encoded: the caller serves it as BODY[]. RFC 9051 §6.4.5
 */
export function findPart(parts: PartTable, path: readonly number[]): PartEntry | null {
  const index = path.length === 0 ? -1 : parts.find(path);
  return index < 0 ? null : parts.entry(index);
}
