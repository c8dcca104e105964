import type { Socket } from "node:net";
import type { Clock, Timer } from "#base/clock.ts";
import { Bug } from "#base/assert.ts";
import { limits } from "#base/limits.ts";
import { type ByteStream, ConnectionBroken } from "#base/stream.ts";

/** A socket under a link: Unix, TCP or TLS. The writes of one turn of the event loop leave together. */
export class SocketCarrier implements ByteStream {
  readonly #socket: Socket;
  readonly #clock: Clock;
  #incoming: Uint8Array[] = [];
  #incomingBytes = 0;
  #reader: PromiseWithResolvers<Uint8Array | null> | undefined;
  #inputEnded = false;
  #failure: ConnectionBroken | undefined;
  #corked = false;
  #drained: PromiseWithResolvers<void> | undefined;
  #outputEnded = false;
  #linger: Timer | undefined;

  constructor(socket: Socket, clock: Clock) {
    this.#socket = socket;
    this.#clock = clock;
    socket.setNoDelay(true);
    socket.on("data", (bytes: Buffer) => this.#take(bytes));
    socket.on("drain", () => this.#release());
    socket.on("end", () => this.#endInput());
    socket.on("error", (error) => this.#break(error));
    socket.on("close", () => this.#closed());
  }

  read(): Promise<Uint8Array | null> {
    const first = this.#incoming.shift();
    if (first !== undefined) {
      this.#incomingBytes -= first.length;
      if (this.#incomingBytes < limits.unsentBytesMax && this.#socket.isPaused())
        this.#socket.resume();
      return Promise.resolve(first);
    }
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#inputEnded) return Promise.resolve(null);
    if (this.#reader !== undefined) throw new Bug("Two reads at a time");
    this.#reader = Promise.withResolvers();
    this.#reader.promise.catch(() => {});
    return this.#reader.promise;
  }

  write(bytes: Uint8Array): Promise<void> | undefined {
    if (this.#outputEnded || this.#failure !== undefined) {
      const refused = Promise.reject(this.#failure ?? new ConnectionBroken("The link is closed"));
      refused.catch(() => {});
      return refused;
    }
    if (!this.#corked) {
      this.#corked = true;
      this.#socket.cork();
      process.nextTick(() => this.#uncork());
    }
    this.#socket.write(bytes);
    if (this.#socket.writableLength < limits.unsentBytesMax) return undefined;
    this.#uncork();
    if (this.#socket.writableLength < limits.unsentBytesMax) return undefined;
    this.#drained ??= Promise.withResolvers();
    this.#drained.promise.catch(() => {});
    return this.#drained.promise;
  }

  end(): void {
    if (this.#outputEnded || this.#failure !== undefined) return;
    this.#uncork();
    this.#outputEnded = true;
    this.#endInput();
    this.#incoming = [];
    if (this.#socket.destroyed) return;
    this.#socket.resume();
    this.#linger = this.#clock.after(limits.lingerMs, () => this.#socket.destroy());
    this.#socket.end();
  }

  destroy(): void {
    this.#outputEnded = true;
    this.#endInput();
    this.#socket.destroy();
  }

  #uncork(): void {
    if (!this.#corked) return;
    this.#corked = false;
    this.#socket.uncork();
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
    if (this.#incomingBytes >= limits.unsentBytesMax) this.#socket.pause();
  }

  #endInput(): void {
    this.#inputEnded = true;
    this.#reader?.resolve(null);
    this.#reader = undefined;
  }

  #release(): void {
    this.#drained?.resolve();
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
    this.#drained?.reject(this.#failure ?? new ConnectionBroken("The link is closed"));
    this.#drained = undefined;
  }
}
