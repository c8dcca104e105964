import { BufferPool } from "#base/buffer-pool.ts";
import type { Clock } from "#base/clock.ts";
import { DeadlineExceeded, withDeadline } from "#base/deadline.ts";
import { limits } from "#base/limits.ts";
import { type ByteStream, ConnectionBroken } from "#base/stream.ts";
import { ResponseWriter } from "#wire/index.ts";

const LF = 0x0a;

/** For the sessions that have much to say at the moment. */
const outputBuffers = new BufferPool(limits.outputBufferBytes);

/**
 * What a session has to say and has not sent yet. Writing never waits; a command that writes much
 * asks `full` now and then and awaits `flush`, so a client that stops reading costs one buffer.
 *
 * Nothing leaves before what it was computed from is durable: `flush` waits for that first.
 */
export class Output extends ResponseWriter {
  readonly #stream: ByteStream;
  readonly #durable: () => Promise<unknown> | undefined;
  readonly #clock: Clock;
  #lastSent = LF;

  /** @param durable undefined when all that was read is durable, else a promise for it */
  constructor(stream: ByteStream, clock: Clock, durable: () => Promise<unknown> | undefined) {
    super(outputBuffers);
    this.#clock = clock;
    this.#stream = stream;
    this.#durable = durable;
  }

  /** True when it is time to `flush` before writing on. */
  get full(): boolean {
    return this.length >= limits.outputBufferBytes;
  }

  /**
   * Sends what was written, after it has become durable and as fast as the client takes it.
   * Undefined when there was nothing to wait for. Rejects with `Refusal` when the account was lost,
   * with `ConnectionBroken` when the client is gone or takes nothing for too long.
   */
  flush(): Promise<void> | undefined {
    if (this.length === 0) return undefined;
    const durable = this.#durable();
    return durable === undefined ? this.send() : durable.then(() => this.send());
  }

  /** Sends without regard to durability: for words that say nothing of the account. */
  send(): Promise<void> | undefined {
    let waiting: Promise<void> | undefined;
    this.drain((chunk, buffer) => {
      this.#lastSent = chunk[chunk.length - 1]!;
      const promise =
        buffer === undefined
          ? this.#stream.write(chunk)
          : this.#stream.write(chunk, () => outputBuffers.give(buffer));
      if (promise === undefined) return;
      // The last promise speaks for all: when the connection breaks, it rejects too.
      waiting?.catch(() => undefined);
      waiting = promise;
    });
    return waiting === undefined ? undefined : this.#patiently(waiting);
  }

  async #patiently(waiting: Promise<void>): Promise<void> {
    try {
      await withDeadline(this.#clock, limits.imapIdleTimeoutMs, "Sending", waiting);
    } catch (error) {
      if (!(error instanceof DeadlineExceeded)) throw error;
      throw new ConnectionBroken("The client takes nothing any more", { cause: error });
    }
  }

  /** True where a new response may begin: the last one ended. */
  atLineStart(): boolean {
    if (this.length === 0) return this.#lastSent === LF;
    const chunks = this.take();
    for (const chunk of chunks) this.bytes(chunk);
    return chunks.at(-1)!.at(-1) === LF;
  }

  /** Forgets what was not sent: it may say what is no longer true. */
  drop(): void {
    this.take();
  }
}
