import { assert } from "#base/assert.ts";
import { crc32 } from "#base/crc.ts";
import {
  type BatchOrigin,
  batchAlignment,
  batchHeaderBytes,
  tableEntryBytes,
  writeBatchHeader,
  writeTableRow,
} from "./batch-format.ts";
import type { PendingAppend } from "./batch-queue.ts";
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
    const tableEnd = batchHeaderBytes + appends.length * tableEntryBytes;
    this.#reserve(tableEnd + copiedBytes(appends));
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
      const { entry, length } = appends[index]!;
      const { payload, shard, epoch, account } = entry;
      assert(account.length === 16, `Account id ${account} has not 16 characters`);
      checksum = 0;
      if (payload instanceof Uint8Array) add(payload);
      else for (const piece of payload) add(piece);
      const offset = spot.offset + tableEnd + payloadBytes;
      places.push({ segment, batch: spot.batch, index, offset, length, checksum });
      const at = batchHeaderBytes + index * tableEntryBytes;
      writeTableRow(memory, at, { length, checksum, shard, lost: false, epoch, account });
      payloadBytes += length;
    }
    if (end > cut) pieces.push(memory.subarray(cut, end));
    const header = {
      kind: "journalBatch",
      segment,
      batch: spot.batch,
      offset: spot.offset,
      synced: spot.synced,
      entries: appends.length,
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
