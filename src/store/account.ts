import { Refusal } from "#base/assert.ts";
import type { MailboxNumber, MessageNumber, ModSeq, Uid } from "#base/brand.ts";
import { ByteWriter } from "#base/bytes.ts";
import { limits } from "#base/limits.ts";
import {
  type FlagChange,
  type FlagResult,
  changesAnything,
  guard,
  requireKeywords,
} from "./flag-change.ts";
import type { AccountState, RecordAddress } from "./index/account-state.ts";
import { apply } from "./index/apply.ts";
import { rowsIn } from "./index/rows-in.ts";
import type { AddedMessage, Change, PackAdded, Unit } from "./index/change.ts";
import { encodeUnit } from "./index/change-codec.ts";
import { deletedBit } from "./index/change.ts";
import type { MailboxState } from "./index/mailbox-state.ts";
import { creations, renamings } from "./mailbox-tree.ts";
import { rangesOf, type UidRanges } from "./index/uid-ranges.ts";
import type { BodyReader, PreparedMessage, Quota } from "./ports.ts";
import {
  type AddedResult,
  type NewMessage,
  journaledPlace,
  sizeOf,
  wholeMessages,
} from "./added-messages.ts";
import type { AccountHome } from "./account-home.ts";
import { AccountKeys } from "./search/account-keys.ts";
import { ThreadIndex } from "./thread-index.ts";

/** Tells that something in a mailbox changed and is durable. Must not throw. */
export type MailboxWatcher = () => void;

/**
 * An open account: its state to read and the operations that change it. Every operation decides,
 * applies the record in memory at once and sends it to the journal. What was read from the state
 * may be told to anybody only after `durable` has resolved.
 *
 * Everything happens on the owner's thread; after an `await` row numbers are stale.
 */
export class Account {
  readonly #home: AccountHome;
  readonly state: AccountState;
  /** What SORT and THREAD need of messages. */
  readonly keys: AccountKeys;
  /** Limits as the directory last said. */
  quota: Quota = {};
  /** Why this account was thrown away; then its sessions must end. */
  lost: Refusal | undefined;

  #pending: Promise<unknown> | undefined;
  #threads: ThreadIndex | undefined;
  readonly #watchers = new Map<MailboxNumber | 0, Set<MailboxWatcher>>();
  readonly #lossWatchers = new Set<(reason: Refusal) => void>();

  constructor(home: AccountHome, state: AccountState) {
    this.#home = home;
    this.state = state;
    this.keys = new AccountKeys(state, {
      contents: home.contents,
      stored: () => home.storedKeys(this),
      used: () => home.keysUsed(this),
    });
  }

  // Reading

  /** The mailbox of that canonical name. Errors: `Refusal` NONEXISTENT. */
  mailbox(name: string): MailboxState {
    const mailbox = this.state.mailboxesByName.get(name);
    if (mailbox === undefined) throw new Refusal("NONEXISTENT", "There is no such mailbox");
    return mailbox;
  }

  /**
   * Undefined when all that the state says is durable; else a promise for that moment. It rejects
   * with `Refusal` UNAVAILABLE when the account was lost.
   */
  durable(): Promise<unknown> | undefined {
    if (this.lost !== undefined) return Promise.reject(this.lost);
    return this.#pending;
  }

  /** Cached fields of a row of the message table, as `message` encodes them. */
  fields(row: number): Uint8Array | Promise<Uint8Array> {
    return this.#home.contents.fields(this.state, row);
  }

  /** The message of a row of the message table, with CRLF line ends. */
  body(row: number): Uint8Array | Promise<Uint8Array> {
    return this.#home.contents.body(this.state, row);
  }

  /**
   * The same in memory that the next call uses again, to be copied before anything else is asked
   * for; undefined where the message is large or not at hand.
   */
  lendBody(row: number): Uint8Array | undefined {
    return this.#home.contents.lendBody?.(this.state, row);
  }

  /** The same to be read piece by piece; undefined for one that is small enough to be held. */
  openBody(row: number): Promise<BodyReader> | undefined {
    return this.#home.contents.openBody?.(this.state, row);
  }

