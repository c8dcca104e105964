import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { FormatError, asBuffer, concatBytes } from "#base/bytes.ts";
import { crc32 } from "#base/crc.ts";
import { limits } from "#base/limits.ts";
import { keptExpander } from "./kept-expander.ts";
import type { Slices } from "../slices.ts";

/**
 * How a body is stored; numbers for life. `plain`: as it is. `zstd`: one frame. `blocks`: a frame
 * for each `limits.compressBlockBytes`, behind a list of their lengths.
 */
export const compressions = { plain: 0, zstd: 1, blocks: 2 } as const;
export type Compression = (typeof compressions)[keyof typeof compressions];

export interface StoredBody {
  readonly compression: Compression;
  readonly rawLength: number;
  /** CRC-32 of the message itself. */
  readonly rawCrc: number;
  readonly stored: Uint8Array;
}

/**
 * Reading is what mail is for: bytes are saved only where that leaves less than 7/10. Base64 does
 * not get below 3/4 and stays as it is.
 */
const worthwhile = 0.7;
const fast = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };

/** A body as it is. */
export function plainBody(body: Uint8Array, rawCrc: number): StoredBody {
  return { compression: compressions.plain, rawLength: body.length, rawCrc, stored: body };
}

/** Compresses a body of at most `limits.compressBlockBytes` where it pays. */
export function storeSmallBody(body: Uint8Array, rawCrc: number): StoredBody {
  const plain = plainBody(body, rawCrc);
  if (body.length < limits.compressBytesMin) return plain;
  const stored = zstdCompressSync(body, fast);
  if (stored.length > body.length * worthwhile) return plain;
  return { compression: compressions.zstd, rawLength: body.length, rawCrc, stored };
}

/** Compresses a body of any size where it pays. */
export async function storeBody(
  body: Uint8Array,
  rawCrc: number,
  slices: Slices,
): Promise<StoredBody> {
  if (body.length <= limits.compressBlockBytes) return storeSmallBody(body, rawCrc);
  const plain = plainBody(body, rawCrc);
  const blocks: Uint8Array[] = [];
  let before = 0;
  let after = 0;
  for (let at = 0; at < body.length; at += limits.compressBlockBytes) {
    const raw = body.subarray(at, at + limits.compressBlockBytes);
    const block = zstdCompressSync(raw, fast);
    before += raw.length;
    after += block.length;
    // What begins badly hardly gets better: large bodies are pictures in base64.
    if (after > before * worthwhile) return plain;
    blocks.push(block);
    await slices.rest();
  }
  const list = Buffer.allocUnsafe(4 + 4 * blocks.length);
  list.writeUInt32LE(blocks.length, 0);
  for (const [i, block] of blocks.entries()) list.writeUInt32LE(block.length, 4 + 4 * i);
  const stored = concatBytes([list, ...blocks]);
  return { compression: compressions.blocks, rawLength: body.length, rawCrc, stored };
}

/** The body that was stored as one piece. Errors: `FormatError` where it is not what it was. */
export function restoreSmallBody(body: StoredBody): Uint8Array {
  const raw =
    body.compression === compressions.plain ? body.stored : expand(body.stored, body.rawLength);
  return checkedBody(body, raw);
}

/** The body however it was stored. Errors: `FormatError` where it is not what it was. */
export async function restoreBody(body: StoredBody, slices: Slices): Promise<Uint8Array> {
  if (body.compression !== compressions.blocks) return restoreSmallBody(body);
  const source = asBuffer(body.stored);
  const count = Math.ceil(body.rawLength / limits.compressBlockBytes);
  if (source.length < 4 + 4 * count || source.readUInt32LE(0) !== count)
    throw new FormatError("A body has another number of blocks than its length says");
  const raw = new Uint8Array(body.rawLength);
  let at = 4 + 4 * count;
  for (let i = 0; i < count; i++) {
    const end = at + source.readUInt32LE(4 + 4 * i);
    const start = i * limits.compressBlockBytes;
    const length = Math.min(limits.compressBlockBytes, raw.length - start);
    raw.set(expand(source.subarray(at, end), length), start);
    at = end;
    await slices.rest();
  }
  return checkedBody(body, raw);
}

/** One compressed frame. Errors: `FormatError`. */
export function expand(stored: Uint8Array, rawLength: number): Uint8Array {
  let raw: Uint8Array;
  try {
    // With room for one byte more it is done in one step, into an array that is not copied again.
    const chunkSize = Math.max(constants.Z_MIN_CHUNK, rawLength + 1);
    raw = zstdDecompressSync(stored, { chunkSize, maxOutputLength: Math.max(1, rawLength) });
  } catch (cause) {
    throw new FormatError("A compressed body cannot be expanded", { cause });
  }
  if (raw.length !== rawLength) throw new FormatError("A body has another length than it had");
  return raw;
}

/**
 * One compressed frame, as a view of `into`, which has room for a byte more than `rawLength`.
 * Errors: `FormatError`.
 */
export function expandInto(stored: Uint8Array, rawLength: number, into: Buffer): Uint8Array {
  const expander = keptExpander();
  if (expander === undefined) return expand(stored, rawLength);
  const { left, unread } = expander(stored, into.subarray(0, rawLength + 1));
  if (left !== 1 || unread !== 0) throw new FormatError("A compressed body cannot be expanded");
  return into.subarray(0, rawLength);
}

function checkedBody(body: StoredBody, raw: Uint8Array): Uint8Array {
  if (raw.length !== body.rawLength || crc32(raw) !== body.rawCrc)
    throw new FormatError("A body does not fit its checksum");
  return raw;
}
