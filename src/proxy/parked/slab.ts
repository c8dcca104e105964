import { assert } from "#base/assert.ts";
import { limits } from "#base/limits.ts";

const chunkBytes = 64 * 1024;
/** Sizes of blocks: steps of 32 bytes for what is common, and few large ones that fill a chunk. */
const blockSizes = [
  ...Array.from({ length: 16 }, (_, i) => (i + 1) * 32),
  640,
  800,
  992,
  1_248,
  1_536,
  1_920,
  2_400,
  3_008,
  3_840,
  4_672,
  5_952,
  7_264,
  9_344,
  13_104,
  16_384,
  21_840,
  32_768,
  chunkBytes,
];
const none = 0xffff_ffff;

assert(limits.parkedBytesOfRowMax <= chunkBytes, "The bytes of one row fit a block");

/**
 * Byte strings of a few sizes in one piece of memory that grows in place. A chunk of 64 KiB is cut
 * into blocks of one size; a chunk whose blocks are all free serves any size again. A place is the
 * offset of a block; who has it also knows how long the string is.
 */
export class Slab {
  readonly #bytesMax: number;
  readonly #memory: ArrayBuffer;
  readonly #bytes: Uint8Array;
  readonly #words: Uint32Array;
  /** Per chunk: class of its blocks, blocks in use, first free block, blocks never used. */
  readonly #class: Uint8Array;
  readonly #used: Uint16Array;
  readonly #freeBlock: Uint32Array;
  readonly #untouched: Uint16Array;
  /** Per chunk: neighbours among those of its class that have room; `next` also links free chunks. */
  readonly #next: Uint32Array;
  readonly #previous: Uint32Array;
  readonly #roomy = new Uint32Array(blockSizes.length).fill(none);
  #freeChunk = none;
  #chunks = 0;
  #usedBytes = 0;

  constructor(bytesMax: number) {
    const chunksMax = Math.max(1, Math.floor(bytesMax / chunkBytes));
    this.#bytesMax = chunksMax * chunkBytes;
    this.#memory = new ArrayBuffer(0, { maxByteLength: this.#bytesMax });
    this.#bytes = new Uint8Array(this.#memory);
    this.#words = new Uint32Array(this.#memory);
    this.#class = new Uint8Array(chunksMax);
    this.#used = new Uint16Array(chunksMax);
    this.#freeBlock = new Uint32Array(chunksMax);
    this.#untouched = new Uint16Array(chunksMax);
    this.#next = new Uint32Array(chunksMax);
    this.#previous = new Uint32Array(chunksMax);
  }

  /** Bytes of all blocks in use. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** Memory taken from the system. */
  get bytes(): number {
    return this.#memory.byteLength;
  }

  /** A block for `length` bytes, to be filled through `view`; undefined where there is no room. */
  take(length: number): number | undefined {
    const size = classOf(length);
    let chunk = this.#roomy[size]!;
    if (chunk === none) {
      chunk = this.#newChunk(size);
      if (chunk === none) return undefined;
    }
    const blockBytes = blockSizes[size]!;
    const blocks = Math.floor(chunkBytes / blockBytes);
    let place = this.#freeBlock[chunk]!;
    if (place !== none) this.#freeBlock[chunk] = this.#words[place >>> 2]!;
    else place = chunk * chunkBytes + (blocks - this.#untouched[chunk]!--) * blockBytes;
    if (++this.#used[chunk]! === blocks) this.#unlink(chunk, size);
    this.#usedBytes += blockBytes;
    return place;
  }

  give(place: number): void {
    const chunk = Math.floor(place / chunkBytes);
    const size = this.#class[chunk]!;
    const blocks = Math.floor(chunkBytes / blockSizes[size]!);
    if (this.#used[chunk]! === blocks) this.#link(chunk, size);
    this.#words[place >>> 2] = this.#freeBlock[chunk]!;
    this.#freeBlock[chunk] = place;
    this.#usedBytes -= blockSizes[size]!;
    if (--this.#used[chunk]! > 0) return;
    this.#unlink(chunk, size);
    this.#next[chunk] = this.#freeChunk;
    this.#freeChunk = chunk;
  }

  /** The bytes of a block, where they are. To be forgotten before anything else is stored. */
  view(place: number, length: number): Uint8Array {
    return this.#bytes.subarray(place, place + length);
  }

  #newChunk(size: number): number {
    let chunk = this.#freeChunk;
    if (chunk !== none) this.#freeChunk = this.#next[chunk]!;
    else {
      if ((this.#chunks + 1) * chunkBytes > this.#bytesMax) return none;
      chunk = this.#chunks++;
      this.#memory.resize(this.#chunks * chunkBytes);
    }
    this.#class[chunk] = size;
    this.#used[chunk] = 0;
    this.#freeBlock[chunk] = none;
    this.#untouched[chunk] = Math.floor(chunkBytes / blockSizes[size]!);
    this.#link(chunk, size);
    return chunk;
  }

  #link(chunk: number, size: number): void {
    const head = this.#roomy[size]!;
    this.#next[chunk] = head;
    this.#previous[chunk] = none;
    if (head !== none) this.#previous[head] = chunk;
    this.#roomy[size] = chunk;
  }

  #unlink(chunk: number, size: number): void {
    const [before, after] = [this.#previous[chunk]!, this.#next[chunk]!];
    if (before === none) this.#roomy[size] = after;
    else this.#next[before] = after;
    if (after !== none) this.#previous[after] = before;
  }
}

function classOf(length: number): number {
  if (length <= 512) return length === 0 ? 0 : (length - 1) >>> 5;
  let size = 16;
  while (blockSizes[size]! < length) size++;
  return size;
}