  /** Announces which bodies will be read soon. */
  bodiesAhead(rows: readonly number[]): void {
    this.#home.contents.ahead?.(this.state, rows);
  }

  /** Calls `watcher` after each durable change in a mailbox, or (0) in the mailbox tree. */
  watch(mailbox: MailboxNumber | 0, watcher: MailboxWatcher): () => void {
    let watchers = this.#watchers.get(mailbox);
    if (watchers === undefined) this.#watchers.set(mailbox, (watchers = new Set()));
    watchers.add(watcher);
    return () => {
      watchers.delete(watcher);
      if (watchers.size === 0 && this.#watchers.get(mailbox) === watchers)
        this.#watchers.delete(mailbox);
    };
  }

  /** Calls `watcher` once if the account is thrown away because a write failed. */
  watchLoss(watcher: (reason: Refusal) => void): () => void {
    this.#lossWatchers.add(watcher);
    return () => this.#lossWatchers.delete(watcher);
  }

  /** Ends this object: its memory no longer is the truth. For the store. */
  discard(reason: Refusal): void {
    if (this.lost !== undefined) return;
    this.lost = reason;
    for (const watcher of [...this.#lossWatchers]) watcher(reason);
  }

  // Mailboxes

  /**
   * Creates a mailbox and those above it that are missing. RFC 9051 §6.3.4, RFC 6154 §3
   *
   * @param name canonical
   * Errors: `Refusal` ALREADYEXISTS, LIMIT, USEATTR.
   */
  createMailbox(
    name: string,
    options: { superiors?: readonly string[]; specialUse?: readonly string[] } = {},
  ): MailboxState {
    const { superiors = [], specialUse = [] } = options;
    const seconds = this.#seconds();
    void this.#commit(creations(this.state, name, { superiors, specialUse, seconds }));
    return this.mailbox(name);
  }

  /** Deletes a mailbox with its messages; inferior mailboxes stay. RFC 9051 §6.3.5 */
  deleteMailbox(name: string): void {
    const mailbox = this.mailbox(name);
    if (name === "INBOX") throw new Refusal("CANNOT", "INBOX cannot be deleted");
    void this.#commit([{ kind: "mailboxDeleted", mailbox: mailbox.number }], {
      touched: [mailbox.number, 0],
    });
  }

  /**
   * Renames a mailbox and its inferiors; INBOX keeps its name and gives its messages away.
   * RFC 9051 §6.3.6
   */
  renameMailbox(from: string, to: string, superiors: readonly string[] = []): void {
    const mailbox = this.mailbox(from);
    const seconds = this.#seconds();
    const changes = renamings(this.state, mailbox, { to, superiors, seconds });
    void this.#commit(changes, { touched: [mailbox.number, 0] });
  }

  /** Remembers a name as subscribed, whether or not a mailbox has it. RFC 9051 §6.3.7 */
  subscribe(name: string, subscribed: boolean): void {
    if (this.state.subscriptions.has(name) === subscribed) return;
    if (subscribed && this.state.subscriptions.size >= limits.mailboxesPerAccountMax * 2)
      throw new Refusal("LIMIT", "Too many subscriptions");
    void this.#commit([{ kind: "subscriptionChanged", name, subscribed }]);
  }

  /** Sets (or with null removes) a named value of a mailbox or (0) of the account. */
  setProperty(mailbox: MailboxNumber | 0, name: string, value: Uint8Array | null): void {
    void this.#commit([
      { kind: "propertyChanged", mailbox: mailbox as MailboxNumber, name, value },
    ]);
  }

  // Messages

  /** Refuses what would go beyond the quota. Errors: `Refusal` OVERQUOTA. */
  requireRoom(messages: number, bytes: number): void {
    const { state, quota } = this;
    if (quota.bytes !== undefined && state.rowBytes + bytes > quota.bytes)
      throw new Refusal("OVERQUOTA", "The mailbox is full");
    if (quota.messages !== undefined && state.rowCount + messages > quota.messages)
      throw new Refusal("OVERQUOTA", "The mailbox has too many messages");
  }

  /**
   * Adds messages to a mailbox, all or none. Contents above `limits.inlineBodyBytesMax` are put as
   * objects first, so this may wait; the others are applied before it returns its promise.
   *
   * Errors: `Refusal` OVERQUOTA, LIMIT, NONEXISTENT (the mailbox went away meanwhile), UNAVAILABLE.
   */
  async addMessages(number: MailboxNumber, messages: readonly NewMessage[]): Promise<AddedResult> {
    let bytes = 0;
    let fieldsBytes = 0;
    for (const message of messages) {
      bytes += sizeOf(message);
      fieldsBytes += message.prepared.fields.length;
    }
    this.requireRoom(messages.length, bytes);
    const inline = bytes + fieldsBytes <= limits.inlineBodyBytesMax;
    // Only a message that travels alone in its record is shared with other accounts.
    const isShared = inline && messages.length === 1;
    const apart = !isShared && messages.some(({ prefix }) => prefix !== undefined);
    const whole = apart ? await wholeMessages(messages, this.#home.clock) : messages;
    const packs = inline ? undefined : await this.#putLarge(number, whole);
    const mailbox = this.state.mailboxes.get(number);
    if (mailbox === undefined) throw new Refusal("TRYCREATE", "The mailbox is not there any more");
    this.requireRoom(messages.length, bytes);
    return this.#addPlaced(mailbox, whole, packs);
  }

  async #putLarge(
    mailbox: MailboxNumber,
    messages: readonly NewMessage[],
  ): Promise<ReadonlyMap<NewMessage, (pack: number, message: number) => PackAdded>> {
    this.#home.requireWritable();
    let inlineBytes = 0;
    const placed = new Map<NewMessage, (pack: number, message: number) => PackAdded>();
    for (const message of messages) {
      const bytes = message.prepared.body.length + message.prepared.fields.length;
      if (bytes <= limits.inlineBodyBytesMax / 4 && inlineBytes + bytes <= limits.recordBytesMax) {
        inlineBytes += bytes;
        continue;
      }
      // The numbers are given when the record is made: others may take some meanwhile.
      const { prepared, flags, internalDate } = message;
      const { name, uidValidity } = this.#require(mailbox);
      const savedAt = this.#seconds();
      const pack = await this.#home.largeBodies.put(this.state.id, {
        prepared,
        internalDate,
        places: [{ mailbox, name, uidValidity, uid: 0, savedAt, uidl: "", ...flags }],
      });
      placed.set(message, (packNumber, messageNumber) => ({
        ...pack,
        number: packNumber,
        entries: [{ ...pack.entries[0]!, message: messageNumber as MessageNumber }],
      }));
    }
    return placed;
  }

  #addPlaced(
    mailbox: MailboxState,
    messages: readonly NewMessage[],
    packs?: ReadonlyMap<NewMessage, (pack: number, message: number) => PackAdded>,
  ): AddedResult {
    const { state } = this;
    this.#requireUids(mailbox, messages.length);
    const changes: Change[] = [];
    const added: AddedMessage[] = [];
    const journaled: PreparedMessage[] = [];
    let offset = 0;
    let packNumber = state.nextPack;
    let nextThread = state.nextThread;
    const savedAt = this.#seconds();
    for (const message of messages) {
      const { prepared } = message;
      const number = (state.nextMessage + added.length) as MessageNumber;
      const pack = packs?.get(message);
      let thread = this.#threadOf(prepared);
      if (thread === 0) thread = nextThread++;
      changes.push({
        kind: "contentAdded",
        message: number,
        size: sizeOf(message),
        fieldsLength: prepared.fields.length,
        internalDate: message.internalDate,
        sentDate: prepared.sentDate,
        thread,
        messageIdHash: prepared.messageIdHash,
        place:
          pack === undefined
            ? journaledPlace(message, offset)
            : { in: "pack", pack: pack(packNumber++, number) },
      });
      if (pack === undefined) {
        journaled.push(prepared);
        offset += prepared.fields.length + prepared.body.length;
      }
      this.#threads!.add(prepared.messageIdHash, thread);
      const uid = mailbox.uidNext + added.length;
      const { bits, keywords } = message.flags;
      added.push({ uid, message: number, bits, keywords, savedAt });
    }
    const first = mailbox.uidNext;
    changes.push({ kind: "messagesAdded", mailbox: mailbox.number, messages: added });
    const shared = messages[0]?.prefix !== undefined;
    const contents =
      journaled.length === 1 ? journaled[0]!.contents : journaled.flatMap((one) => one.contents);
    void this.#commit(changes, { touched: [mailbox.number], contents, shared });
    return {
      uidValidity: mailbox.uidValidity,
      uids: Uint32Array.of(first, first + messages.length - 1),
      sources: new Uint32Array(0),
    };
  }

  #requireUids(mailbox: MailboxState, more: number): void {
    if (mailbox.uidNext + more > 0xffff_ffff)
      throw new Refusal("LIMIT", "The mailbox has given all its uids");
    if (mailbox.count + more > limits.messagesPerMailboxMax)
      throw new Refusal("LIMIT", "The mailbox has too many messages");
  }

  #threadOf(prepared: PreparedMessage): number {
    this.#threads ??= new ThreadIndex(this.state);
    for (const hash of [...prepared.referenceHashes, prepared.messageIdHash]) {
      const thread = hash === 0 ? 0 : this.#threads.find(hash);
      if (thread !== 0) return thread;
    }
    return 0;
  }

  /**
   * Copies messages by reference. RFC 9051 §6.4.7; with `move` they leave their mailbox in the same
   * unit, RFC 9051 §6.4.8. Uids that are not there are passed over.
   */
  copyMessages(
    from: MailboxNumber,
    to: MailboxNumber,
    options: { uids: UidRanges; move: boolean },
  ): AddedResult {
    const source = this.#require(from);
    const target = this.#require(to);
    const rows = rowsIn(source, options.uids);
    const columns = source.rows.arrays;
    const sources = rangesOf(Array.from(rows, (row) => columns.uid[row]!));
    const { uidValidity } = target;
    if (rows.length === 0) return { uidValidity, uids: new Uint32Array(0), sources };
    this.#requireUids(target, rows.length);
    if (!options.move) {
      let bytes = 0;
      for (const row of rows) bytes += this.state.messages.arrays.size[columns.message[row]!]!;
      this.requireRoom(rows.length, bytes);
    }
    const firstUid = target.uidNext;
    const savedAt = this.#seconds();
    const changes: Change[] = [
      { kind: "messagesCopied", from, uids: sources, to, firstUid, savedAt },
    ];
    if (options.move) changes.push({ kind: "expunged", mailbox: from, uids: sources });
    void this.#commit(changes, { touched: options.move ? [from, to] : [to] });
    return { uidValidity, uids: Uint32Array.of(firstUid, firstUid + rows.length - 1), sources };
  }

  /** Changes flags of the messages in `uids` that are there. RFC 9051 §6.4.6, RFC 7162 §3.1.3 */
  changeFlags(number: MailboxNumber, uids: UidRanges, change: FlagChange): FlagResult {
    const mailbox = this.#require(number);
    requireKeywords(mailbox, change.flags.keywords);
    const result = guard(mailbox, uids, change.unchangedSince);
    if (result.done.length === 0 || !changesAnything(mailbox, result.done, change)) return result;
    const { bits, keywords } = change.flags;
    void this.#commit(
      [
        {
          kind: "flagsChanged",
          mailbox: number,
          uids: result.done,
          mode: change.mode,
          bits,
          keywords,
        },
      ],
      { touched: [number] },
    );
    return result;
  }

  /**
   * Removes messages with \Deleted for ever; with `uids` only those in it. RFC 9051 §6.4.3
   * @returns the uids that went.
   */
  expunge(number: MailboxNumber, uids: UidRanges = Uint32Array.of(1, 0xffff_ffff)): UidRanges {
    const mailbox = this.#require(number);
    const { flags } = mailbox.rows.arrays;
    if (mailbox.deleted === 0) return new Uint32Array(0);
    const rows = rowsIn(mailbox, uids).filter((row) => (flags[row]! & deletedBit) !== 0);
    return this.#remove(mailbox, rows);
  }

  /**
   * Removes the messages in `uids` that are there for ever, whatever their flags. RFC 1939 §6
   * @returns the uids that went.
   */
  removeMessages(number: MailboxNumber, uids: UidRanges): UidRanges {
    const mailbox = this.#require(number);
    return this.#remove(mailbox, rowsIn(mailbox, uids));
  }

  #remove({ number, rows }: MailboxState, gone: Uint32Array): UidRanges {
    const uids = rangesOf(gone.map((row) => rows.arrays.uid[row]!));
    if (gone.length > 0)
      void this.#commit([{ kind: "expunged", mailbox: number, uids }], { touched: [number] });
    return uids;
  }

  /** The first \Recent uid for a session that selects the mailbox to write. RFC 3501 §2.3.2 */
  takeRecent(number: MailboxNumber): Uid {
    const mailbox = this.#require(number);
    const first = mailbox.firstRecent;
    if (first < mailbox.uidNext)
      void this.#commit([{ kind: "recentTaken", mailbox: number, firstRecent: mailbox.uidNext }]);
    return first as Uid;
  }

  /**
   * Records a change that needs no decision here. For settling and repair, whose records pass
   * although the journal's tail is at its limit.
   */
  record(changes: readonly Change[]): Promise<unknown> {
    return this.#commit(changes, { exempt: true });
  }

  #require(number: MailboxNumber): MailboxState {
    const mailbox = this.state.mailboxes.get(number);
    if (mailbox === undefined)
      throw new Refusal("NONEXISTENT", "The mailbox is not there any more");
    return mailbox;
  }

  #seconds(): number {
    return Math.floor(this.#home.clock.now() / 1000);
  }

  /**
   * Applies changes in memory and sends them to the journal.
   * @param options `touched`: mailboxes whose watchers are told when the unit is durable;
   *   `contents`: bytes that the changes refer to by offset; `shared`: these contents are the
   *   batch's, not the record's; `exempt`: see `record`.
   */
  #commit(
    changes: readonly Change[],
    options: {
      touched?: readonly (MailboxNumber | 0)[];
      contents?: readonly Uint8Array[];
      shared?: boolean;
      exempt?: boolean;
    } = {},
  ): Promise<unknown> {
    const { touched = [], contents = [], shared = false, exempt = false } = options;
    if (this.lost !== undefined) throw this.lost;
    this.#home.requireWritable();
    const unit: Unit = {
      modseq: (this.state.modseq + 1) as ModSeq,
      at: this.#home.clock.now(),
      changes,
    };
    const writer = new ByteWriter(128);
    writer.u32(0);
    encodeUnit(writer, unit);
    writer.patchU32(0, writer.length - 4);
    if (writer.length > limits.recordBytesMax)
      throw new Refusal("LIMIT", "The change is too large to be made at once");
    const head = writer.take();
    const address: RecordAddress = { place: undefined, contentsAt: head.length, contents };
    apply(this.state, unit, address);
    this.#home.noteUnit(this, head.subarray(4), { modseq: unit.modseq, address });
    const record = shared
      ? { payload: [head], shared: contents, exempt }
      : { payload: [head, ...contents], shared: undefined, exempt };
    const appended = this.#home.append(this, record).then((place) => {
      address.place = place;
      if (place.sharedAt !== undefined) address.contentsAt = place.sharedAt;
      address.contents = undefined;
      if (this.#pending === appended) this.#pending = undefined;
      for (const number of touched) this.#tell(number);
      if (touched.length === 0) this.#tell(0);
    });
    // Whoever waits for `durable` hears of a failure; nobody may be waiting.
    appended.catch(() => undefined);
    this.#pending = appended;
    return appended;
  }

  #tell(number: MailboxNumber | 0): void {
    for (const watcher of this.#watchers.get(number) ?? []) watcher();
    if (number !== 0) this.#home.mailboxChanged(this, number);
  }
}
