/** BODY sections of messages that are too large to be held while a client takes them. */
import { concatBytes } from "#base/bytes.ts";
import { limits } from "#base/limits.ts";
import { type ByteRange, type PartTable, sectionRange } from "#message/index.ts";
import { ConnectionBroken } from "#base/stream.ts";
import type { BodyReader } from "#store/index.ts";
import type { Session } from "../session.ts";
import { cut, type SectionItem, withoutNul } from "./sections.ts";

/** A section that is to be written: held, or a range to be read while it is written. */
export type LargeSection = Uint8Array | ByteRange;

/** The bytes in `range`. */
export async function readRange(body: BodyReader, range: ByteRange): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of body.pieces(range.start, range.end)) pieces.push(piece);
  return concatBytes(pieces);
}

/**
 * What a section item asks of a large message; null where it has no such section. Headers, of which
 * fields may be selected, are small: `limits.headerBytesMax`.
 *
 * @param parts undefined is enough for the whole message
 * @throws FormatError where the part table is damaged
 */
export async function largeSection(
  body: BodyReader,
  parts: PartTable | undefined,
  item: SectionItem,
): Promise<LargeSection | null> {
  const { part, section, selection, partial } = item;
  const isWhole = parts === undefined || (part.length === 0 && section === "");
  const range = isWhole ? { start: 0, end: body.size } : sectionRange(parts, part, section);
  if (range === null) return null;
  if (selection !== undefined)
    return withoutNul(cut(selection.select(await readRange(body, range)), partial));
  const start = Math.min(range.start + (partial?.offset ?? 0), range.end);
  const end = partial === null ? range.end : Math.min(start + partial.count, range.end);
  if (end - start > limits.heldBodyBytesMax) return { start, end };
  return withoutNul(await readRange(body, { start, end }));
}

/** Writes a literal as fast as the client takes it. An error in the middle ends the connection. */
export async function writeLargeSection(
  { output }: Session,
  body: BodyReader,
  { start, end }: ByteRange,
): Promise<void> {
  output.literalHead(end - start);
  try {
    for await (const piece of body.pieces(start, end)) {
      output.bytes(withoutNul(piece));
      if (output.full) await output.flush();
    }
  } catch (cause) {
    if (cause instanceof ConnectionBroken) throw cause;
    throw new Error("A literal could not be finished", { cause });
  }
}
