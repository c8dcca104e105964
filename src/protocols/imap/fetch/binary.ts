/** BINARY and BINARY.SIZE: parts with their transfer encoding undone. RFC 3516 §4.2 */
import { Refusal } from "#base/assert.ts";
import { asBuffer } from "#base/bytes.ts";
import { limits } from "#base/limits.ts";
import {
  decodePart,
  findPart,
  type PartTable,
  type TransferEncoding,
  transferDecoder,
} from "#message/index.ts";
import type { PartialRange } from "#wire/index.ts";
import type { Session } from "../session.ts";
import { cut } from "./sections.ts";

/** A part as it is stored. */
export interface EncodedPart {
  readonly bytes: Uint8Array;
  readonly encoding: TransferEncoding;
}

/** What decoding a part would give. */
export interface DecodedSize {
  readonly size: number;
  readonly hasNul: boolean;
}

/**
 * The part that a BINARY item names; the empty path is the whole message. Null: there is none.
 *
 * @throws Refusal UNKNOWN-CTE where its encoding cannot be undone, FormatError
 */
export function encodedPart(
  body: Uint8Array,
  parts: PartTable | undefined,
  path: readonly number[],
): EncodedPart | null {
  if (path.length === 0 || parts === undefined) return { bytes: body, encoding: "binary" };
  const entry = findPart(parts, path);
  if (entry === null) return null;
  if (entry.encoding === undefined)
    throw new Refusal("UNKNOWN-CTE", "A part has an unknown content transfer encoding");
  return { bytes: body.subarray(entry.bodyStart, entry.bodyEnd), encoding: entry.encoding };
}

/** The decoded part, or undefined where it is too large to be decoded at a time. */
export function decodeSmall(part: EncodedPart): Uint8Array | undefined {
  if (isIdentity(part.encoding)) return part.bytes;
  if (part.bytes.length > limits.decodedBytesMax) return undefined;
  return decodePart(part.bytes, part.encoding);
}

function isIdentity(encoding: TransferEncoding): boolean {
  return encoding === "7bit" || encoding === "8bit" || encoding === "binary";
}

/** Decodes piece by piece and lets others work in between. */
async function* decodedPieces(session: Session, part: EncodedPart): AsyncGenerator<Uint8Array> {
  const decoder = transferDecoder(part.encoding);
  const { bytes } = part;
  for (let at = 0; at < bytes.length; at += limits.decodedStepBytes) {
    yield decoder.push(bytes.subarray(at, at + limits.decodedStepBytes));
    const pause = session.pause();
    if (pause !== undefined) await pause;
  }
  yield decoder.end();
}

/** The size of a large decoded part; lets others work meanwhile. */
export async function measure(session: Session, part: EncodedPart): Promise<DecodedSize> {
  let size = 0;
  let hasNul = false;
  for await (const piece of decodedPieces(session, part)) {
    size += piece.length;
    hasNul ||= asBuffer(piece).includes(0);
  }
  return { size, hasNul };
}

/**
 * Writes the literal of a large decoded part, which never is in memory as a whole.
 *
 * @param decoded what `measure` found
 */
export async function writeLarge(
  session: Session,
  part: EncodedPart,
  { decoded, partial }: { decoded: DecodedSize; partial: PartialRange | null },
): Promise<void> {
  const { output } = session;
  const start = Math.min(partial?.offset ?? 0, decoded.size);
  const end = partial === null ? decoded.size : Math.min(start + partial.count, decoded.size);
  output.literalHead(end - start, decoded.hasNul);
  let at = 0;
  for await (const piece of decodedPieces(session, part)) {
    const from = Math.max(0, start - at);
    const count = Math.max(0, end - Math.max(at, start));
    output.bytes(cut(piece, { offset: from, count }));
    at += piece.length;
    if (at >= end) return;
  }
}

/** A literal, of the kind that may hold NUL where there is one. RFC 9051 §9 (literal8) */
export function writeDecoded(session: Session, bytes: Uint8Array): void {
  session.output.literal(bytes, asBuffer(bytes).includes(0));
}
