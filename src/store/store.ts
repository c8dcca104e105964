import { Refusal, assert } from "#base/assert.ts";
import type { AccountId, Epoch, MailboxNumber, ModSeq } from "#base/brand.ts";
import { ByteReader } from "#base/bytes.ts";
import type { Clock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import type { Log } from "#base/log.ts";
import { Account } from "./account.ts";
import type { AccountAppend, AccountHome } from "./account-home.ts";
import type { AccountState, RecordAddress } from "./index/account-state.ts";
import type { Journal, JournalPlace, JournalPosition, StoredEntry } from "./journal/journal.ts";
import { comparePositions } from "./journal/journal.ts";
import type { ContentReader, LargeBodyWriter, Quota } from "./ports.ts";
import { AccountTail, floorOf } from "./settled/account-tail.ts";
import type { TailUnit } from "./settled/delta-codec.ts";
import type { LoadedAccount } from "./settled/load.ts";
import { rollForward } from "./settled/roll-forward.ts";
import { type SettleTarget } from "./settled/settle-account.ts";
import { noteDamaged, type SettledObjects, settledObjects } from "./settled/settled-objects.ts";
import type { StoredKeys } from "./search/message-keys.ts";
import { MailboxChanges } from "./mailbox-changes.ts";
import { shardOf } from "./shard.ts";
import { Slices } from "./slices.ts";
import { WriteGate } from "./write-gate.ts";

/** Gives the settled part of an account. */
export interface SettledAccounts {
  /** The sort keys that were stored under that name. */
  keys?(id: AccountId, name: string, damaged: (text: string) => void): StoredKeys;
  /**
   * The newest state of an account that can be had, or a new one where nothing is there.
   * Where it gives no more than `state`, the store applies the tail itself.
   *
   * @param settledModseq how far the account is known to have been settled
   */
  load(
    id: AccountId,
    tail: readonly TailUnit[],
    settledModseq: number | undefined,
  ): Promise<{ state: AccountState; loaded?: LoadedAccount }>;
}

/** A mailbox that every new account gets. */
export interface InitialMailbox {
  readonly name: string;
  readonly specialUse?: string;
}

export interface StoreOptions {
  readonly journal: Journal;
  readonly settled: SettledAccounts;
  readonly contents: ContentReader;
  readonly largeBodies: LargeBodyWriter;
  readonly clock: Clock;
  readonly log: Log;
  readonly epoch: Epoch;
  readonly initialMailboxes: readonly InitialMailbox[];
  /** Memory for accounts that nobody uses, in bytes. */
  readonly accountMemoryBytes?: number;
}

/** What the store tells whoever settles its accounts. */
export interface StoreEvents {
  /** An account has records that are not settled. */
  changed(id: AccountId, tail: AccountTail): void;
  /** An account that was patched together must be settled before it is used. */
  restored(target: SettleTarget): Promise<void>;
}

/** Who opens an account. Rights are checked in `Store.open` and nowhere else. */
export interface Visitor {
  readonly accountId: AccountId;
  readonly quota?: Quota;
}

interface Opened {
  readonly account: Account;
  readonly settled: SettledObjects | undefined;
  /** Sessions, deliveries and settlings that hold it. */
  users: number;
  /** Monotonic milliseconds of the last release. */
  idleSince: number;
}

/** The accounts of this process: opens them, keeps them in memory, makes their records durable. */
export class Store implements AccountHome {
  readonly #options: StoreOptions;
  readonly clock: Clock;
  readonly contents: ContentReader;
  readonly largeBodies: LargeBodyWriter;
  readonly #opened = new Map<AccountId, Opened>();
  readonly #opening = new Map<AccountId, Promise<void>>();
  readonly #tails = new Map<AccountId, AccountTail>();
  /** Accounts whose sort keys are in memory, the least recently used first → their bytes. */
  readonly #keyed = new Map<Account, number>();
  /** Sum of its values. */
  #keyBytes = 0;
  /** How far accounts that left memory were settled. */
  readonly #settledModseqs = new Map<AccountId, number>();
  readonly #gate: WriteGate;
  /** Durable changes of all mailboxes. */
  readonly changes = new MailboxChanges();
  events: StoreEvents | undefined;

  constructor(options: StoreOptions) {
    this.#options = options;
    this.clock = options.clock;
    this.contents = options.contents;
    this.largeBodies = options.largeBodies;
    this.#gate = new WriteGate({ ...options, found: (entry) => this.#found(entry) });
  }

  /** Takes a record that was found in the journal at start. */
  replay(entry: StoredEntry): void {
    const unit = tailUnitOf(entry);
    if (unit !== undefined) this.#tailOf(entry.account).add(unit, this.clock.monotonic());
  }

  /** A record that had been rejected turns out to be durable. */
  #found(entry: StoredEntry): void {
    const unit = tailUnitOf(entry);
    if (unit === undefined) return;
    const tail = this.#tailOf(entry.account);
    if (tail.units.some(({ modseq }) => modseq === unit.modseq)) return;
    const opened = this.#opened.get(entry.account);
    if (opened !== undefined && opened.account.state.modseq >= unit.modseq) return;
    tail.add(unit, this.clock.monotonic());
    const discard = (): void =>
      this.#discard(entry.account, new Refusal("UNAVAILABLE", "The mailbox has to be read again"));
    discard();
    // Whoever is reading it now does not know of this record.
    this.#opening.get(entry.account)?.then(discard, () => undefined);
  }

  #tailOf(id: AccountId): AccountTail {
    let tail = this.#tails.get(id);
    if (tail === undefined) this.#tails.set(id, (tail = new AccountTail()));
    return tail;
  }

  /**
   * Opens an account as `visitor`; a new one gets its first mailboxes. `close` must follow.
   * Errors: `Refusal` NOPERM, CORRUPTION, UNAVAILABLE.
   */
  async open(id: AccountId, visitor: Visitor): Promise<Account> {
    if (visitor.accountId !== id)
      throw new Refusal("NOPERM", "Other users' mailboxes are not open to you");
    const { account } = await this.#hold(id);
    if (visitor.quota !== undefined) account.quota = visitor.quota;
    return account;
  }

  async #hold(id: AccountId): Promise<Opened> {
    let opened = this.#opened.get(id);
    while (opened === undefined) {
      let opening = this.#opening.get(id);
      if (opening === undefined) {
        opening = this.#load(id).finally(() => this.#opening.delete(id));
        this.#opening.set(id, opening);
      }
      await opening;
      opened = this.#opened.get(id);
    }
    opened.users++;
    return opened;
  }

  /** Gives back what `open` gave. */
  close(account: Account): void {
    const opened = this.#opened.get(account.state.id);
    if (opened?.account !== account) return;
    opened.users--;
    assert(opened.users >= 0, "An account is closed once for each time it was opened");
    opened.idleSince = this.clock.monotonic();
  }

  async #load(id: AccountId): Promise<void> {
    const tail = this.#tailOf(id);
    const units = [...tail.units];
    const settledModseq = this.#settledModseqs.get(id);
    const { state, loaded } = await this.#options.settled.load(id, units, settledModseq);
    if (loaded === undefined) await rollForward(state, units, new Slices(this.clock));
    const settled = loaded === undefined ? undefined : settledObjects(loaded, this.#options.epoch);
    const account = new Account(this, state);
    if (loaded?.restored === true) {
      assert(this.events !== undefined, "Whoever loads settled accounts settles them");
      await this.events.restored({ account, tail, settled: settled! });
    } else if (loaded !== undefined) {
      const first = loaded.tail[0]?.modseq ?? Number.POSITIVE_INFINITY;
      const seen = new Set(units);
      tail.filter((unit) => unit.modseq >= first || !seen.has(unit));
    }
    if (settled !== undefined) tail.floor = floorOf(state.journaled, settled.unreadable);
    const opened: Opened = { account, settled, users: 0, idleSince: this.clock.monotonic() };
    // From here on, a lost record throws the account away.
    this.#opened.set(id, opened);
    this.#settledModseqs.delete(id);
    if (!state.exists) await this.#createAccount(account);
  }

  async #createAccount(account: Account): Promise<void> {
    const validity = Math.floor(this.clock.now() / 1000);
    const mailboxes = this.#options.initialMailboxes;
    try {
      await account.record([
        { kind: "accountCreated" },
        ...mailboxes.flatMap(({ name, specialUse }, index) => [
          {
            kind: "mailboxCreated" as const,
            mailbox: (index + 1) as MailboxNumber,
            name,
            uidValidity: validity + index,
            uidNext: 1,
            specialUse: specialUse === undefined ? [] : [specialUse],
          },
          { kind: "subscriptionChanged" as const, name, subscribed: true },
        ]),
      ]);
    } catch (error) {
      this.#forget(account.state.id);
      throw error;
    }
  }

  #forget(id: AccountId): void {
    const opened = this.#opened.get(id);
    if (opened !== undefined) this.#giveUpKeys(opened.account);
    this.#opened.delete(id);
    if (this.#tails.get(id)?.isEmpty === true) this.#tails.delete(id);
  }

  // What accounts ask of their home

  requireWritable(): void {
    this.#gate.require();
  }

  /** Whether changes are accepted now. */
  get writable(): boolean {
    return this.#gate.isOpen;
  }

  append(account: Account, appended: AccountAppend): Promise<JournalPlace> {
    const { id } = account.state;
    const { payload, exempt, shared } = appended;
    const { epoch, journal } = this.#options;
    let bytes = 0;
    for (const piece of payload) bytes += piece.length;
    const record = { shard: shardOf(id), epoch, account: id, payload, exempt };
    const entry = shared === undefined ? record : { ...record, shared };
    const stored = journal.append(entry).catch((error: unknown) => {
      // The journal has said so before; whatever else may have happened, memory is wrong now.
      if (account.lost === undefined) this.rejected(new Set([id]), error as Error);
      throw error;
    });
    return this.#gate.count(shared === undefined ? { bytes } : { bytes, shared }, stored);
  }

  mailboxChanged({ state }: Account, mailbox: MailboxNumber): void {
    const modseq = state.mailboxes.get(mailbox)?.highestModseq ?? state.modseq;
    this.changes.tell({ account: state.id, mailbox, modseq });
  }

  /** Whether a mailbox has changed after `modseq`, or is not there any more. */
  changedAfter(id: AccountId, mailbox: MailboxNumber, modseq: number): boolean {
    // What is not in memory has not been changed since it was.
    const state = this.#opened.get(id)?.account.state;
    if (state === undefined) return false;
    return (state.mailboxes.get(mailbox)?.highestModseq ?? Infinity) > modseq;
  }

  storedKeys(account: Account): StoredKeys | undefined {
    const { id } = account.state;
    const settled = this.#opened.get(id)?.settled;
    if (settled?.keys === undefined) return undefined;
    const { name } = settled.keys;
    return this.#options.settled.keys?.(id, name, () => noteDamaged(settled, name));
  }

  /** Bounds the memory for sort keys: those of others are given up, and have to be read anew. */
  keysUsed(account: Account): void {
    this.#giveUpKeys(account, false);
    if (this.#opened.get(account.state.id)?.account !== account) return;
    const { bytes } = account.keys;
    this.#keyed.set(account, bytes);
    this.#keyBytes += bytes;
    for (const other of this.#keyed.keys()) {
      if (this.#keyBytes <= limits.sortKeyBytesMax) break;
      this.#giveUpKeys(other);
    }
  }

  #giveUpKeys(account: Account, forget = true): void {
    this.#keyBytes -= this.#keyed.get(account) ?? 0;
    this.#keyed.delete(account);
    if (forget) account.keys.forget();
  }

  noteUnit(
    account: Account,
    unit: Uint8Array,
    of: { readonly modseq: number; readonly address: RecordAddress },
  ): void {
    const { id } = account.state;
    const tail = this.#tailOf(id);
    const { epoch } = this.#options;
    tail.add({ unit, modseq: of.modseq, epoch, address: of.address }, this.clock.monotonic());
    this.events?.changed(id, tail);
  }

  /** The journal lost records of these accounts: their memory is thrown away and read back. */
  rejected(accounts: ReadonlySet<AccountId>, error: Error): void {
    const refusal = new Refusal("UNAVAILABLE", "The change could not be stored", { cause: error });
    for (const id of accounts) {
      this.#tails.get(id)?.filter(({ address }) => address.place !== undefined);
      this.#discard(id, refusal);
    }
    this.#gate.rejected(error);
    this.#options.log.error({ accounts: accounts.size, error: error.message }, "Records were lost");
  }

  #discard(id: AccountId, reason: Refusal): void {
    const opened = this.#opened.get(id);
    if (opened === undefined) return;
    if (opened.settled !== undefined) this.#remember(id, opened.settled.modseq);
    this.#opened.delete(id);
    this.#giveUpKeys(opened.account);
    opened.account.discard(reason);
  }

  #remember(id: AccountId, modseq: number): void {
    this.#settledModseqs.set(id, modseq);
    if (this.#settledModseqs.size > limits.settledModseqsMax)
      for (const oldest of this.#settledModseqs.keys()) {
        this.#settledModseqs.delete(oldest);
        break;
      }
  }

  // For whoever settles accounts

  /** Accounts with records or contents that only the journal has. */
  get tails(): ReadonlyMap<AccountId, AccountTail> {
    return this.#tails;
  }

  /** Runs `work` on an account that stays in memory meanwhile. */
  async settling<T>(id: AccountId, work: (target: SettleTarget) => Promise<T>): Promise<T> {
    const { account, settled } = await this.#hold(id);
    try {
      if (settled === undefined) throw new Refusal("UNAVAILABLE", "This store does not settle");
      return await work({ account, settled, tail: this.#tailOf(id) });
    } finally {
      this.close(account);
    }
  }

  /** What lies before it in the journal is needed by no account. */
  settledPosition(): JournalPosition {
    let position: JournalPosition = this.#options.journal.next;
    for (const { start } of this.#tails.values())
      if (start !== undefined && comparePositions(start, position) < 0) position = start;
    return position;
  }

  /** Memory of all accounts in memory, in bytes; about. */
  get memoryBytes(): number {
    let bytes = 0;
    for (const { account } of this.#opened.values()) bytes += account.state.memoryBytes;
    return bytes;
  }

  /** Accounts in memory. */
  get accountsInMemory(): number {
    return this.#opened.size;
  }

  /** More accounts are in memory than there should be. */
  get overfull(): boolean {
    const { accountMemoryBytes = limits.accountMemoryBytes } = this.#options;
    return this.#opened.size > limits.accountsInMemoryMax || this.memoryBytes > accountMemoryBytes;
  }

  /**
   * When the first of an account's dropped objects was dropped that is worth a settling of its own;
   * the account is in memory. Heads and deltas wait for the next one: each settling drops some.
   */
  oldestDropped(id: AccountId): number | undefined {
    let oldest: number | undefined;
    for (const [name, at] of this.#opened.get(id)?.account.state.dropped ?? [])
      if (!/^(?:head|delta)-/.test(name) && (oldest === undefined || at < oldest)) oldest = at;
    return oldest;
  }

  /** Drops settled accounts that nobody uses, the longest unused first, down to `bytesMax`. */
  evict(bytesMax = this.#options.accountMemoryBytes ?? limits.accountMemoryBytes): void {
    const countMax = limits.accountsInMemoryMax;
    let bytes = this.memoryBytes;
    if (bytes <= bytesMax && this.#opened.size <= countMax) return;
    const idle = [...this.#opened].filter(([id, opened]) => this.#isIdle(id, opened));
    idle.sort(([, a], [, b]) => a.idleSince - b.idleSince);
    for (const [id, { account, settled }] of idle) {
      if (bytes <= bytesMax && this.#opened.size <= countMax) break;
      bytes -= account.state.memoryBytes;
      this.#remember(id, settled!.modseq);
      this.#forget(id);
    }
  }

  #isIdle(id: AccountId, opened: Opened): boolean {
    const tail = this.#tails.get(id);
    return (
      opened.users === 0 &&
      opened.settled !== undefined &&
      opened.account.durable() === undefined &&
      (tail === undefined || tail.isEmpty)
    );
  }

  /** Accepts no changes any more. */
  stop(): void {
    this.#gate.close();
  }
}

function tailUnitOf(entry: StoredEntry): TailUnit | undefined {
  const { payload, place, epoch } = entry;
  const unitLength = new ByteReader(payload).u32();
  // Records that say nothing are written to see whether the journal works.
  if (unitLength === 0) return undefined;
  // A copy, so that the bodies behind it do not stay in memory.
  const unit = payload.slice(4, 4 + unitLength);
  const input = new ByteReader(unit, 1);
  const modseq = input.varint() as ModSeq;
  const contentsAt = place.sharedAt ?? 4 + unitLength;
  const address = { place, contentsAt, contents: undefined };
  return { unit, modseq, epoch, address };
}
