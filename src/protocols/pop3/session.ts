import { errorText, Refusal } from "#base/assert.ts";
import type { Identity } from "#auth/index.ts";
import type { Clock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import type { Log } from "#base/log.ts";
import type { Shutdown } from "#base/shutdown.ts";
import { type ByteStream, ConnectionBroken, type PeerInfo } from "#base/stream.ts";
import { LineEndNormaliser } from "#message/index.ts";
import type { Account, Store } from "#store/index.ts";
import { DotStuffer, type Pop3Command, type Pop3Decoder, pop3ResponseCode } from "#wire/index.ts";
import { TopCutter, writeLanguage } from "#wire/index.ts";
import { thaw } from "./freeze.ts";
import { nextEvent, SessionEnd } from "./input.ts";
import { Maildrop } from "./maildrop.ts";
import type { MaildropLocks } from "./maildrop-locks.ts";
import { needsUtf8 } from "./needs-utf8.ts";
import { Output } from "./output.ts";

/** A client that has logged in and has not been told so; or the connection of a frozen session. */
export interface Pop3Arrival {
  readonly stream: ByteStream;
  readonly peer: PeerInfo;
  readonly identity: Identity;
  /** Holds what the client sent behind the command that logged in. */
  readonly decoder: Pop3Decoder;
  /** What CAPA says. */
  readonly capabilities: readonly string[];
  /** It said UTF8 before it logged in. RFC 6856 §2.1 */
  readonly utf8: boolean;
  /** What `freeze` gave; then the session goes on, and nothing is said of the login. */
  readonly frozen?: Uint8Array | undefined;
}

export interface Pop3Services {
  readonly store: Store;
  readonly locks: MaildropLocks;
  readonly clock: Clock;
  readonly log: Log;
  readonly shutdown: Shutdown;
}

/** Runs the session of a client that has logged in until it ends; never rejects. RFC 1939 §5, §6 */
export async function servePop3(arrival: Pop3Arrival, services: Pop3Services): Promise<void> {
  const { identity, peer, stream } = arrival;
  const { store, locks, clock } = services;
  const log = services.log.child({ account: identity.accountId, peer: peer.address });
  const release = locks.take(identity.accountId);
  let account: Account | undefined;
  try {
    if (release === undefined)
      throw new Refusal("INUSE", "Another session has the maildrop; try again later");
    account = await store.open(identity.accountId, identity);
    const open = account;
    const output = new Output({ stream, clock, durable: () => open.durable() });
    await new Pop3Session(arrival, services, { account, output, release, log }).run();
  } catch (error) {
    const output = new Output({ stream, clock, durable: () => undefined });
    output.err(...words(error, log));
    await farewell(stream, output);
  } finally {
    if (account !== undefined) store.close(account);
    release?.();
  }
}

async function farewell(stream: ByteStream, output: Output): Promise<void> {
  try {
    await output.send();
    stream.end();
  } catch {
    stream.destroy();
  }
}

/** Text and code of a negative response; what is no refusal is a bug, and logged. */
function words(error: unknown, log: Log): [text: string, code?: string] {
  if (error instanceof Refusal) {
    const code = pop3ResponseCode(error);
    return code === undefined ? [error.message] : [error.message, code];
  }
  const stack = error instanceof Error ? error.stack : undefined;
  log.error({ error: errorText(error), stack }, "A POP3 command failed");
  return ["Internal error, see the server's log", "SYS/TEMP"];
}

interface SessionParts {
  readonly account: Account;
  readonly output: Output;
  /** Gives the maildrop back. */
  readonly release: () => void;
  readonly log: Log;
}

class Pop3Session {
  readonly #arrival: Pop3Arrival;
  readonly #services: Pop3Services;
  readonly #account: Account;
  readonly #output: Output;
  readonly #release: () => void;
  readonly #log: Log;
  #maildrop!: Maildrop;
  #errorsInARow = 0;
  #ended = false;
  /** Monotonic milliseconds since when this session has the thread. */
  #sliceBegan = 0;

  constructor(arrival: Pop3Arrival, services: Pop3Services, parts: SessionParts) {
    this.#arrival = arrival;
    this.#services = services;
    this.#account = parts.account;
    this.#output = parts.output;
    this.#release = parts.release;
    this.#log = parts.log;
  }

  /** Never rejects but where the session cannot even begin. */
  async run(): Promise<void> {
    const { stream, decoder, frozen } = this.#arrival;
    const { clock, shutdown } = this.#services;
    const output = this.#output;
    const input = { stream, decoder, output, account: this.#account, clock, shutdown };
    this.#sliceBegan = clock.monotonic();
    this.#maildrop = frozen === undefined ? Maildrop.open(this.#account) : this.#thawed(frozen);
    try {
      if (frozen === undefined) {
        const { count, octets } = await this.#total();
        output.ok(`${count} messages (${octets} octets)`);
      }
      while (!this.#ended) {
        const isPipelined = decoder.buffered > 0;
        const event = await nextEvent(input);
        if (!isPipelined) this.#sliceBegan = clock.monotonic();
        if (event.kind === "fatal") throw new SessionEnd(event.text);
        if (event.kind === "error") this.#bad(event.text);
        else await this.#answer(event.command);
        await this.#pause();
      }
      await output.flush();
      stream.end();
    } catch (error) {
      await this.#endBy(error);
    }
  }

  #thawed(frozen: Uint8Array): Maildrop {
    const thawed = thaw(frozen, this.#account);
    if (thawed === "gone") throw new Refusal("UNAVAILABLE", "INBOX was replaced: log in again");
    if (thawed === "stale")
      throw new Refusal("UNAVAILABLE", "An older state of INBOX was restored: log in again");
    return thawed;
  }

  /** Says the last word as far as that is possible; marked messages stay. */
  async #endBy(error: unknown): Promise<void> {
    const { stream } = this.#arrival;
    const output = this.#output;
    if (error instanceof ConnectionBroken || output.midway) {
      if (!(error instanceof ConnectionBroken))
        this.#log.error({ error: errorText(error) }, "A response could not be finished");
      stream.destroy();
      return;
    }
    const lost = this.#account.lost;
    if (lost === undefined && error instanceof SessionEnd) {
      if (error.isSilent) {
        stream.end();
        return;
      }
      output.err(error.message, error.code);
      try {
        await output.flush();
        stream.end();
      } catch {
        stream.destroy();
      }
      return;
    }
    // What was not sent may say what is no longer true.
    output.take();
    output.err(...words(lost ?? error, this.#log));
    await farewell(stream, output);
  }

  async #answer(command: Pop3Command): Promise<void> {
    try {
      const running = this.#run(command);
      if (running !== undefined) await running;
    } catch (error) {
      const isOver = error instanceof SessionEnd || error instanceof ConnectionBroken;
      if (isOver || this.#output.midway || this.#account.lost !== undefined) throw error;
      this.#output.err(...words(error, this.#log));
    }
  }

  #run(command: Pop3Command): Promise<void> | void {
    const maildrop = this.#maildrop;
    const output = this.#output;
    this.#errorsInARow = 0;
    switch (command.name) {
      case "STAT":
        return this.#stat();
      case "LIST":
        return this.#list(command.message, (_, row) => String(maildrop.sizeOf(row)));
      case "UIDL":
        return this.#list(command.message, (number) => maildrop.uidlOf(number));
      case "RETR":
        return this.#retrieve(command.message);
      case "TOP":
        return this.#retrieve(command.message, new TopCutter(command.lines));
      case "DELE":
        maildrop.markDeleted(command.message);
        output.ok("Marked as deleted");
        return;
      case "RSET":
        maildrop.reset();
        output.ok("Nothing is marked any more");
        return;
      case "NOOP":
        output.ok("Nothing done");
        return;
      case "CAPA":
        output.ok("Capabilities");
        for (const name of this.#arrival.capabilities) output.line(name);
        output.end();
        return;
      case "LANG":
        writeLanguage(output, command.range);
        return;
      case "QUIT":
        return this.#quit();
      case "USER":
      case "PASS":
      case "AUTH":
      case "STLS":
      case "UTF8":
        this.#bad("This is not possible after login");
    }
  }

  #bad(text: string): void {
    this.#output.err(text);
    this.#errorsInARow++;
    if (this.#errorsInARow >= limits.pop3ErrorsMax) throw new SessionEnd("Too many errors");
  }

  /** Visits all messages that are there, and lets others work meanwhile. */
  async #visit(visit: (number: number, row: number) => void): Promise<void> {
    const step = limits.pop3BlockMessages;
    for (let from = 1; from <= this.#maildrop.count; from += step) {
      this.#maildrop.forEach(from, from + step, visit);
      await this.#pause();
    }
  }

  /** Waits for a slow client, and lets others work after a slice of time. */
  async #pause(): Promise<void> {
    const { clock } = this.#services;
    if (this.#output.full) await this.#output.flush();
    if (clock.monotonic() - this.#sliceBegan < limits.sliceMs) return;
    await clock.yield();
    this.#sliceBegan = clock.monotonic();
  }

  async #total(): Promise<{ count: number; octets: number }> {
    let count = 0;
    let octets = 0;
    await this.#visit((_, row) => {
      count++;
      octets += this.#maildrop.sizeOf(row);
    });
    return { count, octets };
  }

  async #stat(): Promise<void> {
    const { count, octets } = await this.#total();
    this.#output.ok(`${count} ${octets}`);
  }

  /** LIST and UIDL: a line for one message, or for all. */
  #list(
    message: number | null,
    valueOf: (number: number, row: number) => string,
  ): Promise<void> | void {
    const output = this.#output;
    if (message !== null) {
      output.ok(`${message} ${valueOf(message, this.#maildrop.rowOf(message))}`);
      return;
    }
    return this.#multiline("Messages follow", async () => {
      await this.#visit((number, row) => output.line(`${number} ${valueOf(number, row)}`));
      output.end();
    });
  }

  /** RFC 1939 §5, §7, RFC 6856 §5. No flag is set: other programs do not take it for read. */
  async #retrieve(number: number, cutter?: TopCutter): Promise<void> {
    const account = this.#account;
    const row = this.#maildrop.rowOf(number);
    const size = this.#maildrop.sizeOf(row);
    const opening = account.openBody(row);
    // What can go wrong before the first octet is answered.
    const body = opening === undefined ? await account.body(row) : await opening;
    // Rows may have moved meanwhile.
    if (!this.#arrival.utf8 && (await needsUtf8(account, this.#maildrop.rowOf(number), body))) {
      this.#output.err(`Message ${number} is for clients that say UTF8 before login`, "UTF8");
      return;
    }
    const pieces = body instanceof Uint8Array ? [body] : body.pieces(0, body.size);
    // Of binary messages: POP3 has no lines that end otherwise. RFC 6856 §2.1
    const lineEnds = new LineEndNormaliser();
    const stuffer = new DotStuffer();
    const output = this.#output;
    await this.#multiline(cutter === undefined ? `${size} octets` : "The top follows", async () => {
      for await (const piece of pieces) {
        const wanted = cutter === undefined ? piece : cutter.push(piece);
        output.bytes(stuffer.push(lineEnds.push(wanted)));
        if (output.full) await output.flush();
        if (cutter?.done === true) break;
      }
      output.bytes(stuffer.end());
    });
  }

  /** Says +OK and what `content` writes; where that fails, nothing more can be said. */
  async #multiline(text: string, content: () => Promise<void>): Promise<void> {
    this.#output.ok(text);
    this.#output.midway = true;
    await content();
    this.#output.midway = false;
  }

  /** RFC 1939 §6: the maildrop is given back before the client hears of it, and may come again. */
  async #quit(): Promise<void> {
    this.#ended = true;
    this.#maildrop.update();
    const durable = this.#account.durable();
    if (durable !== undefined) await durable;
    this.#release();
    this.#output.ok("Good bye");
  }
}
