import type { Socket } from "node:net";
import type { Clock, Timer } from "#base/clock.ts";
import { Bug } from "#base/assert.ts";
import { concatBytes } from "#base/bytes.ts";
import { limits } from "#base/limits.ts";
import { ConnectionBroken } from "#base/stream.ts";
import type { ByteStream } from "#base/stream.ts";

interface Pending<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(error: Error): void;
}

function pending<T>(): Pending<T> {
  const made = Promise.withResolvers<T>();
  // Who does not wait for it learns of the broken connection at the next read or write.
  made.promise.catch(() => {});
  return made;
}

/**
 * A TCP, Unix or TLS socket as a `ByteStream`.
 *
 * Inwards it takes at most `limits.inputBufferBytes` (and what the socket itself buffers) while
 * nobody reads. Outwards it collects what is written until the thread has nothing else to do, and
 * sends that at once; so the responses of a pipelined burst leave in one write. More than
 * `limits.outputBufferBytes` on the way makes writers wait.
 */
export class SocketStream implements ByteStream {
  readonly #socket: Socket;
  readonly #clock: Clock;

  #incoming: Uint8Array[] = [];
  #incomingBytes = 0;
  #reader: Pending<Uint8Array | null> | undefined;
  /** No more bytes will come in. */
  #inputEnded = false;

  #outgoing: Uint8Array[] = [];
  /** Bytes that were written to us and that the kernel has not taken yet. */
  #unsentBytes = 0;
  #flushWanted = false;
  #drained: Pending<void> | undefined;
  #outputEnded = false;

  #failure: ConnectionBroken | undefined;
  #linger: Timer | undefined;

  constructor(socket: Socket, clock: Clock) {
    this.#socket = socket;
    this.#clock = clock;
    this.#listen("on");
  }

  read(): Promise<Uint8Array | null> {
    const first = this.#incoming.shift();
    if (first !== undefined) {
      this.#incomingBytes -= first.length;
      if (this.#incomingBytes < limits.inputBufferBytes && this.#socket.isPaused())
        this.#socket.resume();
      return Promise.resolve(first);
    }
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#inputEnded) return Promise.resolve(null);
    if (this.#reader !== undefined) throw new Bug("Two reads at a time");
    this.#reader = pending();
    return this.#reader.promise;
  }

  write(bytes: Uint8Array): Promise<void> | undefined {
    if (this.#failure !== undefined || this.#outputEnded) {
      const refused = Promise.reject(
        this.#failure ?? new ConnectionBroken("The connection is closed"),
      );
      refused.catch(() => {});
      return refused;
    }
    if (bytes.length === 0) return undefined;
    this.#outgoing.push(bytes);
    this.#unsentBytes += bytes.length;
    if (this.#unsentBytes < limits.outputBufferBytes) {
      if (!this.#flushWanted) {
        this.#flushWanted = true;
        process.nextTick(() => this.#flush());
      }
      return undefined;
    }
    this.#flush();
    this.#drained ??= pending();
    return this.#drained.promise;
  }

  end(): void {
    if (this.#outputEnded || this.#failure !== undefined) return;
    this.#flush();
    this.#outputEnded = true;
    this.#endInput();
    this.#incoming = [];
    this.#incomingBytes = 0;
    if (this.#socket.destroyed) return;
    // Reads on, so that the peer's end is noticed. A peer that takes nothing any more or that never
    // closes its side is not waited for long.
    this.#socket.resume();
    this.#linger = this.#clock.after(limits.lastWriteMs, () => this.#socket.destroy());
    this.#socket.end(() => {
      this.#linger?.cancel();
      if (!this.#socket.destroyed)
        this.#linger = this.#clock.after(limits.lingerMs, () => this.#socket.destroy());
    });
  }

  destroy(): void {
    this.#outputEnded = true;
    this.#endInput();
    this.#socket.destroy();
  }

  /**
   * The socket itself, for a TLS handshake on it, with all that was written sent before. Bytes that
   * the peer sent already would come from the plain text under the lock: they break the connection.
   * RFC 9051 §6.2.1, RFC 3207 §4.2
   */
  async detach(): Promise<Socket> {
    if (this.#reader !== undefined) throw new Bug("Detached during a read");
    this.#socket.pause();
    if (this.#incomingBytes > 0 || this.#socket.readableLength > 0) {
      this.destroy();
      throw new ConnectionBroken("Plain text was sent ahead of the TLS handshake");
    }
    this.#flush();
    while (this.#unsentBytes > 0 && !this.#outputEnded) {
      this.#drained ??= pending();
      await this.#drained.promise;
    }
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#outputEnded) throw new ConnectionBroken("The connection is closed");
    this.#listen("off");
    return this.#socket;
  }

  readonly #onData = (bytes: Buffer): void => this.#take(bytes);
  readonly #onEnd = (): void => this.#endInput();
  readonly #onError = (error: Error): void => this.#break(error);
  readonly #onClose = (): void => this.#closed();

  #listen(how: "on" | "off"): void {
    this.#socket[how]("data", this.#onData);
    this.#socket[how]("end", this.#onEnd);
    this.#socket[how]("error", this.#onError);
    // What TLS finds wrong after the handshake is told here only.
    this.#socket[how]("_tlsError", this.#onError);
    this.#socket[how]("close", this.#onClose);
  }

  #take(bytes: Uint8Array): void {
    if (this.#inputEnded) return;
    if (this.#reader !== undefined) {
      const reader = this.#reader;
      this.#reader = undefined;
      reader.resolve(bytes);
      return;
    }
    this.#incoming.push(bytes);
    this.#incomingBytes += bytes.length;
    if (this.#incomingBytes >= limits.inputBufferBytes) this.#socket.pause();
  }

  #endInput(): void {
    this.#inputEnded = true;
    this.#reader?.resolve(null);
    this.#reader = undefined;
  }

  #flush(): void {
    this.#flushWanted = false;
    const parts = this.#outgoing;
    if (parts.length === 0 || this.#outputEnded) return;
    this.#outgoing = [];
    let length = 0;
    for (const part of parts) length += part.length;
    const sent = (error?: Error | null): void => {
      this.#unsentBytes -= length;
      if (error === undefined || error === null) this.#releaseWriters();
    };
    if (parts.length === 1 || length <= limits.mergedWriteBytesMax) {
      this.#socket.write(concatBytes(parts), sent);
      return;
    }
    this.#socket.cork();
    const last = parts.pop()!;
    for (const part of parts) this.#socket.write(part);
    this.#socket.write(last, sent);
    this.#socket.uncork();
  }

  #releaseWriters(): void {
    if (this.#drained === undefined || this.#unsentBytes >= limits.outputBufferBytes) return;
    this.#drained.resolve();
    this.#drained = undefined;
  }

  #break(error: Error): void {
    if (this.#failure !== undefined) return;
    this.#failure = new ConnectionBroken(error.message, { cause: error });
    this.#reader?.reject(this.#failure);
    this.#reader = undefined;
    this.#drained?.reject(this.#failure);
    this.#drained = undefined;
    this.#socket.destroy();
  }

  #closed(): void {
    this.#linger?.cancel();
    this.#endInput();
    this.#outputEnded = true;
    this.#drained?.reject(this.#failure ?? new ConnectionBroken("The connection is closed"));
    this.#drained = undefined;
  }
}
