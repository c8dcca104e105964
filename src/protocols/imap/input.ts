import type { Refusal } from "#base/assert.ts";
import type { Clock, Timer } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import type { Shutdown } from "#base/shutdown.ts";
import { type ByteStream, ConnectionBroken } from "#base/stream.ts";
import type { Account } from "#store/index.ts";
import type { CommandDecoder, DecodeEvent, LineEvent } from "#wire/index.ts";
import type { Output } from "./output.ts";
import { SessionEnd } from "./responses.ts";

interface InputParts {
  readonly stream: ByteStream;
  readonly decoder: CommandDecoder;
  readonly output: Output;
  readonly account: Account;
  readonly clock: Clock;
  readonly shutdown: Shutdown;
}

/** What ends a wait for the client, besides its bytes. */
type Wake = "wake" | "timeout" | "shutdown" | "lost";

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
  /** Monotonic milliseconds of the last sign of life. */
  #heardAt = 0;
  #silenceMs: number = limits.imapIdleTimeoutMs;

  constructor(parts: InputParts) {
    this.#parts = parts;
    this.#heardAt = parts.clock.monotonic();
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
  }

  /** The next event of the decoder. Errors: `SessionEnd`, `ConnectionBroken`, `Refusal`. */
  nextEvent(): DecodeEvent | Promise<DecodeEvent> {
    const event = this.#parts.decoder.next();
    return event.kind === "more" ? this.#awaitEvent() : event;
  }

  async #awaitEvent(): Promise<DecodeEvent> {
    const { clock, decoder } = this.#parts;
    // A command that took long was no silence of the client.
    this.#heardAt = clock.monotonic();
    for (;;) {
      await this.#wait();
      this.#woken = undefined;
      const event = decoder.next();
      if (event.kind !== "more") return event;
    }
  }

  /** The next line outside the command grammar, or "wake" after `wake`. Errors as above. */
  async nextLine(): Promise<LineEvent | "wake"> {
    for (;;) {
      const line = this.#parts.decoder.readLine();
      if (line.kind !== "more") return line;
      await this.#wait();
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
  async #wait(): Promise<void> {
    await this.#parts.output.flush();
    for (;;) {
      if (this.#woken === "wake") return;
      if (this.#woken !== undefined) throw this.#end(this.#woken);
      if (this.#broken !== undefined) throw this.#broken;
      if (this.#arrived === null) throw new ConnectionBroken("The client is gone");
      if (this.#arrived !== undefined) {
        this.#parts.decoder.push(this.#arrived);
        this.#arrived = undefined;
        return;
      }
      this.#read();
      this.#startTimer();
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#resume = resolve;
      await promise;
      this.#resume = undefined;
    }
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

  #end(what: Exclude<Wake, "wake">): SessionEnd | Refusal {
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
