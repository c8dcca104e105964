/** Sessions that are frozen while their connection stays an ordinary socket. */
import type { MailboxNumber } from "#base/brand.ts";
import type { Clock, Timer } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import type { Shutdown } from "#base/shutdown.ts";
import type { ByteStream } from "#base/stream.ts";
import { utf8 } from "#base/bytes.ts";

/** A session in bytes, and what it waits for. */
export interface FrozenSession {
  readonly frozen: Uint8Array;
  /** The client idles: it is to be told of changes after this modseq of the mailbox. */
  readonly waitsFor: WaitsFor | undefined;
  /** An IDLE is under way: the client wants a sign of life now and then. */
  readonly idling: boolean;
  /** How long the client has been silent. */
  readonly silentMs: number;
}

export interface WaitsFor {
  readonly mailbox: MailboxNumber;
  readonly modseq: number;
}

export type SessionEnding =
  | { readonly kind: "ended" }
  | ({ readonly kind: "frozen" } & FrozenSession);

/** What a session that goes on is given. */
export interface Resumption {
  readonly frozen: Uint8Array;
  /** What the client has said meanwhile. */
  readonly input: Uint8Array | undefined;
  readonly silentMs: number;
}

export interface HeldSessionParts {
  readonly clock: Clock;
  readonly shutdown: Shutdown;
  start(): Promise<SessionEnding>;
  resume(resumption: Resumption): Promise<SessionEnding>;
  /** The client has sent something that may amount to nothing: it is waited for before parking. */
  readonly spokeAlready?: boolean | undefined;
  /** Parks the connection, which then is nobody's here any more; false where that cannot be. */
  park?(session: FrozenSession): Promise<boolean> | boolean;
  /** Calls `wake` as soon as the session is to be told something. */
  watch(waitsFor: WaitsFor, wake: () => void): () => void;
}

const stillHere = utf8("* OK Still here\r\n");

/** Serves a session, frozen or not, until it ends or its connection is parked. */
export async function serveHeld(stream: ByteStream, parts: HeldSessionParts): Promise<void> {
  let ending = await parts.start();
  let mayPark = parts.spokeAlready !== true;
  while (ending.kind === "frozen") {
    if (mayPark && (await parts.park?.(ending)) === true) return;
    mayPark = true;
    const { frozen, silentMs } = ending;
    const since = parts.clock.monotonic();
    const input = await new Hold(stream, parts, ending).end;
    if (input === null) {
      stream.end();
      return;
    }
    const heard = input === undefined ? silentMs + parts.clock.monotonic() - since : 0;
    ending = await parts.resume({ frozen, input, silentMs: heard });
  }
}

/** One wait: for the client, for a change, for the end of its patience or of the server. */
class Hold {
  /** What the client said, null where it is gone, undefined for every other reason. */
  readonly end: Promise<Uint8Array | null | undefined>;
  readonly #stream: ByteStream;
  readonly #clock: Clock;
  readonly #stops: (() => void)[] = [];
  #keepAlive: Timer | undefined;
  #wake!: (input: Uint8Array | null | undefined) => void;
  #isOver = false;

  constructor(stream: ByteStream, parts: HeldSessionParts, session: FrozenSession) {
    this.#stream = stream;
    this.#clock = parts.clock;
    this.end = new Promise((resolve) => (this.#wake = resolve));
    const { waitsFor, idling, silentMs } = session;
    const interrupt = (): void => this.#interrupt();
    const left = Math.max(1, limits.imapIdleTimeoutMs - silentMs);
    const timer = parts.clock.after(left, interrupt);
    this.#stops.push(() => timer.cancel());
    stream.read().then(
      (bytes) => this.#over(bytes),
      () => this.#over(null),
    );
    if (idling) this.#startKeepAlive();
    this.#stops.push(parts.shutdown.whenBegun(interrupt));
    if (waitsFor !== undefined) this.#stops.push(parts.watch(waitsFor, interrupt));
    // What was over before all was set up.
    if (this.#isOver) this.#clean();
  }

  #interrupt(): void {
    // Else bytes are on their way, which end the wait as well.
    if (!this.#isOver && this.#stream.withdrawRead?.() === true) this.#over(undefined);
  }

  #over(input: Uint8Array | null | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#clean();
    this.#wake(input);
  }

  #clean(): void {
    this.#keepAlive?.cancel();
    for (const stop of this.#stops.splice(0)) stop();
  }

  #startKeepAlive(): void {
    this.#keepAlive = this.#clock.after(limits.idleKeepAliveMs, () => {
      this.#stream.write(stillHere)?.catch(() => undefined);
      this.#startKeepAlive();
    });
  }
}
