/** A store over a simulated disk and objects in memory, for tests. */
import type { AccountId, MailboxNumber } from "#base/brand.ts";
import { utf8 } from "#base/bytes.ts";
import type { Clock, Timer } from "#base/clock.ts";
import { silentLog } from "#base/log.ts";
import { type Random, seededRandom } from "#base/random.ts";
import {
  type ByteRange,
  FaultyObjectStore,
  MemoryObjectStore,
  type ObjectBytes,
  type ObjectStore,
  type PutOptions,
  type PutOutcome,
  SimulatedCrash,
  SimulatedDisk,
} from "#objects/index.ts";
import type { Account } from "./account.ts";
import { openLocalJournal } from "./journal/local-journal.ts";
import type { JournalLimits } from "./journal/segmented-journal.ts";
import { type OpenedStore, closeStore, openStore } from "./open.ts";
import type { PreparedMessage } from "./ports.ts";
import { prepareMessage } from "./prepare.ts";

export const alice = "aliceaaaaaaaaaaa" as AccountId;

/** A clock that stands still until it is told to go on. */
export class TestClock implements Clock {
  #now = 0;
  #timers: { at: number; run: () => void }[] = [];

  now(): number {
    return 1_700_000_000_000 + this.#now;
  }
  monotonic(): number {
    return this.#now;
  }
  after(ms: number, run: () => void): Timer {
    const timer = { at: this.#now + ms, run };
    this.#timers.push(timer);
    return { cancel: () => void (this.#timers = this.#timers.filter((other) => other !== timer)) };
  }
  yield(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
  }
  /** Forgets who waits: the process has ended. */
  forget(): void {
    this.#timers = [];
  }
  /** Lets time pass; what is due runs, with pauses for what it starts. */
  async pass(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      const due = this.#timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.#timers = this.#timers.filter((timer) => timer !== due);
      this.#now = Math.max(this.#now, due.at);
      due.run();
      await settleDown();
    }
    this.#now = end;
    await settleDown();
  }
}

/** Waits until what is under way in memory has come to rest. */
export async function settleDown(): Promise<void> {
  for (let i = 0; i < 30; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** Objects as one process sees them: after its crash nothing gets through. */
class ProcessObjects implements ObjectStore {
  readonly properties;
  readonly readSync?: (key: string, offset: number, target: Uint8Array) => number;
  readonly #inner: ObjectStore;
  crashed = false;

  constructor(inner: ObjectStore, sync?: ObjectStore) {
    this.#inner = inner;
    this.properties = inner.properties;
    if (sync !== undefined)
      this.readSync = (key, offset, target) => sync.readSync!(key, offset, target);
  }
  async #call<T>(run: () => Promise<T>): Promise<T> {
    if (this.crashed) throw new SimulatedCrash("The process has crashed");
    const result = await run();
    if (this.crashed) throw new SimulatedCrash("The process has crashed");
    return result;
  }
  get(key: string, range?: ByteRange): Promise<Uint8Array | null> {
    return this.#call(() => this.#inner.get(key, range));
  }
  put(key: string, bytes: ObjectBytes, options?: PutOptions): Promise<PutOutcome> {
    return this.#call(() => this.#inner.put(key, bytes, options));
  }
  list(prefix: string): Promise<string[]> {
    return this.#call(() => this.#inner.list(prefix));
  }
  delete(key: string): Promise<void> {
    return this.#call(() => this.#inner.delete(key));
  }
}

export class StoreFixture {
  readonly random: Random;
  readonly clock = new TestClock();
  readonly disk: SimulatedDisk;
  readonly memory = new MemoryObjectStore();
  readonly faulty: FaultyObjectStore;
  readonly #sync: boolean;
  #process: ProcessObjects | undefined;
  opened!: OpenedStore;

  readonly #journal: Partial<JournalLimits>;

  constructor(
    options: {
      seed?: number;
      sync?: boolean;
      rates?: object;
      journal?: Partial<JournalLimits>;
    } = {},
  ) {
    this.#journal = options.journal ?? {};
    this.random = seededRandom(options.seed ?? 1);
    this.disk = new SimulatedDisk({ random: this.random });
    this.faulty = new FaultyObjectStore(this.memory, {
      random: this.random,
      rates: options.rates ?? {},
    });
    this.faulty.enabled = false;
    this.#sync = options.sync ?? true;
  }

  get store(): OpenedStore["store"] {
    return this.opened.store;
  }

  async open(options: { accountMemoryBytes?: number } = {}): Promise<OpenedStore> {
    const { clock, random } = this;
    const journal = this.#journal;
    this.#process = new ProcessObjects(this.faulty, this.#sync ? this.memory : undefined);
    this.opened = await openStore({
      objects: this.#process,
      openJournal: (start) =>
        openLocalJournal({
          ...start,
          files: this.disk.mount(),
          random,
          limits: {
            batchBytesMax: 4 * 1024 * 1024,
            segmentBytes: 8 * 1024 * 1024,
            tailBytesMax: 16 * 1024 * 1024,
            ...journal,
          },
        }),
      clock,
      random,
      log: silentLog,
      storedKeysMessagesMin: 4,
      ...options,
    });
    return this.opened;
  }

  crash(kind: "power" | "process" = "power"): void {
    this.#process!.crashed = true;
    this.clock.forget();
    this.disk.crash(kind);
  }

  async crashAndOpen(kind: "power" | "process" = "power"): Promise<void> {
    this.crash(kind);
    await settleDown();
    await this.open();
  }

  close(settle = true): Promise<void> {
    return closeStore(this.opened, { settle });
  }

  account(id: AccountId = alice): Promise<Account> {
    return this.store.open(id, { accountId: id });
  }

  /** Names of the objects of an account that begin with `prefix`. */
  async names(prefix = "", id: AccountId = alice): Promise<string[]> {
    const keys = await this.memory.list("accounts/");
    return keys
      .filter((key) => key.includes(`/${id}/${prefix}`))
      .map((key) => key.slice(key.lastIndexOf("/") + 1));
  }

  async keyOf(name: string): Promise<string> {
    const keys = await this.memory.list("accounts/");
    return keys.find((key) => key.endsWith(`/${name}`))!;
  }

  /** Changes one byte of a stored object. */
  async flip(name: string, at?: number): Promise<void> {
    const key = await this.keyOf(name);
    const bytes = (await this.memory.get(key))!;
    bytes[at ?? this.random.below(bytes.length)]! ^= 1 + this.random.below(255);
    await this.memory.put(key, bytes);
  }
}

/** Limits of a journal that becomes full quickly. */
export const shortJournal: Partial<JournalLimits> = {
  batchBytesMax: 512 * 1024,
  segmentBytes: 1024 * 1024,
  tailBytesMax: 4 * 1024 * 1024,
};

const words = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda".split(" ");

/** A message that compresses a little. */
export function makeMessage(random: Random, lines = 10 + random.below(60)): PreparedMessage {
  const number = random.below(1_000_000);
  const out = [
    `Message-ID: <${number}@example.org>`,
    `References: <${random.below(50)}@example.org>`,
    "Date: Sat, 22 Nov 2025 15:00:00 +0100",
    `Subject: ${words[random.below(words.length)]} ${number}`,
    "From: Alice <alice@example.org>",
    "",
  ];
  for (let i = 0; i < lines; i++) {
    let line = "";
    for (let k = 0; k < 8; k++) line += `${words[random.below(words.length)]} `;
    out.push(line + random.below(1000));
  }
  out.push("");
  return prepareMessage(utf8(out.join("\r\n")));
}

/** A message of about so many bytes. */
export function makeLargeMessage(random: Random, bytes: number): PreparedMessage {
  return makeMessage(random, Math.ceil(bytes / 52));
}

const keywords = ["$Junk", "$Forwarded", "Work", "later"];

/** Makes one change of any kind. Nothing waits: what must be durable, the caller waits for. */
export function changeSomething(account: Account, random: Random): void {
  const mailboxes = [...account.state.mailboxes.values()];
  const mailbox = mailboxes[random.below(mailboxes.length)]!;
  const other = mailboxes[random.below(mailboxes.length)]!;
  const from = 1 + random.below(Math.max(1, mailbox.uidNext));
  const uids = Uint32Array.of(from, from + random.below(5));
  const flags = {
    bits: random.below(32),
    keywords: random.below(3) === 0 ? [keywords[random.below(keywords.length)]!] : [],
  };
  const mode = (["add", "remove", "replace"] as const)[random.below(3)]!;
  const name = `Box ${random.below(12)}`;
  switch (random.below(14)) {
    case 0:
      if (!account.state.mailboxesByName.has(name)) account.createMailbox(name);
      return;
    case 1:
      if (mailbox.name.startsWith("Box")) account.deleteMailbox(mailbox.name);
      return;
    case 2:
      if (mailbox.name.startsWith("Box") && !account.state.mailboxesByName.has(name))
        account.renameMailbox(mailbox.name, name);
      return;
    case 3:
      account.copyMessages(mailbox.number, other.number, { uids, move: random.below(2) === 0 });
      return;
    case 4:
    case 5:
      account.changeFlags(mailbox.number, uids, { mode: "add", flags: { bits: 8, keywords: [] } });
      account.expunge(mailbox.number, random.below(2) === 0 ? uids : undefined);
      return;
    case 6:
      account.takeRecent(mailbox.number);
      return;
    case 7:
      account.subscribe(name, random.below(2) === 0);
      account.setProperty(mailbox.number, "/comment", random.below(3) === 0 ? null : utf8(name));
      return;
    case 8:
    case 9:
      account.changeFlags(mailbox.number, uids, { mode, flags });
      return;
    case 10: {
      const visitor = "carol";
      const { bits } = flags;
      void account
        .record([
          { kind: "visitorFlagsChanged", mailbox: mailbox.number, visitor, uids, mode, bits },
          { kind: "commandDone", key: `k${random.below(20)}`, result: utf8(name) },
          { kind: "commandKeysDropped", keys: [`k${random.below(20)}`] },
        ])
        .catch(() => undefined);
      return;
    }
    default:
      deliver(account, mailbox.number, random);
  }
}

/** Adds one to three messages. */
export function deliver(account: Account, mailbox: MailboxNumber, random: Random): void {
  const messages = Array.from({ length: 1 + random.below(3) }, () => ({
    prepared: makeMessage(random),
    flags: { bits: random.below(4), keywords: random.below(4) === 0 ? ["Work"] : [] },
    internalDate: 1_600_000_000_000 + random.below(1_000_000),
  }));
  account.addMessages(mailbox, messages).catch(() => undefined);
}

/** Adds one message, behind fields of its own, to the INBOX of each of these accounts. */
export function deliverToAll(accounts: readonly Account[], prepared: PreparedMessage): void {
  for (const account of accounts)
    account
      .addMessages(account.mailbox("INBOX").number, [
        {
          prepared,
          prefix: prefixOf(account.state.id),
          flags: { bits: 0, keywords: [] },
          internalDate: 1_600_000_000_000,
        },
      ])
      .catch(() => undefined);
}

/** The fields that `deliverToAll` puts in front. */
export function prefixOf(id: AccountId): Uint8Array {
  return utf8(`Return-Path: <>\r\nDelivered-To: ${id}@example.org\r\n`);
}
