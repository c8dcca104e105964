import { assert } from "#base/assert.ts";
import { crc32 } from "#base/crc.ts";
import {
  type BatchOrigin,
  batchAlignment,
  batchHeaderBytes,
  sharedRow,
  tableEntryBytes,
  writeBatchHeader,
  writeTableRow,
} from "./batch-format.ts";
import type { PendingAppend } from "./batch-queue.ts";
import { objectLength } from "#objects/index.ts";
import type { JournalPlace } from "./journal.ts";

/** Pieces up to this size are copied together: cheaper than one more element of a gathered write. */
const copiedBytesMax = 2_048;
const padding = new Uint8Array(batchAlignment);

export interface EncodedBatch {
  /** The bytes of the batch, in order; valid until the next `encode`. */
  readonly pieces: readonly Uint8Array[];
  readonly length: number;
  /** Where each append will lie, in their order. */
  readonly places: readonly JournalPlace[];
}

export interface BatchSpot {
  readonly batch: number;
  readonly offset: number;
  readonly synced: number;
  /** Fill the last block with zeros. */
  readonly align: boolean;
}

/** Puts appends into the form of a batch, large payloads by reference, in memory used again. */
export class BatchEncoder {
  #memory = Buffer.allocUnsafe(64 * 1024);

  encode(appends: readonly PendingAppend[], spot: BatchSpot, origin: BatchOrigin): EncodedBatch {
    const shared = new SharedParts(appends);
    const entries = appends.length + shared.count;
    const tableEnd = batchHeaderBytes + entries * tableEntryBytes;
    this.#reserve(tableEnd + copiedBytes(appends) + shared.copiedBytes);
    const memory = this.#memory;
    const { segment } = origin;
    const pieces: Uint8Array[] = [];
    const places: JournalPlace[] = [];
    let cut = 0; // of memory: what lies before is in `pieces`
    let end = tableEnd;
    let payloadBytes = 0;
    let checksum = 0;
    const add = (piece: Uint8Array): void => {
      checksum = crc32(piece, checksum);
      if (piece.length <= copiedBytesMax) {
        memory.set(piece, end);
        end += piece.length;
        return;
      }
      if (end > cut) pieces.push(memory.subarray(cut, end));
      cut = end;
      pieces.push(piece);
    };
    for (let index = 0; index < appends.length; index++) {
      const append = appends[index]!;
      const { entry, length } = append;
      const { payload, shard, epoch, account } = entry;
      assert(account.length === 16, `Account id ${account} has not 16 characters`);
      checksum = 0;
      if (payload instanceof Uint8Array) add(payload);
      else for (const piece of payload) add(piece);
      const offset = spot.offset + tableEnd + payloadBytes;
      const place = { segment, batch: spot.batch, index, offset, length, checksum };
      const part = shared.of(append);
      places.push(part === undefined ? place : { ...place, sharedAt: part.at - payloadBytes });
      const at = batchHeaderBytes + index * tableEntryBytes;
      const row = { length, checksum, shard, lost: false, epoch, account, isShared: false };
      writeTableRow(memory, at, { ...row, sharedNumber: part?.number ?? 0 });
      payloadBytes += length;
    }
    for (const { number, pieces: parts, length } of shared.parts) {
      checksum = 0;
      parts.forEach(add);
      const at = batchHeaderBytes + (appends.length + number - 1) * tableEntryBytes;
      writeTableRow(memory, at, { ...sharedRow, length, checksum });
      payloadBytes += length;
    }
    if (end > cut) pieces.push(memory.subarray(cut, end));
    const header = {
      kind: "journalBatch",
      segment,
      batch: spot.batch,
      offset: spot.offset,
      synced: spot.synced,
      entries,
      payloadBytes,
      checksum: crc32(memory.subarray(batchHeaderBytes, tableEnd)),
    } as const;
    writeBatchHeader(memory, header, origin);
    let length = tableEnd + payloadBytes;
    const over = length % batchAlignment;
    if (spot.align && over !== 0) {
      pieces.push(padding.subarray(over));
      length += batchAlignment - over;
    }
    return { pieces, length, places };
  }

  #reserve(bytes: number): void {
    if (bytes > this.#memory.length) this.#memory = Buffer.allocUnsafe(2 * bytes);
  }
}

/** Bytes of a batch that lie in it once for several entries. */
interface SharedPart {
  /** From 1, in their order behind the payloads. */
  readonly number: number;
  readonly pieces: readonly Uint8Array[];
  readonly length: number;
  /** From the first payload on. */
  readonly at: number;
}

/** What the appends of a batch share. */
class SharedParts {
  readonly #parts: Map<readonly Uint8Array[], SharedPart> | undefined;
  /** Of their small pieces. */
  readonly copiedBytes: number = 0;

  constructor(appends: readonly PendingAppend[]) {
    let at = 0;
    let found = false;
    for (const { entry, length } of appends) {
      at += length;
      if (entry.shared !== undefined) found = true;
    }
    if (!found) return;
    this.#parts = new Map();
    for (const { entry } of appends) {
      const { shared } = entry;
      if (shared === undefined || this.#parts.has(shared)) continue;
      const length = objectLength(shared);
      this.#parts.set(shared, { number: this.#parts.size + 1, pieces: shared, length, at });
      at += length;
      for (const piece of shared)
        if (piece.length <= copiedBytesMax) this.copiedBytes += piece.length;
    }
  }

  get count(): number {
    return this.#parts?.size ?? 0;
  }

  get parts(): Iterable<SharedPart> {
    return this.#parts?.values() ?? [];
  }

  of({ entry }: PendingAppend): SharedPart | undefined {
    return entry.shared === undefined ? undefined : this.#parts!.get(entry.shared);
  }
}

function copiedBytes(appends: readonly PendingAppend[]): number {
  let bytes = 0;
  const count = (piece: Uint8Array): void => {
    if (piece.length <= copiedBytesMax) bytes += piece.length;
  };
  for (const { entry } of appends)
    if (entry.payload instanceof Uint8Array) count(entry.payload);
    else entry.payload.forEach(count);
  return bytes;
}
