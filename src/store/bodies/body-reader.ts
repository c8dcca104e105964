import { asBuffer, FormatError } from "#base/bytes.ts";
import type { Clock } from "#base/clock.ts";
import { crc32 } from "#base/crc.ts";
import { limits } from "#base/limits.ts";
import type { ObjectStore } from "#objects/index.ts";
import type { BodyReader } from "../ports.ts";
import { Slices } from "../slices.ts";
import { compressions, expand } from "./compression.ts";
import { decodeEntryHead, type EntryHead, entryHeadLength } from "./pack-entry.ts";

/** Enough for nearly every header of an entry. */
const firstReadBytes = 4096;

/** Where the entry of a message lies. */
export interface BodySource {
  readonly objects: ObjectStore;
  readonly key: string;
  /** Of the entry in the pack, in bytes. */
  readonly offset: number;
  readonly length: number;
  /** Of the message. RFC822.SIZE */
  readonly size: number;
}

/**
 * A message in a pack that is read piece by piece: between two pieces at most one block of it
 * is held, so whoever sends it to a slow client holds little.
 */
export class StoredBodyReader implements BodyReader {
  readonly #source: BodySource;
  readonly #head: EntryHead;
  /** Where each compressed block begins in the entry, and the end of the last one. */
  readonly #blocks: readonly number[];

  #kept: { readonly index: number; readonly raw: Uint8Array } | undefined;

  private constructor(source: BodySource, head: EntryHead, blocks: readonly number[]) {
    this.#source = source;
    this.#head = head;
    this.#blocks = blocks;
  }

  /** Compares the whole body with its checksum, in slices. Errors: `FormatError`. */
  static async open(source: BodySource, clock: Clock): Promise<StoredBodyReader> {
    const head = await readHead(source);
    const blocks = await readBlocks(source, head);
    const reader = new StoredBodyReader(source, head, blocks);
    const slices = new Slices(clock);
    let crc = 0;
    for await (const piece of reader.pieces(0, reader.size)) {
      crc = crc32(piece, crc);
      await slices.rest();
    }
    if (crc !== head.rawCrc) throw new FormatError("A body does not fit its checksum");
    return reader;
  }

  get size(): number {
    return this.#source.size;
  }

  async *pieces(start: number, end: number): AsyncGenerator<Uint8Array> {
    const { headerLength, compression } = this.#head;
    const step = limits.compressBlockBytes;
    if (compression === compressions.plain && end - start > limits.keptPieceBytesMax) {
      for (let at = start; at < end; at += step)
        yield await readAt(this.#source, headerLength + at, Math.min(step, end - at));
      return;
    }
    for (let i = Math.floor(start / step); i * step < end; i++) {
      const raw = await this.#block(i);
      yield raw.subarray(Math.max(start - i * step, 0), Math.min(end - i * step, raw.length));
    }
  }

  /**
   * A block of the message. The last one is kept: whoever goes through thousands of small parts reads
   * and expands each block once.
   */
  async #block(index: number): Promise<Uint8Array> {
    if (this.#kept?.index === index) return this.#kept.raw;
    const step = limits.compressBlockBytes;
    const length = Math.min(step, this.size - index * step);
    const { headerLength, compression } = this.#head;
    let raw: Uint8Array;
    if (compression === compressions.plain)
      raw = await readAt(this.#source, headerLength + index * step, length);
    else {
      const from = this.#blocks[index]!;
      raw = expand(await readAt(this.#source, from, this.#blocks[index + 1]! - from), length);
    }
    this.#kept = { index, raw };
    return raw;
  }
}

async function readHead(source: BodySource): Promise<EntryHead> {
  let bytes = await readAt(source, 0, Math.min(firstReadBytes, source.length));
  const length = entryHeadLength(bytes);
  if (length > bytes.length) bytes = await readAt(source, 0, Math.min(length, source.length));
  const head = decodeEntryHead(bytes);
  if (head.rawLength !== source.size)
    throw new FormatError("A pack entry belongs to another message");
  if (head.headerLength + head.storedLength > source.length)
    throw new FormatError("A stored body is cut short");
  return head;
}

async function readBlocks(source: BodySource, head: EntryHead): Promise<number[]> {
  const { compression, headerLength, rawLength, storedLength } = head;
  if (compression === compressions.plain && storedLength === rawLength) return [];
  if (compression !== compressions.blocks)
    throw new FormatError("A large body is stored as small ones are");
  const count = Math.ceil(rawLength / limits.compressBlockBytes);
  const list = asBuffer(await readAt(source, headerLength, 4 + 4 * count));
  if (list.readUInt32LE(0) !== count)
    throw new FormatError("A body has another number of blocks than its length says");
  const blocks = [headerLength + list.length];
  for (let i = 0; i < count; i++) blocks.push(blocks[i]! + list.readUInt32LE(4 + 4 * i));
  if (blocks[count]! > headerLength + storedLength)
    throw new FormatError("A block of a body lies outside");
  return blocks;
}

/** Exactly `length` bytes from `at` of the entry. */
async function readAt(source: BodySource, at: number, length: number): Promise<Uint8Array> {
  const { objects, key, offset } = source;
  if (objects.readSync !== undefined) {
    const target = Buffer.allocUnsafeSlow(length);
    if (objects.readSync(key, offset + at, target) === length) return target;
  } else {
    const bytes = await objects.get(key, { offset: offset + at, length });
    if (bytes?.length === length) return bytes;
  }
  throw new FormatError("A pack entry is cut short");
}
