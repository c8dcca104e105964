import type { AccountId } from "#base/brand.ts";
import { objectLength } from "#objects/index.ts";
import { batchHeaderBytes, tableEntryBytes } from "./batch-format.ts";
import type { JournalEntry, JournalPlace } from "./journal.ts";

/** An append that waits. */
export interface PendingAppend {
  readonly entry: JournalEntry;
  /** Bytes of its payload, without what it shares. */
  readonly length: number;
  readonly resolve: (place: JournalPlace) => void;
  readonly reject: (error: Error) => void;
  /** The next one of the same account. */
  following: PendingAppend | null;
}

/** Bytes that appends share, counted once however many of them name them. */
export class SharedBytes {
  readonly #users = new Map<readonly Uint8Array[], number>();

  /** What one user more adds. */
  add(shared: readonly Uint8Array[] | undefined): number {
    if (shared === undefined) return 0;
    const users = this.#users.get(shared) ?? 0;
    this.#users.set(shared, users + 1);
    return users === 0 ? objectLength(shared) : 0;
  }

  /** What one user less frees. */
  drop(shared: readonly Uint8Array[] | undefined): number {
    if (shared === undefined) return 0;
    const users = this.#users.get(shared)! - 1;
    if (users > 0) this.#users.set(shared, users);
    else this.#users.delete(shared);
    return users === 0 ? objectLength(shared) : 0;
  }
}

/** What a batch still has room for; shared bytes take it once, with a row of their own. */
class BatchRoom {
  #bytes: number;
  #rows: number;
  #shared: Set<readonly Uint8Array[]> | undefined;

  constructor(bytesMax: number, rowsMax: number) {
    this.#bytes = bytesMax - batchHeaderBytes;
    this.#rows = rowsMax;
  }

  get bytesLeft(): number {
    return this.#bytes;
  }

  /** Takes an append if it fits, or in any case. */
  take({ entry, length }: PendingAppend, always: boolean): boolean {
    const { shared } = entry;
    let bytes = length + tableEntryBytes;
    let rows = 1;
    if (shared !== undefined && this.#shared?.has(shared) !== true) {
      bytes += objectLength(shared) + tableEntryBytes;
      rows = 2;
    }
    if (!always && (bytes > this.#bytes || rows > this.#rows)) return false;
    this.#bytes -= bytes;
    this.#rows -= rows;
    if (rows === 2) (this.#shared ??= new Set()).add(shared!);
    return true;
  }
}

/** Bytes of the batch of these appends, without padding. */
export function batchBytesOf(appends: readonly PendingAppend[]): number {
  const room = new BatchRoom(0, 0);
  for (const append of appends) room.take(append, true);
  return -room.bytesLeft;
}

/** The waiting appends of one account, and its neighbour in the ring. */
interface AccountQueue {
  readonly account: AccountId;
  first: PendingAppend;
  last: PendingAppend;
  behind: AccountQueue | null;
}

/**
 * The appends that wait for their batch. Accounts take turns: each gives its oldest append, then
 * stands at the end of the line again. So an append waits at most for one append of every other
 * account per earlier append of its own, however many a busy account has queued. Within an
 * account the order is kept.
 */
export class BatchQueue {
  readonly #byAccount = new Map<AccountId, AccountQueue>();
  /** The line; its first account gives the next append. */
  #front: AccountQueue | null = null;
  #back: AccountQueue | null = null;
  #entries = 0;
  #bytes = 0;
  readonly #shared = new SharedBytes();
  /** How many exempt appends of an account wait. */
  readonly #exempt = new Map<AccountId, number>();

  /** Whether an append waits that may pass while the tail is at its limit. */
  get hasExempt(): boolean {
    return this.#exempt.size > 0;
  }

  get entries(): number {
    return this.#entries;
  }

  /** What the waiting appends take in batches, without the batches' headers. */
  get bytes(): number {
    return this.#bytes;
  }

  add(entry: JournalEntry, settle: Pick<PendingAppend, "resolve" | "reject">): void {
    const { resolve, reject } = settle;
    const length = objectLength(entry.payload);
    const pending = { entry, length, resolve, reject, following: null };
    this.#entries++;
    this.#bytes += length + tableEntryBytes + this.#shared.add(entry.shared);
    if (entry.exempt === true)
      this.#exempt.set(entry.account, (this.#exempt.get(entry.account) ?? 0) + 1);
    const queue = this.#byAccount.get(entry.account);
    if (queue !== undefined) {
      queue.last.following = pending;
      queue.last = pending;
      return;
    }
    const { account } = entry;
    const added: AccountQueue = { account, first: pending, last: pending, behind: null };
    this.#byAccount.set(account, added);
    this.#stand(added);
  }

  /** Takes what fits into one batch of `bytesMax`, header included; at least one append if any. */
  take(bytesMax: number, entriesMax: number): PendingAppend[] {
    const taken: PendingAppend[] = [];
    const room = new BatchRoom(bytesMax, entriesMax);
    for (let queue = this.#front; queue !== null; queue = this.#front) {
      const pending = queue.first;
      if (!room.take(pending, taken.length === 0)) break;
      taken.push(pending);
      this.#front = queue.behind;
      if (this.#front === null) this.#back = null;
      if (this.#took(queue)) this.#stand(queue);
    }
    return taken;
  }

  /**
   * Like `take`, but only exempt appends and those that wait before them for the same account.
   */
  takeExempt(bytesMax: number, entriesMax: number): PendingAppend[] {
    const taken: PendingAppend[] = [];
    const room = new BatchRoom(bytesMax, entriesMax);
    let next = this.#front;
    this.#front = null;
    this.#back = null;
    for (let queue = next; queue !== null; queue = next) {
      next = queue.behind;
      let left = true;
      while (left && this.#exempt.has(queue.account)) {
        if (!room.take(queue.first, taken.length === 0)) break;
        taken.push(queue.first);
        left = this.#took(queue);
      }
      if (left) this.#stand(queue);
    }
    return taken;
  }

  /** Counts off the first append of an account; false where it was the last one. */
  #took(queue: AccountQueue): boolean {
    const { entry, length, following } = queue.first;
    this.#entries--;
    this.#bytes -= length + tableEntryBytes + this.#shared.drop(entry.shared);
    if (entry.exempt === true) {
      const count = this.#exempt.get(queue.account)! - 1;
      if (count === 0) this.#exempt.delete(queue.account);
      else this.#exempt.set(queue.account, count);
    }
    if (following === null) {
      this.#byAccount.delete(queue.account);
      return false;
    }
    queue.first = following;
    return true;
  }

  #stand(queue: AccountQueue): void {
    queue.behind = null;
    if (this.#back === null) this.#front = queue;
    else this.#back.behind = queue;
    this.#back = queue;
  }
}
