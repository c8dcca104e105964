/**
 * The journal: the append-only stream of batches that one incarnation writes for all its shards,
 * cut into segments; the truth until it is settled. This file is the port and its values. Forms:
 * `openLocalJournal` (files of one machine) and `openObjectJournal` (one object per batch).
 */
import type { AccountId, Epoch, Shard } from "#base/brand.ts";
import { FormatError } from "#base/bytes.ts";

/** What is appended: the result of a decision about one account, opaque to the journal. */
export interface JournalEntry {
  readonly shard: Shard;
  readonly epoch: Epoch;
  readonly account: AccountId;
  /** In one piece or in pieces; they must not be changed before the append is settled. */
  readonly payload: Uint8Array | readonly Uint8Array[];
  /**
   * Bytes that other entries share, the same array: written once behind all payloads of a batch in
   * which entries name it, and again in the next batch. Like the payload, not to be changed.
   */
  readonly shared?: readonly Uint8Array[];
  /**
   * Written even while the tail is at its limit, together with what waits before it for the same
   * account: settling must be able to go on. Not refused because the queue is full.
   */
  readonly exempt?: boolean;
}

/** Where an entry stands in the order of its journal. */
export interface JournalPosition {
  /** Number of the segment, from 1. */
  readonly segment: number;
  /** Number of the batch in the segment, from 1. */
  readonly batch: number;
  /** Number of the entry in the batch, from 0. */
  readonly index: number;
}

/** A position and where the payload lies, so that parts of it can be read until it is settled. */
export interface JournalPlace extends JournalPosition {
  /** Of the first payload byte: in the segment's file (local form) or the batch's object. */
  readonly offset: number;
  /** Bytes of the payload. */
  readonly length: number;
  /** CRC-32 of the payload. */
  readonly checksum: number;
  /** Where the shared bytes begin that the entry named, from the first byte of the payload on. */
  readonly sharedAt?: number;
}

/** An entry as it is read back; its payload is a view of memory that belongs to the reader. */
export interface StoredEntry {
  readonly place: JournalPlace;
  readonly shard: Shard;
  readonly epoch: Epoch;
  readonly account: AccountId;
  readonly payload: Uint8Array;
}

/** What a repair had to give up. */
export interface JournalLoss {
  readonly segment: number;
  /** Offset of the damaged bytes in the segment's file (0 in the object form), and their number. */
  readonly offset: number;
  readonly bytes: number;
  /** The batches concerned, first and last. */
  readonly firstBatch: number;
  readonly lastBatch: number;
  /** The lost entries; null where not even their accounts can be told. */
  readonly entries: readonly LostEntry[] | null;
}

export interface LostEntry {
  readonly position: JournalPosition;
  readonly shard: Shard;
  readonly epoch: Epoch;
  readonly account: AccountId;
}

/** Damage in what was durable. The journal stops; opening it with `repair` goes on without. */
export class JournalCorruption extends Error {
  override readonly name = "JournalCorruption";
  readonly segment: number;
  readonly batch: number;
  /** Offset in the segment's file (0 in the object form). */
  readonly offset: number;
  constructor(at: { segment: number; batch: number; offset: number }, text: string) {
    super(`Journal segment ${at.segment}, batch ${at.batch}, offset ${at.offset}: ${text}`);
    this.segment = at.segment;
    this.batch = at.batch;
    this.offset = at.offset;
  }
}

/** Somebody ended this incarnation by a foreign seal: it must not write ever again. */
export class JournalFenced extends Error {
  override readonly name = "JournalFenced";
}

/**
 * `open`: takes appends. `failed`: takes none until `reopen`. `fenced`: takes none ever again.
 * `closed`: after `close`.
 */
export type JournalState = "open" | "failed" | "fenced" | "closed";

/** What is not yet deleted. */
export interface JournalTail {
  readonly segments: number;
  readonly batches: number;
  readonly bytes: number;
}

