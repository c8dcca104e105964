import type { Clock } from "#base/clock.ts";
import { DeadlineExceeded, withDeadline } from "#base/deadline.ts";
import { limits } from "#base/limits.ts";
import { type ByteStream, ConnectionBroken } from "#base/stream.ts";
import { Pop3ReplyWriter } from "#wire/index.ts";

interface OutputParts {
  readonly stream: ByteStream;
  readonly clock: Clock;
  /** Undefined when all that was read is durable, else a promise for it. */
  readonly durable: () => Promise<unknown> | undefined;
}

/**
 * What a session has to say and has not sent yet. Nothing leaves before what it was computed from
 * is durable, and a client that stops reading costs one buffer.
 */
export class Output extends Pop3ReplyWriter {
  readonly #parts: OutputParts;
  /** A response was begun and a part of it sent: then nothing else can be said. */
  midway = false;

  constructor(parts: OutputParts) {
    super();
    this.#parts = parts;
  }

  /** True when it is time to `flush` before writing on. */
  get full(): boolean {
    return this.length >= limits.outputBufferBytes;
  }

  /**
   * Sends what was written, after it has become durable and as fast as the client takes it. Rejects
   * with `Refusal` when the account was lost, with `ConnectionBroken` when the client is gone.
   */
  async flush(): Promise<void> {
    if (this.length === 0) return;
    const durable = this.#parts.durable();
    if (durable !== undefined) await durable;
    await this.send();
  }

  /** Sends without regard to durability: for words that say nothing of the account. */
  async send(): Promise<void> {
    let waiting: Promise<void> | undefined;
    for (const chunk of this.take()) {
      const promise = this.#parts.stream.write(chunk);
      if (promise === undefined) continue;
      // The last promise speaks for all: when the connection breaks, it rejects too.
      waiting?.catch(() => undefined);
      waiting = promise;
    }
    if (waiting === undefined) return;
    try {
      await withDeadline(this.#parts.clock, limits.pop3IdleTimeoutMs, "Sending", waiting);
    } catch (error) {
      if (!(error instanceof DeadlineExceeded)) throw error;
      throw new ConnectionBroken("The client takes nothing any more", { cause: error });
    }
  }
}
