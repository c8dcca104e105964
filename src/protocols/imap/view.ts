import { assert } from "#base/assert.ts";
import type { MailboxNumber } from "#base/brand.ts";
import { lowerBound, type MailboxState, type UidRanges } from "#store/index.ts";
import {
  ImapSyntaxError,
  noRanges,
  rangesMax,
  type Ranges,
  resolveSet,
  rowsOfUids,
  type SequenceSet,
} from "#wire/index.ts";

/** All that a view is. It can be rebuilt from these numbers and the mailbox. */
export interface ViewNumbers {
  readonly mailbox: MailboxNumber;
  readonly uidValidity: number;
  /** Flag changes up to this modseq were told. */
  readonly seenModseq: number;
  /** Expunges up to this modseq were told. */
  readonly expungeModseq: number;
  /** Messages below this uid were announced. */
  readonly uidNextSeen: number;
  /** Messages from this uid on are \Recent in this session. RFC 3501 §2.3.2 */
  readonly recentFloor: number;
}

/** What a view has to tell at a sync point, in this order. */
export interface ViewChanges {
  /** Uids that are gone, ascending, and the sequence numbers that they had. */
  readonly expunged: Uint32Array;
  readonly expungedSeqs: Uint32Array;
  /** The new number of messages, undefined where there are no new ones. */
  readonly exists: number | undefined;
  /** Rows of messages, announced before, whose flags changed. */
  readonly changed: Uint32Array;
}

/** Too many messages went for the history to tell which: the session cannot go on. */
export class ViewLost extends Error {
  override readonly name = "ViewLost";
}

const none = new Uint32Array(0);

/**
 * What one session has been told about its mailbox: the uids below `uidNextSeen` that were not
 * expunged at or before `expungeModseq`.
 *
 * While no expunge is held back it shares the mailbox's columns: sequence number = row + 1.
 * Otherwise it holds the uids of the *ghosts*: gone from the mailbox, not yet from the view.
 * Every method looks at the mailbox as it is now; rows and sequence numbers that they give are
 * valid until the next `await`, uids for ever.
 */
export class View {
  readonly mailbox: MailboxState;
  #seenModseq: number;
  #expungeModseq: number;
  #uidNextSeen: number;
  #recentFloor: number;

  /** Uids expunged after `expungeModseq`, ascending; also those that were never announced. */
  #gone: Uint32Array = none;
  /** The modseq up to which `#gone` is known. */
  #goneModseq: number;
  /** Those of `#gone` that were announced. */
  #ghosts: Uint32Array = none;
  /** Rows that were announced. */
  #liveCount = 0;

  private constructor(
    mailbox: MailboxState,
    numbers: Omit<ViewNumbers, "mailbox" | "uidValidity">,
  ) {
    this.mailbox = mailbox;
    this.#seenModseq = numbers.seenModseq;
    this.#expungeModseq = numbers.expungeModseq;
    this.#uidNextSeen = numbers.uidNextSeen;
    this.#recentFloor = numbers.recentFloor;
    this.#goneModseq = numbers.expungeModseq;
    this.#derive();
  }

  /** The view of a session that has just selected the mailbox. */
  static open(mailbox: MailboxState, recentFloor: number): View {
    const { highestModseq, uidNext } = mailbox;
    return new View(mailbox, {
      seenModseq: highestModseq,
      expungeModseq: highestModseq,
      uidNextSeen: uidNext,
      recentFloor,
    });
  }

  /**
   * The view that `numbers` described. "stale": its changes can no longer be told; "gone": it was
   * another mailbox.
   */
  static restore(numbers: ViewNumbers, mailbox: MailboxState): View | "stale" | "gone" {
    if (numbers.mailbox !== mailbox.number || numbers.uidValidity !== mailbox.uidValidity)
      return "gone";
    if (
      numbers.seenModseq > mailbox.highestModseq ||
      numbers.expungeModseq > mailbox.highestModseq ||
      numbers.uidNextSeen > mailbox.uidNext ||
      mailbox.expungedAfter(numbers.expungeModseq) === undefined
    )
      return "stale";
    const view = new View(mailbox, numbers);
    view.refresh();
    return view;
  }

  /** What `restore` needs. */
  get numbers(): ViewNumbers {
    this.refresh();
    return {
      mailbox: this.mailbox.number,
      uidValidity: this.mailbox.uidValidity,
      seenModseq: this.#seenModseq,
      // Where nothing went since then the newest number says the same, and is good for longer.
      expungeModseq: this.#gone.length === 0 ? this.#goneModseq : this.#expungeModseq,
      uidNextSeen: this.#uidNextSeen,
      recentFloor: this.#recentFloor,
    };
  }

