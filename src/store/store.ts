import { Refusal } from "#base/assert.ts";
import type { AccountId, Epoch, MailboxNumber } from "#base/brand.ts";
import { ByteReader } from "#base/bytes.ts";
import type { Clock } from "#base/clock.ts";
import type { Log } from "#base/log.ts";
import { Account, type AccountHome } from "./account.ts";
import { AccountState, type RecordAddress } from "./index/account-state.ts";
import { apply } from "./index/apply.ts";
import { decodeUnit } from "./index/change-codec.ts";
import type { Journal, JournalPlace, StoredEntry } from "./journal/journal.ts";
import type { ContentReader, LargeBodyWriter, Quota } from "./ports.ts";
import { shardOf } from "./shard.ts";

/** A record since the account's last head: all that a restart must apply again. */
export interface TailUnit {
  /** As `encodeUnit` wrote it. */
  readonly unit: Uint8Array;
  readonly address: RecordAddress;
}

/** Gives the settled part of an account. */
export interface SettledAccounts {
  /** The newest readable state of an account, or a new one where nothing is settled. */
  load(id: AccountId): Promise<{ state: AccountState; place: JournalPlace | undefined }>;
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
}

/** Who opens an account. Rights are checked in `Store.open` and nowhere else. */
export interface Visitor {
  readonly accountId: AccountId;
  readonly quota?: Quota;
}

interface Opened {
  readonly account: Account;
  /** Sessions and deliveries that hold it. */
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
  readonly #opening = new Map<AccountId, Promise<Opened>>();
  readonly #tails = new Map<AccountId, TailUnit[]>();
  #refusal: Refusal | undefined;

  constructor(options: StoreOptions) {
    this.#options = options;
    this.clock = options.clock;
    this.contents = options.contents;
    this.largeBodies = options.largeBodies;
  }

  /** Takes a record that was found in the journal at start. */
  replay(entry: StoredEntry): void {
    const { payload, place } = entry;
    const unitLength = new ByteReader(payload).u32();
    // A copy, so that the bodies behind it do not stay in memory.
    const unit = payload.slice(4, 4 + unitLength);
    const address = { place, contentsAt: 4 + unitLength, contents: undefined };
    this.#tailOf(entry.account).push({ unit, address });
  }

  #tailOf(id: AccountId): TailUnit[] {
    let tail = this.#tails.get(id);
    if (tail === undefined) this.#tails.set(id, (tail = []));
    return tail;
  }

  /**
   * Opens an account as `visitor`; a new one gets its first mailboxes. `close` must follow.
   * Errors: `Refusal` NOPERM, CORRUPTION, UNAVAILABLE.
   */
  async open(id: AccountId, visitor: Visitor): Promise<Account> {
    if (visitor.accountId !== id)
      throw new Refusal("NOPERM", "Other users' mailboxes are not open to you");
    let opened = this.#opened.get(id);
    if (opened === undefined) {
      let opening = this.#opening.get(id);
      if (opening === undefined) {
        opening = this.#load(id).finally(() => this.#opening.delete(id));
        this.#opening.set(id, opening);
      }
      opened = await opening;
    }
    opened.users++;
    if (visitor.quota !== undefined) opened.account.quota = visitor.quota;
    return opened.account;
  }

  /** Gives back what `open` gave. */
  close(account: Account): void {
    const opened = this.#opened.get(account.state.id);
    if (opened?.account !== account) return;
    opened.users--;
    opened.idleSince = this.clock.monotonic();
  }

  async #load(id: AccountId): Promise<Opened> {
    const { state } = await this.#options.settled.load(id);
    for (const { unit, address } of this.#tails.get(id) ?? [])
      apply(state, decodeUnit(new ByteReader(unit)), address);
    const account = new Account(this, state);
    const opened: Opened = { account, users: 0, idleSince: this.clock.monotonic() };
    if (!state.exists) {
      await this.#createAccount(account);
    }
    this.#opened.set(id, opened);
    return opened;
  }

  async #createAccount(account: Account): Promise<void> {
    const validity = Math.floor(this.clock.now() / 1000);
    const mailboxes = this.#options.initialMailboxes;
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
  }

  // What accounts ask of their home

  requireWritable(): void {
    if (this.#refusal !== undefined) throw this.#refusal;
  }

  append(account: Account, payload: readonly Uint8Array[]): Promise<JournalPlace> {
    const id = account.state.id;
    const { epoch, journal } = this.#options;
    return journal.append({ shard: shardOf(id), epoch, account: id, payload });
  }

  noteUnit(account: Account, unit: Uint8Array, address: RecordAddress): void {
    this.#tailOf(account.state.id).push({ unit, address });
  }

  /** The journal lost records of these accounts: their memory is thrown away and read back. */
  rejected(accounts: ReadonlySet<AccountId>, error: Error): void {
    const refusal = new Refusal("UNAVAILABLE", "The change could not be stored", { cause: error });
    for (const id of accounts) {
      const tail = this.#tails.get(id);
      if (tail !== undefined)
        this.#tails.set(
          id,
          tail.filter(({ address }) => address.place !== undefined),
        );
      const opened = this.#opened.get(id);
      this.#opened.delete(id);
      opened?.account.discard(refusal);
    }
    this.#options.log.error({ accounts: accounts.size, error: error.message }, "Records were lost");
  }
}
