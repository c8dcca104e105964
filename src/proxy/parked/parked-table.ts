import type { Clock } from "#base/clock.ts";
import type { Random } from "#base/random.ts";
import { Bug, assert } from "#base/assert.ts";
import { limits } from "#base/limits.ts";
import { DeadlineWheel } from "./deadline-wheel.ts";
import type { Readiness, ReadyBatch } from "./epoll-set.ts";
import { InternedTexts } from "./interned-texts.ts";
import { RowSpace } from "./row-space.ts";
import { Slab } from "./slab.ts";
import { Waits } from "./waits.ts";
import type { MailboxWait } from "./waits.ts";

/** A session as it goes into the table and comes out of it. */
export interface ParkedSession {
  /** Of its connection: non-blocking, and of the table while it is in there. */
  readonly descriptor: number;
  /** What is under the session, in numbers of the caller, 0 .. 255. */
  readonly kind: number;
  /** The account that is logged in; one character per byte, at most 64 as the address. */
  readonly account: string;
  /** The client's address. */
  readonly address: string;
  /** What it waits for beside its client: nothing, its mailbox in IDLE, many under NOTIFY. */
  readonly waits: readonly MailboxWait[];
  /** When it shall be woken if nothing else happens, in `clock.monotonic` time; Infinity: never. */
  readonly deadlineMs: number;
  /** Tag of the IDLE under way, or nothing. */
  readonly tag: Uint8Array;
  /** State of what carries the session, such as keys and counters of TLS. */
  readonly transport: Uint8Array;
  /** The frozen session. */
  readonly frozen: Uint8Array;
}

/** One line for whoever wants to know who is there. */
export interface ParkedSummary {
  readonly row: number;
  readonly account: string;
  readonly address: string;
  readonly kind: number;
  readonly waits: readonly MailboxWait[];
  /** In `clock.monotonic` time. */
  readonly parkedAtMs: number;
}

/**
 * - `readable`: the client has sent something.
 * - `hang-up`: the client has ended its side and everything it sent was read, or the connection broke.
 * - `changed`: a mailbox has a change that the session was not told.
 * - `deadline`: its time has come; it has no deadline any more.
 */
export type WakeCause = "readable" | "hang-up" | "changed" | "deadline";

export interface ParkedTableParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly readiness: Readiness;
  /**
   * Sessions that something has happened to. Each stays in the table, but is woken no more, until it
   * is rearmed or removed. A row that is removed during the call is not used again before it returns.
   */
  woken(rows: readonly number[], cause: WakeCause): void;
  /** Sessions begin, or cease, to wait for a mailbox (0: any one) of an account. */
  mailboxWatched?(account: string, mailbox: number, watched: boolean): void;
  /** Defaults: those of base/limits. */
  readonly sessionsMax?: number;
  readonly bytesMax?: number;
}

const free = 0;
const parked = 1;
const woken = 2;
/** On its way to another process. */
const leaving = 3;

/**
 * Sessions whose connections are here and which cost nothing but their rows: columns of numbers and
 * byte strings in a few large pieces of memory, no object per session.
 */
export class ParkedTable {
  readonly #parts: ParkedTableParts;
  readonly #space: RowSpace;
  readonly #slab: Slab;
  readonly #accounts: InternedTexts;
  readonly #addresses: InternedTexts;
  readonly #waits: Waits;
  readonly #wheel: DeadlineWheel;

  readonly #states: Uint8Array;
  readonly #kinds: Uint8Array;
  readonly #descriptors: Uint32Array;
  readonly #generations: Uint32Array;
  readonly #account: Uint32Array;
  readonly #address: Uint32Array;
  readonly #firstWait: Uint32Array;
  readonly #parkedAt: Float64Array;
  /** Tag, transport and frozen session, one after the other. */
  readonly #places: Uint32Array;
  readonly #lengths: Uint32Array;
  readonly #tagBytes: Uint8Array;
  readonly #transportBytes: Uint32Array;

  /** Rows that were removed while somebody holds a list of woken ones. */
  #removed: number[] = [];
  #callsUnderWay = 0;
  /** Rows (and their generations) that had missed a change when they came in. */
  #late: number[] = [];