/** What the journal tells its owner; called synchronously, must not throw. */
export interface JournalEvents {
  /**
   * The tail has passed half of its limit, or is at its limit so that appends wait: settle, then
   * `deleteSettled`. Settling must not itself wait for an append.
   */
  tailPressure?(tail: JournalTail): void;
  /**
   * The appends that wait for these accounts are about to be rejected; called before any of them
   * is. What was applied in memory for them must be thrown away now and read back later, or a
   * record built on a lost one would get into the journal.
   */
  rejected?(accounts: ReadonlySet<AccountId>, error: Error): void;
}

export interface ReplayOptions {
  /** The first position of interest; without it, everything that is left. */
  readonly from?: JournalPosition;
  /** Called in order with what an earlier repair gave up. */
  readonly lost?: (loss: JournalLoss) => void;
}

export interface Journal {
  readonly form: "local" | "object";
  readonly state: JournalState;
  /** Why the journal is failed or fenced. */
  readonly failure: Error | null;
  readonly tail: JournalTail;
  /** Every durable entry stands before this position, every later one at or behind it. */
  readonly next: JournalPosition;
  /**
   * Resolves when the entry is durable. Entries of one account become durable in the order of
   * their calls. Rejects with `Refusal` (UNAVAILABLE, the reason as its cause); together with it
   * every append that was waiting is rejected. While the journal stays `open` a rejected entry
   * will never be there; after `failed` or `fenced` one that was in flight may be.
   */
  append(entry: JournalEntry): Promise<JournalPlace>;
  /**
   * `length` bytes of a payload from `offset` (default: all of it; then its checksum is compared,
   * error: `JournalCorruption`). Null when the segment has been deleted.
   * For shared bytes give a place of their offset and length.
   */
  read(place: JournalPlace, offset?: number, length?: number): Promise<Uint8Array | null>;
  /**
   * Local form only: reads into `target` from `offset` of the payload, without waiting. Gives the
   * bytes read, or -1 when the segment has been deleted.
   */
  readSync?(place: JournalPlace, offset: number, target: Uint8Array): number;
  /** All entries that were durable at the time of the call, in order. Errors: `JournalCorruption`. */
  replay(options?: ReplayOptions): AsyncIterable<StoredEntry>;
  /** Ends the current segment after what is in flight, so that it can be deleted once settled. */
  rotate(): Promise<void>;
  /** Everything before `before` is settled: deletes the sealed segments that lie wholly before it. */
  deleteSettled(before: JournalPosition): Promise<void>;
  /**
   * After `failed`: decides the fate of what was in flight, opens a new segment and takes appends
   * again; `replay` then gives the truth. Errors: whatever still fails; the state stays `failed`.
   */
  reopen(): Promise<void>;
  /** Waits for what was appended, seals, and gives up the lock. */
  close(): Promise<void>;
}

/** Negative, zero or positive like the order of two positions of one journal. */
export function comparePositions(a: JournalPosition, b: JournalPosition): number {
  return a.segment - b.segment || a.batch - b.batch || a.index - b.index;
}

/** Fixed-width text whose order is that of the positions: `0000002a.0000001f.0003`, hexadecimal. */
export function positionText(position: JournalPosition): string {
  return `${digits(position.segment, 8)}.${digits(position.batch, 8)}.${digits(position.index, 4)}`;
}

/** The inverse of `positionText`. Errors: `FormatError`. */
export function parsePosition(text: string): JournalPosition {
  const match = /^([0-9a-f]{8})\.([0-9a-f]{8})\.([0-9a-f]{4})$/.exec(text);
  if (match === null) throw new FormatError(`Not a journal position: ${JSON.stringify(text)}`);
  const [, segment, batch, index] = match;
  return {
    segment: Number.parseInt(segment!, 16),
    batch: Number.parseInt(batch!, 16),
    index: Number.parseInt(index!, 16),
  };
}

function digits(value: number, width: number): string {
  return value.toString(16).padStart(width, "0");
}

/** Before every entry of every journal. */
export const journalStart: JournalPosition = { segment: 0, batch: 0, index: 0 };
