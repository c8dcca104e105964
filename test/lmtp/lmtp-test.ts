/** LMTP sessions in memory, for tests: a client that sends octets and waits for reply lines. */
import { Refusal } from "#base/assert.ts";
import type { AccountId } from "#base/brand.ts";
import { ByteBudget } from "#base/byte-budget.ts";
import { concatBytes, fromLatin1, latin1, utf8 } from "#base/bytes.ts";
import type { Clock } from "#base/clock.ts";
import type { Log, LogFields } from "#base/log.ts";
import { Shutdown } from "#base/shutdown.ts";
import type { ByteStream } from "#base/stream.ts";
import {
  type Deliver,
  type DeliverMessage,
  type DeliverRecipient,
  type LmtpServices,
  serveLmtp,
} from "#protocols/lmtp/index.ts";
import { type MemoryStream, memoryStreams } from "../transcripts/memory-stream.ts";

/** A clock for one session: it stands still, and its timers run when the test says so. */
export class StandingClock implements Clock {
  readonly timers = new Set<() => void>();
  now(): number {
    return Date.UTC(2026, 0, 2, 3, 4, 5);
  }
  monotonic(): number {
    return 0;
  }
  after(_ms: number, run: () => void): { cancel(): void } {
    this.timers.add(run);
    return { cancel: () => void this.timers.delete(run) };
  }
  yield(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
  }
  /** Lets all time pass that anybody waits for. */
  ring(): void {
    for (const run of [...this.timers]) {
      this.timers.delete(run);
      run();
    }
  }
}

/** What was delivered, and to whom. */
export interface Delivered {
  readonly sender: string;
  readonly content: string;
  readonly to: readonly string[];
}

/** Knows alice, bob and carol at example.org; keeps what it gets. */
export class FakeDeliver implements Deliver {
  readonly delivered: Delivered[] = [];
  /** Errors by address: at RCPT, and at the delivery itself. */
  readonly atRcpt = new Map<string, Error>();
  readonly atDelivery = new Map<string, Error>();
  readonly sizes: number[] = [];
  /** While set, deliveries wait for it. */
  gate: Promise<void> | undefined;
  rcptGate: Promise<void> | undefined;

  async resolve(address: string, size: number): Promise<DeliverRecipient> {
    this.sizes.push(size);
    await this.rcptGate;
    const error = this.atRcpt.get(address);
    if (error !== undefined) throw error;
    if (!/^(alice|bob|carol|jürgen)[+@"]/.test(address))
      throw new Refusal("NONEXISTENT", "There is no such user here");
    return { address, accountId: address.padEnd(16, "a").slice(0, 16) as AccountId };
  }

  async deliver(
    { sender, content }: DeliverMessage,
    recipients: readonly DeliverRecipient[],
  ): Promise<{ recipient: DeliverRecipient; error: unknown }[]> {
    const to = recipients.map(({ address }) => address);
    this.delivered.push({ sender, content: latin1(content), to });
    await this.gate;
    return recipients.map((recipient) => ({
      recipient,
      error: this.atDelivery.get(recipient.address) ?? null,
    }));
  }

  /** The contents without our Received field. */
  get bodies(): string[] {
    return this.delivered.map(({ content }) => content.replace(/^Received: .*\r\n\t.*\r\n/, ""));
  }
}

export class LogLines implements Log {
  readonly lines: { level: string; message: string; fields: LogFields }[] = [];
  debug = (fields: LogFields, message: string): void => this.#add("debug", message, fields);
  info = (fields: LogFields, message: string): void => this.#add("info", message, fields);
  warn = (fields: LogFields, message: string): void => this.#add("warn", message, fields);
  error = (fields: LogFields, message: string): void => this.#add("error", message, fields);
  #add(level: string, message: string, fields: LogFields): void {
    this.lines.push({ level, message, fields });
  }
  child(): Log {
    return this;
  }
}

export interface SessionOptions extends Partial<LmtpServices> {
  /** The stream after STARTTLS; without it STARTTLS is not offered. */
  readonly upgrade?: (stream: ByteStream) => Promise<ByteStream>;
  readonly secure?: boolean;
  readonly arriving?: ByteBudget;
  readonly wrap?: (stream: MemoryStream) => ByteStream;
}

export class LmtpTest {
  readonly deliver = new FakeDeliver();
  readonly clock = new StandingClock();
  readonly log = new LogLines();
  readonly shutdown = new Shutdown();
  readonly arriving: ByteBudget;
  readonly client: MemoryStream;
  /** Ends with the session; never rejects unless the session did. */
  readonly session: Promise<void>;
  #text = "";
  #upgraded = false;