  constructor(parts: ParkedTableParts) {
    this.#parts = parts;
    const sessionsMax = parts.sessionsMax ?? limits.parkedSessionsMax;
    const space = new RowSpace(sessionsMax);
    this.#space = space;
    this.#slab = new Slab(parts.bytesMax ?? limits.parkedBytesMax);
    const texts = { textsMax: sessionsMax * 2, slab: this.#slab, random: parts.random };
    this.#accounts = new InternedTexts(texts);
    this.#addresses = new InternedTexts(texts);
    this.#waits = new Waits({
      waitsMax: sessionsMax * 2,
      random: parts.random,
      accounts: this.#accounts,
      mailboxWatched: (account, mailbox, watched) =>
        parts.mailboxWatched?.(account, mailbox, watched),
    });
    this.#wheel = new DeadlineWheel(space, parts.clock, (rows) => this.#expired(rows));
    this.#states = space.octets();
    this.#kinds = space.octets();
    this.#descriptors = space.words();
    this.#generations = space.words();
    this.#account = space.words();
    this.#address = space.words();
    this.#firstWait = space.words();
    this.#parkedAt = space.floats();
    this.#places = space.words();
    this.#lengths = space.words();
    this.#tagBytes = space.octets();
    this.#transportBytes = space.words();
  }

  /** Sessions in the table. */
  get count(): number {
    return this.#space.count;
  }

  /** Mailboxes that sessions wait for. */
  get mailboxes(): number {
    return this.#waits.mailboxes;
  }

  /** Memory taken for all of it, and how much of that the byte strings use. */
  get bytes(): { taken: number; strings: number } {
    const { bytes: strings, usedBytes } = this.#slab;
    const texts = this.#accounts.bytes + this.#addresses.bytes;
    return { taken: this.#space.bytes + strings + texts + this.#waits.bytes, strings: usedBytes };
  }

  countOfAccount(account: string): number {
    return this.#accounts.tallies[this.#accounts.find(account)] ?? 0;
  }

  countOfAddress(address: string): number {
    return this.#addresses.tallies[this.#addresses.find(address)] ?? 0;
  }

  /**
   * Parks a session; gives its row, or 0 where there is no room for it or its parts are too long:
   * then nothing has changed and the descriptor stays the caller's. What has arrived already, or
   * changed already, wakes it later, never within this call.
   */
  add(session: ParkedSession): number {
    const { tag, transport, frozen } = session;
    const length = tag.length + transport.length + frozen.length;
    if (tag.length > limits.parkedTagBytesMax || length > limits.parkedBytesOfRowMax) return 0;
    if (session.waits.length > limits.parkedWaitsMax) return 0;
    const row = this.#space.take();
    if (row === 0) return 0;
    const place = this.#slab.take(length);
    const account = this.#accounts.enter(session.account);
    const address = this.#addresses.enter(session.address);
    const firstWait = this.#enterWaits(row, session.waits);
    const generation = (this.#generations[row]! + 1) >>> 0;
    this.#generations[row] = generation;
    if (
      place === undefined ||
      account === 0 ||
      address === 0 ||
      firstWait === undefined ||
      !this.#parts.readiness.watch(session.descriptor, row, generation)
    ) {
      if (place !== undefined) this.#slab.give(place);
      if (account !== 0) this.#accounts.leave(account);
      if (address !== 0) this.#addresses.leave(address);
      if (firstWait !== undefined) this.#leaveWaits(firstWait);
      this.#space.give(row);
      return 0;
    }
    this.#states[row] = parked;
    this.#kinds[row] = session.kind;
    this.#descriptors[row] = session.descriptor;
    this.#account[row] = account;
    this.#accounts.tallies[account]!++;
    this.#address[row] = address;
    this.#addresses.tallies[address]!++;
    this.#firstWait[row] = firstWait;
    this.#parkedAt[row] = this.#parts.clock.monotonic();
    this.#places[row] = place;
    this.#lengths[row] = length;
    this.#writeStrings(row, session);
    this.#wheel.start(row);
    this.#wheel.set(row, session.deadlineMs);
    this.#lookForMissed(row);
    return row;
  }

  /** All that was parked, as copies; the session stays in the table. */
  session(row: number): ParkedSession {
    this.#check(row);
    return {
      descriptor: this.#descriptors[row]!,
      kind: this.#kinds[row]!,
      account: this.#accounts.text(this.#account[row]!),
      address: this.#addresses.text(this.#address[row]!),
      waits: this.#waits.of(this.#firstWait[row]!),
      deadlineMs: this.#wheel.deadline(row),
      tag: this.tag(row),
      transport: this.transport(row),
      frozen: this.#copy(
        this.#places[row]! + this.#tagBytes[row]! + this.#transportBytes[row]!,
        this.#lengths[row]! - this.#tagBytes[row]! - this.#transportBytes[row]!,
      ),
    };
  }

  descriptor(row: number): number {
    this.#check(row);
    return this.#descriptors[row]!;
  }

  kind(row: number): number {
    this.#check(row);
    return this.#kinds[row]!;
  }

  /** In `clock.monotonic` time; Infinity: none. */
  deadline(row: number): number {
    this.#check(row);
    return this.#wheel.deadline(row);
  }

  tag(row: number): Uint8Array {
    this.#check(row);
    return this.#copy(this.#places[row]!, this.#tagBytes[row]!);
  }

  transport(row: number): Uint8Array {
    this.#check(row);
    return this.#copy(this.#places[row]! + this.#tagBytes[row]!, this.#transportBytes[row]!);
  }

  /** Puts another state of the transport in place of the old one, which has the same length. */
  replaceTransport(row: number, transport: Uint8Array): void {
    this.#check(row);
    assert(transport.length === this.#transportBytes[row], "Transport states keep their length");
    const place = this.#places[row]! + this.#tagBytes[row]!;
    this.#slab.view(place, transport.length).set(transport);
  }

  /** True while the session waits; false where it was woken. */
  isParked(row: number): boolean {
    return this.#states[row] === parked;
  }

  /**
   * Parks a woken session again as it is, with a new deadline (Infinity: none). One that was woken by
   * a change, and told of it, is taken and added anew: as it is it would be woken again at once.
   */
  rearm(row: number, deadlineMs: number): void {
    this.#check(row);
    assert(this.#states[row] !== parked, "A session is rearmed after it was woken");
    this.#states[row] = parked;
    this.#parts.readiness.rearm(this.#descriptors[row]!, row, this.#generations[row]!);
    this.#wheel.set(row, deadlineMs);
    this.#lookForMissed(row);
  }

  /** Takes a session out of the table, with its descriptor, which is the caller's from now on. */
  take(row: number): ParkedSession {
    const session = this.session(row);
    this.remove(row);
    return session;
  }

  /** Takes a session out of the table and gives its descriptor, which is the caller's from now on. */
  remove(row: number): number {
    this.#check(row);
    const descriptor = this.#descriptors[row]!;
    // One that is leaving was forgotten when it left.
    if (this.#states[row] !== leaving) this.#parts.readiness.forget(descriptor);
    this.#states[row] = free;
    this.#wheel.clear(row);
    this.#leaveWaits(this.#firstWait[row]!);
    this.#accounts.tallies[this.#account[row]!]!--;
    this.#accounts.leave(this.#account[row]!);
    this.#addresses.tallies[this.#address[row]!]!--;
    this.#addresses.leave(this.#address[row]!);
    this.#slab.give(this.#places[row]!);
    if (this.#callsUnderWay > 0) this.#removed.push(row);
    else this.#space.give(row);
    return descriptor;
  }

  /**
   * A mailbox has changed: wakes the sessions that wait for it, or for any mailbox of the account,
   * and were told less than `modseq`. Those that are awake find it when they are rearmed.
   */
  changed(account: string, mailbox: number, modseq: number): void {
    const number = this.#accounts.find(account);
    if (number === 0) return;
    const rows = this.#waits.changed(number, mailbox, modseq);
    if (mailbox !== 0) for (const row of this.#waits.changed(number, 0, modseq)) rows.push(row);
    this.#wake(rows, "changed");
  }

  /** What the set of descriptors reports. */
  ready(batch: ReadyBatch): void {
    const readable: number[] = [];
    const ended: number[] = [];
    for (let i = 0; i < batch.count; i++) {
      const row = batch.rows[i]!;
      // An event of a session that has left the table meanwhile.
      if (this.#states[row] !== parked || this.#generations[row] !== batch.generations[i]) continue;
      const over = batch.ended[i] === 1 && this.#parts.readiness.hasEnded(this.#descriptors[row]!);
      (over ? ended : readable).push(row);
    }
    this.#wake(readable, "readable");
    this.#wake(ended, "hang-up");
  }

  /** The first row in use behind `row`, from 0 on; 0 after the last one. Rows may come and go. */
  next(row: number): number {
    for (let next = row + 1; next < this.#space.end; next++)
      if (this.#states[next] !== free) return next;
    return 0;
  }

  summary(row: number): ParkedSummary {
    this.#check(row);
    return {
      row,
      account: this.#accounts.text(this.#account[row]!),
      address: this.#addresses.text(this.#address[row]!),
      kind: this.#kinds[row]!,
      waits: this.#waits.of(this.#firstWait[row]!),
      parkedAtMs: this.#parkedAt[row]!,
    };
  }

  /**
   * Every mailbox that sessions wait for, with the least modseq that any of them was told: what a
   * backend has to know that serves them from now on.
   */
  watched(): Iterable<MailboxWait> {
    return this.#waits.watched();
  }

  /** Wakes a session no more, because another process is about to take it over. */
  startLeaving(row: number): void {
    this.#check(row);
    assert(this.#states[row] === parked, "Only a parked session leaves for another process");
    this.#states[row] = leaving;
    this.#parts.readiness.forget(this.#descriptors[row]!);
  }

  /** The other process did not take it: it is parked here again. */
  cancelLeaving(row: number): void {
    this.#check(row);
    assert(this.#states[row] === leaving, "It was on its way");
    this.#states[row] = parked;
    const generation = this.#generations[row]!;
    if (this.#parts.readiness.watch(this.#descriptors[row]!, row, generation))
      this.#lookForMissed(row);
    // Others have taken its room in the kernel meanwhile: nobody would hear its client any more.
    else this.#wake([row], "hang-up");
  }

  /** No more deadlines; the descriptors stay open. */
  stop(): void {
    this.#wheel.stop();
  }

  #wake(rows: readonly number[], cause: WakeCause): void {
    const roused = rows.filter((row) => {
      if (this.#states[row] !== parked) return false;
      this.#states[row] = woken;
      return true;
    });
    if (roused.length === 0) return;
    this.#callsUnderWay++;
    try {
      this.#parts.woken(roused, cause);
    } finally {
      if (--this.#callsUnderWay === 0)
        for (const row of this.#removed.splice(0)) this.#space.give(row);
    }
  }

  #expired(rows: readonly number[]): void {
    // Should it stay after all, its deadline is looked at again.
    const soon = this.#parts.clock.monotonic() + limits.parkedTickMs;
    for (const row of rows) if (this.#states[row] === leaving) this.#wheel.set(row, soon);
    this.#wake(rows, "deadline");
  }

  /** A change that was told before the session was parked here, or while it was awake. */
  #lookForMissed(row: number): void {
    if (!this.#waits.missed(this.#firstWait[row]!)) return;
    this.#late.push(row, this.#generations[row]!);
    if (this.#late.length > 2) return;
    this.#parts.clock.after(0, () => {
      const late = this.#late;
      this.#late = [];
      const rows: number[] = [];
      for (let i = 0; i < late.length; i += 2)
        if (this.#states[late[i]!] === parked && this.#generations[late[i]!] === late[i + 1])
          rows.push(late[i]!);
      this.#wake(rows, "changed");
    });
  }

  #enterWaits(row: number, waits: readonly MailboxWait[]): number | undefined {
    let first = 0;
    for (const wait of waits) {
      const number = this.#waits.enter(row, first, wait);
      if (number === 0) {
        this.#leaveWaits(first);
        return undefined;
      }
      first = number;
    }
    return first;
  }

  #leaveWaits(first: number): void {
    for (let wait = first; wait !== 0;) wait = this.#waits.leave(wait);
  }

  #writeStrings(row: number, { tag, transport, frozen }: ParkedSession): void {
    this.#tagBytes[row] = tag.length;
    this.#transportBytes[row] = transport.length;
    const block = this.#slab.view(this.#places[row]!, this.#lengths[row]!);
    block.set(tag);
    block.set(transport, tag.length);
    block.set(frozen, tag.length + transport.length);
  }

  #copy(place: number, length: number): Uint8Array {
    return this.#slab.view(place, length).slice();
  }

  #check(row: number): void {
    if (row <= 0 || row >= this.#space.end || this.#states[row] === free)
      throw new Bug(`No session is parked in row ${row}`);
  }
}
