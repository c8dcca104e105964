import type { Refusal } from "#base/assert.ts";
import type { Clock, Timer } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import type { Shutdown } from "#base/shutdown.ts";
import { type ByteStream, ConnectionBroken } from "#base/stream.ts";
import type { Account } from "#store/index.ts";
import type { CommandDecoder, DecodeEvent, LineEvent } from "#wire/index.ts";
import type { Output } from "./output.ts";
import { FreezeDue, SessionEnd } from "./responses.ts";

interface InputParts {
  readonly stream: ByteStream;
  readonly decoder: CommandDecoder;
  readonly output: Output;
  readonly account: Account;
  readonly clock: Clock;
  readonly shutdown: Shutdown;
  /** Silence after which a session that may be frozen is; 0: at once, undefined: never. */
  readonly freezeAfterMs: number | undefined;
  /** How long the client had been silent when the session was frozen. */
  readonly silentMs?: number;
}

/** What ends a wait for the client, besides its bytes. */
type Wake = "wake" | "timeout" | "shutdown" | "lost" | "freeze";

/**
 * What the client says. Before it waits for the client it sends what was written; while it waits
 * it listens for what may end or wake the session.
 */
export class Input {
  readonly #parts: InputParts;
  readonly #stops: (() => void)[] = [];
  #reading = false;
  /** What the last read gave, until the decoder has it; null at the end. */
  #arrived: Uint8Array | null | undefined;
  #broken: Error | undefined;
  #woken: Wake | undefined;
  #resume: (() => void) | undefined;
  #timer: Timer | undefined;
  #freezeTimer: Timer | undefined;
  /** Monotonic milliseconds of the last sign of life. */
  #heardAt = 0;
  /** A command has been answered here. */
  #answered = false;
  #silenceMs: number = limits.imapIdleTimeoutMs;