  constructor(options: SessionOptions = {}) {
    const [client, server] = memoryStreams();
    this.client = client;
    this.arriving = options.arriving ?? new ByteBudget(1_000_000);
    const stream = options.wrap?.(server) ?? server;
    const { upgrade } = options;
    const upgraded = (): boolean => this.#upgraded;
    this.session = serveLmtp(
      {
        stream,
        peer: {
          address: "192.0.2.1",
          port: 1,
          localAddress: "192.0.2.2",
          localPort: 24,
          secure: options.secure ?? false,
          loopback: false,
        },
        shutdown: this.shutdown,
        get canUpgradeTls() {
          return upgrade !== undefined && !upgraded();
        },
        upgradeTls: async () => {
          const secure = await upgrade!(stream);
          this.#upgraded = true;
          return secure;
        },
      },
      {
        deliver: this.deliver,
        clock: this.clock,
        log: this.log,
        arriving: this.arriving,
        hostname: "mx.example.org",
        messageBytesMax: 100_000,
        ...options,
      },
    );
    // A test that expects a rejection awaits it; another one fails by its replies.
    this.session.catch(() => {});
  }

  /** Sends octets, given as one character each, or as they are. */
  send(octets: string | Uint8Array): void {
    void this.client.write(typeof octets === "string" ? fromLatin1(octets) : octets);
  }

  /** The next reply, its lines joined by LF; null at the end of the connection. */
  async reply(): Promise<string | null> {
    for (;;) {
      const match = /^(?:\d{3}-[^\r\n]*\r\n)*\d{3} [^\r\n]*\r\n/.exec(this.#text);
      if (match !== null) {
        this.#text = this.#text.slice(match[0].length);
        return match[0].trimEnd().replaceAll("\r\n", "\n");
      }
      const bytes = await this.client.read();
      if (bytes === null) return null;
      this.#text += latin1(bytes);
    }
  }

  async replies(count: number): Promise<(string | null)[]> {
    const all: (string | null)[] = [];
    while (all.length < count) all.push(await this.reply());
    return all;
  }

  /** Sends a line and gives the reply. */
  async ask(line: string): Promise<string | null> {
    this.send(concatBytes([utf8(line), fromLatin1("\r\n")]));
    return this.reply();
  }

  /** Greeting and LHLO. */
  async hello(): Promise<string | null> {
    await this.reply();
    return this.ask("LHLO client.example.net");
  }

  /** Up to the 354. */
  async begin(...recipients: readonly string[]): Promise<void> {
    await this.hello();
    await this.ask("MAIL FROM:<sender@example.net>");
    await this.begun(...recipients);
  }

  /** After MAIL, up to the 354. */
  async begun(...recipients: readonly string[]): Promise<void> {
    for (const to of recipients) await this.ask(`RCPT TO:<${to}>`);
    const go = await this.ask("DATA");
    if (go?.startsWith("354") !== true) throw new Error(`Got ${go} for DATA`);
  }

  /** All replies up to the end of the connection, which the client closes first. */
  async rest(): Promise<string[]> {
    this.client.end();
    const all: string[] = [];
    for (let reply = await this.reply(); reply !== null; reply = await this.reply())
      all.push(reply);
    await this.session;
    return all;
  }
}
