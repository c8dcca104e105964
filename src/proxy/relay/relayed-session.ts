import { errorText } from "#base/assert.ts";
import type { AccountId } from "#base/brand.ts";
import { type Clock, sleep } from "#base/clock.ts";
import { hex } from "#base/bytes.ts";
import { withDeadline } from "#base/deadline.ts";
import { limits } from "#base/limits.ts";
import type { Log } from "#base/log.ts";
import type { Random } from "#base/random.ts";
import type { ByteStream } from "#base/stream.ts";
import type { Link, OutputPart, ProxyStream, StreamEnd } from "#hop/index.ts";
import { DeliveredOutput } from "./delivered-output.ts";
import { KeptInput } from "./kept-input.ts";

/** Who owns an account now, as far as the proxy knows. */
export interface Route {
  readonly link: Link;
  readonly shard: number;
  readonly epoch: number;
}

/** Why a session cannot go on, for the protocol to put into its own words. */
export type FarewellReason =
  /** The mailbox or the account is no longer there, or no longer allowed. */
  | "gone"
  /** The state of the session is too old to go on from. */
  | "stale"
  /** The backend failed in a way that trying again does not cure. */
  | "bug"
  /** No backend could be found in time. */
  | "unavailable"
  /** The backend was lost in the middle of more input than is kept, or of input kept too long. */
  | "interrupted";

export interface RelayedSessionParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** "imap", "pop3" ... */
  readonly protocol: string;
  readonly account: AccountId;
  /** 16 random bytes. */
  readonly session: Uint8Array;
  /** The client. */
  readonly client: ByteStream;
  /** What the session is made from at first; every later state is made by a backend. */
  readonly head: Uint8Array;
  /** What the client sent behind its login. */
  readonly early: Uint8Array;
  /** Finds the owner of an account; a rejection is a reason to ask again. */
  route(account: AccountId): Promise<Route>;
  /** The last words to the client, such as a BYE. May be empty. */
  farewell(reason: FarewellReason, text: string): Uint8Array;
}

/** How a relayed session came to its end. */
export type RelayOutcome = "ended" | "client gone" | "answers differ" | FarewellReason;

/**
 * The proxy's side of a client's session after login: bytes to and from the backend that owns the
 * account, and on to the next one when that dies or the account moves. The client notices a pause.
 *
 * What a backend has consumed and said is applied together with the state that goes with it. The
 * next backend begins at the last state; it is sent again the input beyond it, and of its output
 * the part that the client has got already is compared and skipped.
 */
export class RelayedSession {
  readonly #parts: RelayedSessionParts;
  readonly #input = new KeptInput(limits.relayInputBytesMax);
  readonly #output = new DeliveredOutput();
  readonly #over = Promise.withResolvers<RelayOutcome>();
  #outcome: RelayOutcome | undefined;
  #state: Uint8Array;
  #stream: ProxyStream | undefined;
  #generation = 0;
  /** Input that the present backend was sent, and the most that any was. */
  #sent = 0;
  #sentMost = 0;
  #inputEnded = false;
  /** When the backend was lost that no other one has replaced with a state of its own yet. */
  #lostAt: number | undefined;
  #losses = 0;
  /** Attempts in a row to go on. */
  #attempts = 0;
  #openedAt = 0;
  #wake: (() => void)[] = [];

  constructor(parts: RelayedSessionParts) {
    this.#parts = parts;
    this.#state = parts.head;
    this.#input.append(parts.early, parts.clock.monotonic());
  }

  /** True while another backend could take the session over. */
  get continuable(): boolean {
    return this.#whyNot() === undefined;
  }

  /** Relays until the session is over; then the client's stream is closed. */
  run(): Promise<RelayOutcome> {
    this.#lostAt = this.#parts.clock.monotonic();
    void this.#resume();
    void this.#readClient();
    return this.#over.promise;
  }

  /** Ends the session at once, at both ends. */
  destroy(): void {
    this.#finish("client gone");
    this.#parts.client.destroy();
  }

