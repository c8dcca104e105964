import type { AccountId } from "#base/brand.ts";
import { objectLength } from "#objects/index.ts";
import { batchHeaderBytes, tableEntryBytes } from "./batch-format.ts";
import type { JournalEntry, JournalPlace } from "./journal.ts";

/** An append that waits. */
export interface PendingAppend {
  readonly entry: JournalEntry;
  /** Bytes of its payload. */
  readonly length: number;
  readonly resolve: (place: JournalPlace) => void;
  readonly reject: (error: Error) => void;
  /** The next one of the same account. */
  following: PendingAppend | null;
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
    this.#bytes += length + tableEntryBytes;
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
    let room = bytesMax - batchHeaderBytes;
    for (
      let queue = this.#front;
      queue !== null && taken.length < entriesMax;
      queue = this.#front
    ) {
      const pending = queue.first;
      const bytes = pending.length + tableEntryBytes;
      if (bytes > room && taken.length > 0) break;
      room -= bytes;
      taken.push(pending);
      this.#entries--;
      this.#bytes -= bytes;
      this.#front = queue.behind;
      if (this.#front === null) this.#back = null;
      if (pending.following === null) this.#byAccount.delete(queue.account);
      else {
        queue.first = pending.following;
        this.#stand(queue);
      }
    }
    return taken;
  }

  #stand(queue: AccountQueue): void {
    queue.behind = null;
    if (this.#back === null) this.#front = queue;
    else this.#back.behind = queue;
    this.#back = queue;
  }
}
