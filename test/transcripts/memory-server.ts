/** A store and IMAP sessions in memory, for transcripts and session tests. */
import type { AccountId, Epoch } from "#base/brand.ts";
import { serveImapSession } from "#roles/imap-session.ts";
import { concatBytes } from "#base/bytes.ts";
import { type Clock, systemClock } from "#base/clock.ts";
import { type Log, silentLog } from "#base/log.ts";
import { Shutdown } from "#base/shutdown.ts";
import type { SessionStream } from "#base/stream.ts";
import { ArrivingBytes, capabilities, type ImapServices } from "#protocols/imap/index.ts";
import { type Account, AccountState, type Quota, Store } from "#store/index.ts";
import type { Journal, JournalEntry, JournalPlace } from "../../src/store/journal/journal.ts";
import { readJournaled } from "../../src/store/journaled-contents.ts";
import { prepareMessage } from "../../src/store/prepare.ts";
import { CommandDecoder } from "#wire/index.ts";
import { type MemoryStream, memoryStreams } from "#base/testing.ts";
import type { TranscriptConnection, TranscriptServer } from "./runner.ts";

export const accountId = "aaaaaaaaaaaaaaaa" as AccountId;

/** A journal that keeps its records in an array and makes them durable a little later. */
export class MemoryJournal implements Pick<Journal, "append" | "read" | "readSync"> {
  readonly payloads: Uint8Array[] = [];
  /** While set, appends wait for it. */
  gate: Promise<void> | undefined;
  /** Rejects what is appended. */
  failure: Error | undefined;
  onRejected: ((accounts: ReadonlySet<AccountId>, error: Error) => void) | undefined;

  async append(entry: JournalEntry): Promise<JournalPlace> {
    const parts = entry.payload instanceof Uint8Array ? [entry.payload] : entry.payload;
    const payload = concatBytes(parts);
    await new Promise((resolve) => setImmediate(resolve));
    await this.gate;
    if (this.failure !== undefined) {
      this.onRejected?.(new Set([entry.account]), this.failure);
      throw this.failure;
    }
    this.payloads.push(payload);
    const batch = this.payloads.length;
    return { segment: 1, batch, index: 0, offset: 0, length: payload.length, checksum: 0 };
  }

  readSync(place: JournalPlace, offset: number, target: Uint8Array): number {
    target.set(this.payloads[place.batch - 1]!.subarray(offset, offset + target.length));
    return target.length;
  }

  read(place: JournalPlace, offset = 0, length = place.length): Promise<Uint8Array> {
    return Promise.resolve(this.payloads[place.batch - 1]!.subarray(offset, offset + length));
  }
}

export interface MemoryServerOptions {
  readonly quota?: Quota;
  readonly clock?: Clock;
  readonly log?: Log;
  /** Sessions are frozen whenever their client is silent for so long. */
  readonly freezeAfterMs?: number | undefined;
}

export class MemoryServer implements TranscriptServer {
  readonly journal = new MemoryJournal();
  readonly store: Store;
  readonly services: ImapServices;
  readonly shutdown = new Shutdown();
  readonly capabilities = new Set(capabilities.map((name) => name.toUpperCase()));
  readonly sessions: Promise<void>[] = [];
  readonly #quota: Quota;

  constructor(options: MemoryServerOptions = {}) {
    const { clock = systemClock, log = silentLog, freezeAfterMs } = options;
    this.#quota = options.quota ?? {};
    const journal = this.journal as unknown as Journal;
    this.store = new Store({
      journal,
      settled: { load: async (id) => ({ state: new AccountState(id), place: undefined }) },
      contents: {
        fields: (state, row) => readJournaled(journal, { state, row, piece: "fields" }),
        body: (state, row) => readJournaled(journal, { state, row, piece: "body" }),
      },
      largeBodies: { put: () => Promise.reject(new Error("No packs here")) },
      clock,
      log,
      epoch: 1 as Epoch,
      initialMailboxes: [{ name: "INBOX" }],
    });
    this.journal.onRejected = (accounts, error) => this.store.rejected(accounts, error);
    this.services = {
      store: this.store,
      clock,
      log,
      shutdown: this.shutdown,
      prepareMessage,
      arrivingBytes: new ArrivingBytes(),
      freezeAfterMs,
    };
  }

  openAccount(): Promise<Account> {
    return this.store.open(accountId, { accountId, quota: this.#quota });
  }

  /** The client's end of a session whose greeting is still to be read. */
  serve(wrap: (stream: MemoryStream) => SessionStream = (stream) => stream): MemoryStream {
    const [client, server] = memoryStreams();
    this.sessions.push(
      serveImapSession(
        {
          stream: wrap(server),
          peer: {
            address: "127.0.0.1",
            port: 1,
            localAddress: "127.0.0.1",
            localPort: 2,
            secure: true,
            loopback: true,
          },
          identity: { accountId, name: "alice", quota: this.#quota },
          tag: "login",
          decoder: new CommandDecoder(),
        },
        this.services,
      ),
    );
    return client;
  }

  async connect(): Promise<TranscriptConnection> {
    const client = this.serve();
    await client.read();
    return {
      send: async (bytes) => {
        await client.write(bytes);
      },
      read: () => client.read(),
      close: () => client.end(),
    };
  }
}