  async #readClient(): Promise<void> {
    const { client, clock } = this.#parts;
    try {
      while (this.#outcome === undefined) {
        // What is not on its way to a backend is left with the client.
        if (this.#stream === undefined || this.#sent < this.#input.end) {
          await this.#change();
          continue;
        }
        const bytes = await client.read();
        if (bytes === null) {
          this.#inputEnded = true;
          this.#notify();
          return;
        }
        this.#input.append(bytes, clock.monotonic());
        this.#notify();
      }
    } catch {
      this.destroy();
    }
  }

  /** Sends input to one backend, as long as it is the present one. */
  async #feed(stream: ProxyStream): Promise<void> {
    while (this.#stream === stream) {
      const bytes = this.#input.from(this.#sent);
      if (bytes !== undefined) {
        const offset = this.#sent;
        this.#sent += bytes.length;
        this.#sentMost = Math.max(this.#sentMost, this.#sent);
        const wait = stream.send(offset, bytes);
        if (wait !== undefined) await wait;
        this.#input.shrink(this.#sent);
        this.#notify();
      } else if (this.#inputEnded) {
        stream.endInput();
        return;
      } else await this.#change();
    }
  }

  /** Looks for a backend until there is one. */
  async #resume(): Promise<void> {
    const { clock, random, account } = this.#parts;
    while (this.#outcome === undefined) {
      const left = this.#lostAt! + limits.relayResumeMs - clock.monotonic();
      if (left <= 0) return this.#farewell("unavailable", "No backend in time");
      // The first one at once; then the sessions of a lost backend come one after another.
      if (++this.#attempts > 1) {
        const doubled = limits.relayRetryMsMin * 2 ** Math.min(this.#attempts - 2, 16);
        const pause = Math.min(doubled, limits.relayRetryMsMax);
        await sleep(clock, Math.min(left, pause / 2 + random.below(pause)));
        if (this.#isOver()) return;
      }
      const whyNot = this.#whyNot();
      if (whyNot !== undefined) return this.#farewell("interrupted", whyNot);
      try {
        const found = await withDeadline(clock, left, "The route", this.#parts.route(account));
        if (!this.#isOver()) this.#open(found);
        return;
      } catch (error) {
        this.#log("debug", { error: errorText(error) }, "A session found no backend");
      }
    }
  }

  /** @throws what `Link.open` throws */
  #open({ link, shard, epoch }: Route): void {
    const generation = ++this.#generation;
    const current = (): boolean => this.#generation === generation && this.#outcome === undefined;
    const { protocol, session } = this.#parts;
    const stream = link.open(
      {
        protocol,
        session,
        generation,
        shard,
        epoch,
        inputOffset: this.#input.consumed,
        outputOffset: this.#output.state,
        head: this.#state,
      },
      {
        output: (part) => (current() ? this.#takeSafely(part) : undefined),
        ended: (end) => {
          if (current()) this.#ended(end);
        },
      },
    );
    this.#output.beginAgain();
    this.#sent = this.#input.consumed;
    this.#stream = stream;
    this.#openedAt = this.#parts.clock.monotonic();
    void this.#feed(stream);
    this.#notify();
  }

  #takeSafely(part: OutputPart): Promise<void> | undefined {
    try {
      return this.#take(part);
    } catch (error) {
      this.#farewell("bug", errorText(error));
      return undefined;
    }
  }

  /** Output and state are applied in one go; what is waited for is only the client. */
  #take(part: OutputPart): Promise<void> | undefined {
    const fresh = this.#output.next(part);
    if (fresh === undefined) {
      this.#log("error", { offset: part.offset }, "A repeated answer differs: connection closed");
      this.#finish("answers differ");
      this.#parts.client.destroy();
      return undefined;
    }
    const wait = fresh.length > 0 ? this.#parts.client.write(fresh) : undefined;
    if (part.done !== undefined) {
      const { consumed, state } = part.done;
      this.#input.consume(consumed);
      if (state !== undefined) this.#state = state;
      this.#lostAt = undefined;
      this.#losses = 0;
      this.#attempts = 0;
      this.#notify();
    }
    return wait?.catch(() => this.destroy());
  }

  #ended({ how, text }: StreamEnd): void {
    this.#stream = undefined;
    this.#notify();
    switch (how) {
      case "ended":
        this.#finish("ended");
        this.#parts.client.end();
        return;
      case "moved":
      case "lost":
        this.#countFrom();
        // A command that no backend survives must not be tried on all of them.
        if (how === "lost" && ++this.#losses > limits.relayLossesMax)
          return this.#farewell("bug", "Too many backends were lost");
        this.#log("info", { how, reason: text }, "A session goes on with another backend");
        void this.#resume();
        return;
      case "gone":
      case "stale":
      case "bug":
        this.#farewell(how, text);
    }
  }

  /** One deadline for all that is lost in a row, until one of them has got further or lived long. */
  #countFrom(): void {
    const now = this.#parts.clock.monotonic();
    if (this.#lostAt !== undefined && now - this.#openedAt < limits.relayResumeMs) return;
    this.#lostAt = now;
    this.#losses = 0;
    this.#attempts = 0;
  }

  #isOver(): boolean {
    return this.#outcome !== undefined;
  }

  /** What forbids to go on from the last state. */
  #whyNot(): string | undefined {
    if (!this.#input.complete) return "More input than is kept";
    const oldest = this.#input.oldestAt;
    if (this.#sentMost <= this.#input.consumed || oldest === undefined) return undefined;
    const age = this.#parts.clock.monotonic() - oldest;
    return age > limits.relayRepeatMsMax ? "The input is too old to be sent again" : undefined;
  }

  #farewell(reason: FarewellReason, text: string): void {
    if (this.#outcome !== undefined) return;
    this.#log("warn", { reason, text }, "A session could not go on");
    const { client } = this.#parts;
    // Within a response the client would take it for a part of that.
    const words = this.#output.halfSent ? undefined : this.#parts.farewell(reason, text);
    this.#finish(reason);
    if (words !== undefined && words.length > 0) client.write(words)?.catch(() => {});
    client.end();
  }

  #finish(outcome: RelayOutcome): void {
    if (this.#outcome !== undefined) return;
    this.#outcome = outcome;
    const stream = this.#stream;
    this.#stream = undefined;
    stream?.reset("gone", "The client's connection is closed");
    this.#notify();
    this.#over.resolve(outcome);
  }

  /** Resolves when something has changed that the loops look at. */
  #change(): Promise<void> {
    return new Promise((resolve) => this.#wake.push(resolve));
  }

  #notify(): void {
    if (this.#wake.length === 0) return;
    for (const wake of this.#wake.splice(0)) wake();
  }

  #log(level: "debug" | "info" | "warn" | "error", fields: object, message: string): void {
    const { log, account, session } = this.#parts;
    log[level]({ ...fields, account, session: hex(session) }, message);
  }
}