  constructor(parts: InputParts) {
    this.#parts = parts;
    this.#heardAt = parts.clock.monotonic() - (parts.silentMs ?? 0);
    this.#stops.push(
      parts.account.watchLoss(() => this.#interrupt("lost")),
      parts.shutdown.whenBegun(() => this.#interrupt("shutdown")),
    );
  }

  /** How long the client may be silent; less while it holds what others wait for. */
  set silenceMs(ms: number) {
    this.#silenceMs = ms;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** Stops listening. */
  close(): void {
    for (const stop of this.#stops) stop();
    this.#timer?.cancel();
    this.#freezeTimer?.cancel();
  }

  /** Milliseconds since the last sign of life. */
  get silentForMs(): number {
    return this.#parts.clock.monotonic() - this.#heardAt;
  }

  /**
   * The next event of the decoder. Errors: `SessionEnd`, `ConnectionBroken`, `Refusal`, and
   * `FreezeDue` with `mayFreeze`.
   */
  nextEvent(mayFreeze = false): DecodeEvent | Promise<DecodeEvent> {
    const event = this.#parts.decoder.next();
    return event.kind === "more" ? this.#awaitEvent(mayFreeze) : event;
  }

  async #awaitEvent(mayFreeze: boolean): Promise<DecodeEvent> {
    const { clock, decoder } = this.#parts;
    // A command that took long was no silence of the client.
    if (this.#answered) this.#heardAt = clock.monotonic();
    this.#answered = true;
    for (;;) {
      await this.#wait(mayFreeze);
      this.#woken = undefined;
      const event = decoder.next();
      if (event.kind !== "more") return event;
    }
  }

  /**
   * The next line outside the command grammar, or "wake" after `wake`. Errors as above, `FreezeDue`
   * among them.
   */
  async nextLine(): Promise<LineEvent | "wake"> {
    for (;;) {
      const line = this.#parts.decoder.readLine();
      if (line.kind !== "more") return line;
      await this.#wait(true);
      if (this.#woken === "wake") {
        this.#woken = undefined;
        return "wake";
      }
    }
  }

  /**
   * For a command that works long and says nothing meanwhile, now and then: looks whether the client
   * is still there. Errors: `ConnectionBroken`.
   */
  requireClient(): void {
    if (this.#broken !== undefined) throw this.#broken;
    if (this.#arrived === null) throw new ConnectionBroken("The client is gone");
    // What was sent ahead may be a command that wants no read to be under way. RFC 4978 §3
    if (this.#arrived === undefined && this.#parts.decoder.buffered === 0) this.#read();
  }

  /** Makes a waiting `nextLine` return. */
  wake(): void {
    if (this.#woken === undefined) this.#interrupt("wake");
  }

  #interrupt(what: Wake): void {
    this.#woken = what;
    this.#resume?.();
  }

  /** Sends what was written, then waits for bytes, which it gives to the decoder, or for `wake`. */
  async #wait(mayFreeze: boolean): Promise<void> {
    await this.#parts.output.flush();
    try {
      await this.#waitForInput(mayFreeze);
    } finally {
      this.#freezeTimer?.cancel();
      this.#freezeTimer = undefined;
    }
  }

  async #waitForInput(mayFreeze: boolean): Promise<void> {
    for (;;) {
      if (this.#woken === "freeze") {
        this.#woken = undefined;
        if (this.#canFreeze()) throw new FreezeDue();
      }
      if (this.#woken === "wake") return;
      if (this.#woken !== undefined) throw this.#end(this.#woken);
      if (this.#broken !== undefined) throw this.#broken;
      if (this.#arrived === null) throw new ConnectionBroken("The client is gone");
      if (this.#arrived !== undefined) {
        this.#parts.decoder.push(this.#arrived);
        this.#arrived = undefined;
        return;
      }
      if (mayFreeze && this.#parts.freezeAfterMs === 0 && this.#canFreeze()) throw new FreezeDue();
      this.#read();
      this.#startTimer();
      if (mayFreeze) this.#startFreezeTimer();
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#resume = resolve;
      await promise;
      this.#resume = undefined;
    }
  }

  /** Looks once more whether the session rests, and stops reading. */
  #canFreeze(): boolean {
    const { decoder, stream } = this.#parts;
    if (this.#arrived !== undefined || this.#broken !== undefined || !decoder.atRest) return false;
    // Whose time is over hears of it now.
    if (this.silentForMs >= this.#silenceMs) return false;
    if (this.#reading && stream.withdrawRead?.() !== true) return false;
    this.#reading = false;
    return true;
  }

  #startFreezeTimer(): void {
    const { clock, decoder, freezeAfterMs } = this.#parts;
    if (freezeAfterMs === undefined || freezeAfterMs === 0) return;
    if (this.#freezeTimer !== undefined || !decoder.atRest) return;
    this.#freezeTimer = clock.after(freezeAfterMs, () => {
      this.#freezeTimer = undefined;
      if (this.#resume !== undefined && this.#woken === undefined) this.#interrupt("freeze");
    });
  }

  /** Starts a read if there is none. */
  #read(): void {
    if (this.#reading) return;
    this.#reading = true;
    const done = (bytes: Uint8Array | null | undefined): void => {
      this.#reading = false;
      this.#arrived = bytes;
      this.#heardAt = this.#parts.clock.monotonic();
      this.#resume?.();
    };
    this.#parts.stream.read().then(done, (error: Error) => {
      this.#broken = error;
      done(undefined);
    });
  }

  /** One timer for many waits: it looks again when it fires. */
  #startTimer(): void {
    if (this.#timer !== undefined) return;
    const { clock } = this.#parts;
    const left = this.#heardAt + this.#silenceMs - clock.monotonic();
    this.#timer = clock.after(Math.max(1, left), () => {
      this.#timer = undefined;
      if (this.#resume === undefined) return;
      if (clock.monotonic() - this.#heardAt >= this.#silenceMs) this.#interrupt("timeout");
      else this.#startTimer();
    });
  }

  #end(what: Exclude<Wake, "wake" | "freeze">): SessionEnd | Refusal {
    const { shutdown } = this.#parts;
    switch (what) {
      case "timeout":
        return new SessionEnd("You were silent for too long");
      case "shutdown":
        return new SessionEnd(shutdown.farewell.text, shutdown.farewell.code);
      case "lost":
        return this.#parts.account.lost!;
    }
  }
}