  #derive(): void {
    this.#liveCount = this.mailbox.firstRowFrom(this.#uidNextSeen);
    this.#ghosts =
      this.#gone.length === 0
        ? none
        : this.#gone.subarray(0, lowerBound(this.#gone, this.#gone.length, this.#uidNextSeen));
  }

  /**
   * Takes note of what happened to the mailbox. Cheap when nothing did; the other methods call it.
   * Errors: `ViewLost`.
   */
  refresh(): void {
    const { highestModseq } = this.mailbox;
    if (highestModseq === this.#goneModseq) return;
    const more = this.mailbox.expungedAfter(this.#goneModseq);
    if (more === undefined) throw new ViewLost("Too many messages were expunged");
    this.#goneModseq = highestModseq;
    this.#addGone(more);
    this.#derive();
  }

  #addGone(more: Uint32Array): void {
    if (more.length === 0) return;
    const all = new Uint32Array(this.#gone.length + more.length);
    all.set(this.#gone);
    all.set(more, this.#gone.length);
    this.#gone = all.sort();
  }

  /**
   * Runs an expunge of this session's own, which gives the uids that went: they are remembered even
   * if they are more than the history keeps.
   */
  expunging(run: () => UidRanges): UidRanges {
    this.refresh();
    const ranges = run();
    if (this.mailbox.expungedAfter(this.#goneModseq) === undefined) {
      const uids: number[] = [];
      for (let i = 0; i < ranges.length; i += 2)
        for (let uid = ranges[i]!; uid <= ranges[i + 1]!; uid++) uids.push(uid);
      this.#goneModseq = this.mailbox.highestModseq;
      this.#addGone(Uint32Array.from(uids));
      this.#derive();
    } else this.refresh();
    return ranges;
  }

  // What the session sees

  /** Messages in the view, ghosts included. */
  get count(): number {
    this.refresh();
    return this.#liveCount + this.#ghosts.length;
  }

  /** Messages that are in the view and in the mailbox: the rows 0 .. liveCount-1. */
  get liveCount(): number {
    this.refresh();
    return this.#liveCount;
  }

  /** Uids in the view that are no longer in the mailbox, ascending. */
  get ghosts(): Uint32Array {
    this.refresh();
    return this.#ghosts;
  }

  get uidNextSeen(): number {
    return this.#uidNextSeen;
  }

  get recentFloor(): number {
    return this.#recentFloor;
  }

  /** The largest uid in the view, 0 where it is empty: what `*` means. */
  get lastUid(): number {
    this.refresh();
    const live = this.#liveCount === 0 ? 0 : this.mailbox.rows.arrays.uid[this.#liveCount - 1]!;
    return this.#ghosts.length === 0 ? live : Math.max(live, this.#ghosts.at(-1)!);
  }

  /** How many messages are \Recent here. */
  get recentCount(): number {
    this.refresh();
    const floor = this.#recentFloor;
    const live = this.#liveCount - Math.min(this.#liveCount, this.mailbox.firstRowFrom(floor));
    return live + this.#ghosts.length - lowerBound(this.#ghosts, this.#ghosts.length, floor);
  }

  /** True for a uid in the view that is no longer in the mailbox. */
  isGhost(uid: number): boolean {
    const { ghosts } = this;
    return ghosts.length > 0 && ghosts[lowerBound(ghosts, ghosts.length, uid)] === uid;
  }

  /** Sequence number of a row below `liveCount`. */
  seqOfRow(row: number): number {
    const ghosts = this.#ghosts;
    if (ghosts.length === 0) return row + 1;
    return row + 1 + lowerBound(ghosts, ghosts.length, this.mailbox.rows.arrays.uid[row]!);
  }

  /** Sequence number of a uid, ghost or not; 0 where it is not in the view. */
  seqOfUid(uid: number): number {
    const { ghosts } = this;
    const row = this.mailbox.firstRowFrom(uid);
    const before = lowerBound(ghosts, ghosts.length, uid);
    const present = row < this.#liveCount && this.mailbox.rows.arrays.uid[row] === uid;
    if (!present && ghosts[before] !== uid) return 0;
    return row + before + 1;
  }

  /** Uid of a sequence number, ghost or not; 0 where there is none. */
  uidOfSeq(seq: number): number {
    if (seq < 1 || seq > this.count) return 0;
    const { uid } = this.mailbox.rows.arrays;
    const ghosts = this.#ghosts;
    // The first ghost whose sequence number is not below `seq`.
    let low = 0;
    let high = ghosts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#ghostSeq(middle) < seq) low = middle + 1;
      else high = middle;
    }
    if (low < ghosts.length && this.#ghostSeq(low) === seq) return ghosts[low]!;
    return uid[seq - 1 - low]!;
  }

  #ghostSeq(index: number): number {
    return this.mailbox.firstRowFrom(this.#ghosts[index]!) + index + 1;
  }

  /**
   * The messages of a set as ranges of uids, none above `lastUid`. Every message of the view that
   * lies in them is meant, and no other one. A sequence number that does not exist is a syntax
   * error. RFC 9051 §9 (seq-number)
   */
  uidsOf(set: SequenceSet, byUid: boolean): Ranges {
    if (byUid) return this.clip(resolveSet(set, this.lastUid));
    const { count } = this;
    if (count === 0 && set.pairs.length > 0) throw new ImapSyntaxError("The mailbox is empty");
    const seqs = resolveSet(set, count);
    if (rangesMax(seqs) > count) throw new ImapSyntaxError(`There are only ${count} messages`);
    return seqs.map((seq) => this.uidOfSeq(seq));
  }

  /** Ranges of uids without what lies above `lastUid`. */
  clip(ranges: Ranges): Ranges {
    const last = this.lastUid;
    if (rangesMax(ranges) <= last) return ranges;
    let length = 0;
    while (length < ranges.length && ranges[length]! <= last) length += 2;
    if (length === 0) return noRanges;
    const clipped = ranges.slice(0, length);
    if (clipped[length - 1]! > last) clipped[length - 1] = last;
    return clipped;
  }

  /** Rows of the messages in ranges of uids, as ranges of rows; ghosts have none. */
  rowsOf(uids: Ranges): Ranges {
    this.refresh();
    return rowsOfUids(uids, this.mailbox.rows.arrays.uid, this.#liveCount);
  }

  /** Ghosts in ranges of uids. */
  ghostsIn(uids: Ranges): Uint32Array {
    const { ghosts } = this;
    if (ghosts.length === 0) return none;
    const found: number[] = [];
    const indexes = rowsOfUids(uids, ghosts, ghosts.length);
    for (let i = 0; i < indexes.length; i += 2)
      for (let index = indexes[i]!; index <= indexes[i + 1]!; index++) found.push(ghosts[index]!);
    return Uint32Array.from(found);
  }

  // Sync points

  /** True where `advance` would tell something. */
  pending(allowExpunge: boolean): boolean {
    this.refresh();
    return (
      this.mailbox.highestModseq > this.#seenModseq ||
      this.mailbox.uidNext > this.#uidNextSeen ||
      (allowExpunge && this.#gone.length > 0)
    );
  }

  /**
   * Brings the view up to date and says what is to be told: expunges all or none, then new
   * messages, then flags. After a held back expunge the new messages may include some that are
   * gone already; they are expunged later.
   */
  advance(allowExpunge: boolean): ViewChanges {
    this.refresh();
    const { mailbox } = this;
    let expunged: Uint32Array = none;
    let expungedSeqs: Uint32Array = none;
    if (allowExpunge) {
      if (this.#ghosts.length > 0) {
        expunged = this.#ghosts;
        expungedSeqs = expunged.map((_, index) => this.#ghostSeq(index));
      }
      this.#gone = none;
      this.#ghosts = none;
      this.#expungeModseq = mailbox.highestModseq;
    }
    const announcedCount = this.#liveCount;
    const countBefore = announcedCount + this.#ghosts.length;
    this.#uidNextSeen = mailbox.uidNext;
    this.#derive();
    const count = this.#liveCount + this.#ghosts.length;
    assert(count >= countBefore, "Only expunges make a view smaller");
    const changed = this.#changedRows(announcedCount);
    this.#seenModseq = mailbox.highestModseq;
    return { expunged, expungedSeqs, exists: count > countBefore ? count : undefined, changed };
  }

  #changedRows(count: number): Uint32Array {
    const seen = this.#seenModseq;
    if (this.mailbox.highestModseq <= seen) return none;
    const { modseq } = this.mailbox.rows.arrays;
    let changed = 0;
    for (let row = 0; row < count; row++) if (modseq[row]! > seen) changed++;
    if (changed === 0) return none;
    const rows = new Uint32Array(changed);
    for (let row = 0, at = 0; at < changed; row++) if (modseq[row]! > seen) rows[at++] = row;
    return rows;
  }

  /** True where no flag changes are still to be told; false says nothing. */
  get upToDate(): boolean {
    return this.mailbox.highestModseq <= this.#seenModseq;
  }

  /** Changes so far count as told. */
  told(): void {
    this.#seenModseq = this.mailbox.highestModseq;
  }

  /** Rows whose flag changes are still to be told. */
  changedRows(): Uint32Array {
    return this.#changedRows(this.liveCount);
  }

  /** The same; they count as told afterwards. */
  takeChanged(): Uint32Array {
    const changed = this.changedRows();
    this.#seenModseq = this.mailbox.highestModseq;
    return changed;
  }
}
