import type { MailboxNumber, ModSeq, Uid } from "#base/brand.ts";
import { Columns, lowerBound } from "./columns.ts";
import { deletedBit, seenBit } from "./change.ts";

/** The rows of a mailbox, ascending by uid. */
export const mailboxColumns = {
  uid: Uint32Array,
  /** Of the last change. */
  modseq: Float64Array,
  /** Of the arrival in this mailbox. */
  createdModseq: Float64Array,
  /** System flags, see `flagBits`. */
  flags: Uint8Array,
  /** Index into `keywordSets`; 0 is the empty set. */
  keywordSet: Uint32Array,
  /** Row of the account's message table. */
  message: Uint32Array,
  /** Seconds since 1970 of the arrival in this mailbox. RFC 8514 */
  savedAt: Uint32Array,
} as const;

/** Expunged uids in the order of their modseqs. RFC 7162 §3.2.6 */
export const historyColumns = {
  uid: Uint32Array,
  modseq: Float64Array,
  /** Seconds since 1970. */
  at: Uint32Array,
} as const;

/**
 * One mailbox in memory. Only `apply` changes it; everybody else reads.
 */
export class MailboxState {
  readonly number: MailboxNumber;
  name: string;
  /**
   * Changes when the account had to be rebuilt, and with a name whose last bearer had a greater one.
   * RFC 9051 §2.3.1.1
   */
  uidValidity: number;
  uidNext: number;
  /** Highest modseq of any change in this mailbox, expunges included. */
  highestModseq = 0;
  /** Expunges up to this modseq may be missing from the history. */
  historyFloor = 0;
  specialUse: readonly string[];
  /** Messages from this uid on are \Recent to the next session that selects it. */
  firstRecent = 1;

  readonly rows = new Columns(mailboxColumns);
  readonly history = new Columns(historyColumns);

  /** Names of the keywords, in the order in which they were first used. */
  readonly keywords: string[] = [];
  readonly #keywordIds = new Map<string, number>();
  /** Distinct sets of keywords as ascending indexes into `keywords`. */
  readonly keywordSets: (readonly number[])[] = [[]];
  readonly #keywordSetIds = new Map<string, number>([["", 0]]);

  /** Bits that only a visitor sees: visitor → uid → bits. */
  readonly visitorFlags = new Map<string, Map<number, number>>();
  /** POP3 unique-ids that were imported: uid → unique-id. */
  readonly uidls = new Map<number, string>();

  /** Counters over all rows. */
  unseen = 0;
  deleted = 0;
  deletedBytes = 0;
  bytes = 0;

  constructor(identity: {
    number: MailboxNumber;
    name: string;
    uidValidity: number;
    uidNext: number;
    specialUse: readonly string[];
  }) {
    this.number = identity.number;
    this.name = identity.name;
    this.uidValidity = identity.uidValidity;
    this.uidNext = identity.uidNext;
    this.specialUse = identity.specialUse;
  }

  /** Messages in the mailbox. */
  get count(): number {
    return this.rows.count;
  }

  /** Row of `uid`, or -1. */
  rowOf(uid: Uid | number): number {
    const row = lowerBound(this.rows.arrays.uid, this.rows.count, uid);
    return row < this.rows.count && this.rows.arrays.uid[row] === uid ? row : -1;
  }

  /** First row whose uid is not below `uid`. */
  firstRowFrom(uid: number): number {
    return lowerBound(this.rows.arrays.uid, this.rows.count, uid);
  }

  /** Row of the first message without \Seen, or -1. */
  firstUnseenRow(): number {
    if (this.unseen === 0) return -1;
    const { flags } = this.rows.arrays;
    for (let row = 0; row < this.rows.count; row++) if ((flags[row]! & seenBit) === 0) return row;
    return -1;
  }

  /** Names of the keywords of a row. */
  keywordsOf(row: number): string[] {
    return this.keywordSets[this.rows.arrays.keywordSet[row]!]!.map((id) => this.keywords[id]!);
  }

  /** Number of a keyword, without regard to ASCII case; -1 where nobody used it yet. */
  keywordId(name: string): number {
    return this.#keywordIds.get(name.toLowerCase()) ?? -1;
  }

  /** Number of a keyword that may be new. For `apply` only. */
  internKeyword(name: string): number {
    const key = name.toLowerCase();
    let id = this.#keywordIds.get(key);
    if (id === undefined) {
      id = this.keywords.push(name) - 1;
      this.#keywordIds.set(key, id);
    }
    return id;
  }

  /** Number of a set of keyword numbers, given in any order and repeated at will. For `apply`. */
  internKeywordSet(ids: Iterable<number>): number {
    const sorted = [...new Set(ids)].sort((a, b) => a - b);
    const key = sorted.join();
    let set = this.#keywordSetIds.get(key);
    if (set === undefined) {
      set = this.keywordSets.push(sorted) - 1;
      this.#keywordSetIds.set(key, set);
    }
    return set;
  }

  /** Adds (`by` = 1) or takes away (-1) a row from the counters. For `apply` only. */
  count1(flags: number, size: number, by: 1 | -1): void {
    if ((flags & seenBit) === 0) this.unseen += by;
    if ((flags & deletedBit) !== 0) {
      this.deleted += by;
      this.deletedBytes += by * size;
    }
    this.bytes += by * size;
  }

  /**
   * Uids expunged after `modseq`, in the order in which that happened; undefined where the history
   * no longer reaches back so far.
   */
  expungedAfter(modseq: ModSeq | number): Uint32Array | undefined {
    if (modseq < this.historyFloor) return undefined;
    const { uid, modseq: at } = this.history.arrays;
    const first = lowerBound(at, this.history.count, modseq + 1);
    return uid.slice(first, this.history.count);
  }

  /** Approximate memory, in bytes. */
  get memoryBytes(): number {
    return this.rows.bytes + this.history.bytes + 1_000 + this.uidls.size * 64;
  }
}
