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
import type { BodyReader } from "#store/index.ts";
import type { PartialRange } from "#wire/index.ts";
import type { Session } from "../session.ts";
import { readRange } from "./large-sections.ts";
import { cut } from "./sections.ts";

/** A part as it is stored. */
export interface EncodedPart {
  /** Undefined where it is read piece by piece. */
  readonly bytes: Uint8Array | undefined;
  readonly encoding: TransferEncoding;
  pieces(): Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
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
  const place = placeOf(body.length, parts, path);
  return place === null ? null : heldPart(body.subarray(place.start, place.end), place.encoding);
}

/** The same of a message that is read piece by piece; a small part is held. */
export async function encodedPartOf(
  body: BodyReader,
  parts: PartTable | undefined,
  path: readonly number[],
): Promise<EncodedPart | null> {
  const place = placeOf(body.size, parts, path);
  if (place === null) return null;
  const { start, end, encoding } = place;
  if (end - start <= limits.heldBodyBytesMax)
    return heldPart(await readRange(body, { start, end }), encoding);
  return { bytes: undefined, encoding, pieces: () => body.pieces(start, end) };
}

interface PartPlace {
  readonly start: number;
  readonly end: number;
  readonly encoding: TransferEncoding;
}

function placeOf(
  size: number,
  parts: PartTable | undefined,
  path: readonly number[],
): PartPlace | null {
  if (path.length === 0 || parts === undefined) return { start: 0, end: size, encoding: "binary" };
  const entry = findPart(parts, path);
  if (entry === null) return null;
  const { bodyStart: start, bodyEnd: end, encoding } = entry;
  if (encoding === undefined)
    throw new Refusal("UNKNOWN-CTE", "A part has an unknown content transfer encoding");
  return { start, end, encoding };
}

function heldPart(bytes: Uint8Array, encoding: TransferEncoding): EncodedPart {
  return { bytes, encoding, pieces: () => steps(bytes) };
}

function* steps(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += limits.decodedStepBytes)
    yield bytes.subarray(at, at + limits.decodedStepBytes);
}

/** The decoded part, or undefined where it is too large to be decoded at a time. */
export function decodeSmall(part: EncodedPart): Uint8Array | undefined {
  const { bytes, encoding } = part;
  if (bytes === undefined || isIdentity(encoding)) return bytes;
  return bytes.length > limits.decodedBytesMax ? undefined : decodePart(bytes, encoding);
}

function isIdentity(encoding: TransferEncoding): boolean {
  return encoding === "7bit" || encoding === "8bit" || encoding === "binary";
}

/** Decodes piece by piece and lets others work in between. */
async function* decodedPieces(session: Session, part: EncodedPart): AsyncGenerator<Uint8Array> {
  const decoder = transferDecoder(part.encoding);
  for await (const piece of part.pieces()) {
    yield decoder.push(piece);
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
