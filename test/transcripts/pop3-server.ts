/** POP3 sessions over a store in memory, for transcripts and session tests. */
import { utf8 as utf8Bytes } from "#base/bytes.ts";
import { systemClock } from "#base/clock.ts";
import { type MemoryStream, memoryStreams } from "#base/testing.ts";
import { capabilities, MaildropLocks, servePop3 } from "#protocols/pop3/index.ts";
import { prepareMessage } from "#store/index.ts";
import { Pop3Decoder } from "#wire/index.ts";
import { accountId, MemoryServer, type MemoryServerOptions } from "./memory-server.ts";
import type { TranscriptConnection, TranscriptServer } from "./runner.ts";

const peer = {
  ...{ address: "127.0.0.1", port: 1, localAddress: "127.0.0.1", localPort: 110 },
  ...{ secure: true, loopback: true },
};

interface ServeOptions {
  readonly frozen?: Uint8Array;
  /** The client said UTF8. */
  readonly utf8?: boolean;
}

export class Pop3MemoryServer implements TranscriptServer {
  readonly mail: MemoryServer;
  readonly capabilities = new Set(capabilities);
  readonly sessions: Promise<void>[] = [];
  readonly #locks = new MaildropLocks();
  readonly #options: MemoryServerOptions;

  constructor(options: MemoryServerOptions = {}) {
    this.#options = options;
    this.mail = new MemoryServer(options);
  }

  /** Adds messages to INBOX and waits until they are durable. */
  deliver(...messages: readonly string[]): Promise<void> {
    return this.deliverBytes(...messages.map((message) => utf8Bytes(message)));
  }

  async deliverBytes(...messages: readonly Uint8Array[]): Promise<void> {
    const account = await this.mail.openAccount();
    const inbox = account.mailbox("INBOX");
    for (const message of messages)
      await account.addMessages(inbox.number, [
        {
          prepared: prepareMessage(message),
          flags: { bits: 0, keywords: [] },
          internalDate: 0,
        },
      ]);
    await account.durable();
    this.mail.store.close(account);
  }

  /** The client's end of a session whose first response is still to be read. */
  serve({ frozen, utf8 = false }: ServeOptions = {}): MemoryStream {
    const { clock = systemClock } = this.#options;
    const { store, shutdown, services } = this.mail;
    const [client, server] = memoryStreams();
    const identity = { accountId, name: "alice", quota: {}, tenant: "default" as never };
    const arrival = { stream: server, peer, identity, capabilities, utf8, frozen };
    this.sessions.push(
      servePop3(
        { ...arrival, decoder: new Pop3Decoder() },
        { store, locks: this.#locks, clock, log: services.log, shutdown },
      ),
    );
    return client;
  }

  async connect(): Promise<TranscriptConnection> {
    const client = this.serve();
    return {
      send: async (bytes) => {
        await client.write(bytes);
      },
      read: () => client.read(),
      close: () => client.end(),
    };
  }
}
