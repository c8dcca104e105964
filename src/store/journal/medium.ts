import type { DecodedEntry } from "./batch-format.ts";
import type { EncodedBatch } from "./batch-encoder.ts";
import type { BatchOrigin } from "./batch-format.ts";
import type { JournalLoss, JournalPlace } from "./journal.ts";

/** A segment as its writer knows it. */
export interface SegmentInfo {
  readonly number: number;
  /** Number of its last batch, 0 = none. */
  lastBatch: number;
  /** Local form: where its next batch would begin. Object form: bytes of all its batches. */
  bytes: number;
}

/** Where something is written. */
export interface Spot {
  readonly segment: number;
  readonly batch: number;
  readonly offset: number;
}

/** A write failed, and it is certain that nothing of it will ever be seen: the writer may go on. */
export class NothingWritten extends Error {
  override readonly name = "NothingWritten";
}

/** Part of a segment, as it is read back. */
export type SegmentItem =
  | { readonly kind: "entry"; readonly entry: DecodedEntry }
  | { readonly kind: "loss"; readonly loss: JournalLoss };

/**
 * Where a journal's batches go: what differs between its two forms. Calls do not overlap, but for
 * reads. Errors of the writing calls: `NothingWritten`; `JournalFenced`; after anything else
 * nothing is known about what was written.
 */
export interface JournalMedium {
  readonly form: "local" | "object";
  /** Where the first batch of a segment begins. */
  readonly firstOffset: number;
  /** Batches fill whole blocks. */
  readonly aligned: boolean;
  /** What the headers of a segment's batches say. */
  originOf(segment: number): BatchOrigin;
  /** Whether `bytes` from `offset` on leave room for the seal. */
  hasRoom(offset: number, bytes: number): boolean;
  /** Writes a batch, durably. */
  write(spot: Spot, batch: EncodedBatch): Promise<void>;
  /** Ends the segment with a seal at `spot` and makes the following one ready. */
  rotate(spot: Spot): Promise<void>;
  /** Called after each batch, so that the next segment can be made ready in good time. */
  prepare(spot: Spot): void;
  /**
   * After a failure: makes sure that the segment ends before `spot`, or behind the batch there if
   * that is durable (then the result is true), and makes the following segment ready.
   */
  recover(spot: Spot): Promise<boolean>;
  /** Deletes a segment that is not the current one. */
  remove(segment: SegmentInfo): Promise<void>;
  /** Null when the segment is gone. */
  read(place: JournalPlace, offset: number, length: number): Promise<Uint8Array | null>;
  readSync?(place: JournalPlace, offset: number, target: Uint8Array): number;
  /** The content of a segment up to its last batch. Errors: `JournalCorruption`. */
  contentOf(segment: SegmentInfo, fromBatch: number): AsyncIterable<SegmentItem>;
  /** Ends the segment with a seal at `spot` if nothing has failed, and lets go of everything. */
  close(spot: Spot | null): Promise<void>;
}
