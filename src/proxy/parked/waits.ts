import type { Random } from "#base/random.ts";
import type { InternedTexts } from "./interned-texts.ts";
import { HashChains, mixHash } from "./hash-chains.ts";
import { RowSpace } from "./row-space.ts";

/** A session waits for a change of a mailbox that is greater than what it was told. */
export interface MailboxWait {
  /** The account that owns the mailbox. */
  readonly account: string;
  /** Number of the mailbox in its account, 1 .. 2^32-1; 0 stands for any of them. */
  readonly mailbox: number;
  /** The modseq up to which the session knows everything. */
  readonly told: number;
}

export interface WaitsParts {
  readonly waitsMax: number;
  readonly random: Random;
  readonly accounts: InternedTexts;
  /** The first wait for a mailbox was entered, or the last one left. */
  readonly mailboxWatched: (account: string, mailbox: number, watched: boolean) => void;
}

/**
 * Which session waits for a change of which mailbox beyond which modseq. One entry for each mailbox
 * that somebody waits for, and behind it a chain of waits, in columns.
 */
export class Waits {
  readonly #parts: WaitsParts;
  readonly #seed: number;

  /** Entries: one for each mailbox. */
  readonly #entries: RowSpace;
  readonly #chains: HashChains;
  readonly #accounts: Uint32Array;
  readonly #mailboxes: Uint32Array;
  readonly #latest: Float64Array;
  readonly #heads: Uint32Array;

  /** Waits: one for each session and mailbox. */
  readonly #waits: RowSpace;
  readonly #rows: Uint32Array;
  readonly #entryOf: Uint32Array;
  readonly #told: Float64Array;
  readonly #next: Uint32Array;
  readonly #previous: Uint32Array;
  readonly #nextOfRow: Uint32Array;

  constructor(parts: WaitsParts) {
    this.#parts = parts;
    this.#seed = parts.random.below(0x1_0000_0000);
    const entries = new RowSpace(parts.waitsMax);
    this.#entries = entries;
    this.#chains = new HashChains(entries);
    this.#accounts = entries.words();
    this.#mailboxes = entries.words();
    this.#latest = entries.floats();
    this.#heads = entries.words();
    const waits = new RowSpace(parts.waitsMax);
    this.#waits = waits;
    this.#rows = waits.words();
    this.#entryOf = waits.words();
    this.#told = waits.floats();
    this.#next = waits.words();
    this.#previous = waits.words();
    this.#nextOfRow = waits.words();
  }

  get bytes(): number {
    return this.#entries.bytes + this.#waits.bytes;
  }

  /** Mailboxes that somebody waits for. */
  get mailboxes(): number {
    return this.#entries.count;
  }

  /**
   * A wait of `row`, in front of its others, which begin with `after`; gives its number, or 0 where
   * there is no room.
   */
  enter(row: number, after: number, wait: MailboxWait): number {
    const number = this.#waits.take();
    if (number === 0) return 0;
    const entry = this.#entryFor(wait.account, wait.mailbox);
    if (entry === 0) {
      this.#waits.give(number);
      return 0;
    }
    this.#rows[number] = row;
    this.#entryOf[number] = entry;
    this.#told[number] = wait.told;
    this.#nextOfRow[number] = after;
    const head = this.#heads[entry]!;
    this.#next[number] = head;
    this.#previous[number] = 0;
    if (head !== 0) this.#previous[head] = number;
    this.#heads[entry] = number;
    return number;
  }

  /** Takes one wait away; gives the next one of the same session. */
  leave(number: number): number {
    const entry = this.#entryOf[number]!;
    const [before, after] = [this.#previous[number]!, this.#next[number]!];
    if (after !== 0) this.#previous[after] = before;
    if (before !== 0) this.#next[before] = after;
    else this.#heads[entry] = after;
    const next = this.#nextOfRow[number]!;
    this.#waits.give(number);
    if (this.#heads[entry] === 0) {
      const account = this.#accounts[entry]!;
      this.#parts.mailboxWatched(
        this.#parts.accounts.text(account),
        this.#mailboxes[entry]!,
        false,
      );
      this.#parts.accounts.leave(account);
      this.#chains.remove(entry);
      this.#entries.give(entry);
    }
    return next;
  }

  /**
   * Notes a change of a mailbox, or of any (0), and gives the sessions that have been told less.
   * `account` as it is interned.
   */
  changed(account: number, mailbox: number, modseq: number): number[] {
    const entry = this.#find(account, mailbox);
    const rows: number[] = [];
    if (entry === 0) return rows;
    if (modseq > this.#latest[entry]!) this.#latest[entry] = modseq;
    for (let wait = this.#heads[entry]!; wait !== 0; wait = this.#next[wait]!)
      if (this.#told[wait]! < modseq) rows.push(this.#rows[wait]!);
    return rows;
  }

  /** True where a session, whose first wait is `first`, has missed a change that was noted. */
  missed(first: number): boolean {
    for (let wait = first; wait !== 0; wait = this.#nextOfRow[wait]!)
      if (this.#told[wait]! < this.#latest[this.#entryOf[wait]!]!) return true;
    return false;
  }

  /** The waits of a session, whose first one is `first`, in the order of their entering. */
  of(first: number): MailboxWait[] {
    const out: MailboxWait[] = [];
    for (let wait = first; wait !== 0; wait = this.#nextOfRow[wait]!) {
      const entry = this.#entryOf[wait]!;
      const account = this.#parts.accounts.text(this.#accounts[entry]!);
      out.push({ account, mailbox: this.#mailboxes[entry]!, told: this.#told[wait]! });
    }
    return out.reverse();
  }

  /** Every mailbox that somebody waits for, with the least that any of them has been told. */
  *watched(): Generator<MailboxWait> {
    for (let entry = 1; entry < this.#entries.end; entry++) {
      const head = this.#heads[entry]!;
      if (head === 0) continue;
      let told = Infinity;
      for (let wait = head; wait !== 0; wait = this.#next[wait]!)
        told = Math.min(told, this.#told[wait]!);
      const account = this.#parts.accounts.text(this.#accounts[entry]!);
      yield { account, mailbox: this.#mailboxes[entry]!, told };
    }
  }

  #entryFor(text: string, mailbox: number): number {
    // The entry is one user of the account's number, however many sessions wait.
    const account = this.#parts.accounts.enter(text);
    if (account === 0) return 0;
    let entry = this.#find(account, mailbox);
    if (entry !== 0) {
      this.#parts.accounts.leave(account);
      return entry;
    }
    // There are no more mailboxes than waits, so there is room.
    entry = this.#entries.take();
    this.#accounts[entry] = account;
    this.#mailboxes[entry] = mailbox;
    this.#latest[entry] = 0;
    this.#heads[entry] = 0;
    this.#chains.insert(entry, mixHash(account, mailbox, this.#seed));
    this.#parts.mailboxWatched(text, mailbox, true);
    return entry;
  }

  #find(account: number, mailbox: number): number {
    const hash = mixHash(account, mailbox, this.#seed);
    let entry = this.#chains.first(hash);
    while (entry !== 0 && (this.#accounts[entry] !== account || this.#mailboxes[entry] !== mailbox))
      entry = this.#chains.next(entry, hash);
    return entry;
  }
}
