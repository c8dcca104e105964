import type { Socket } from "node:net";
import type { Clock, Timer } from "#base/clock.ts";
import { Bug } from "#base/assert.ts";
import { concatBytes } from "#base/bytes.ts";
import { limits } from "#base/limits.ts";
import { ConnectionBroken } from "#base/stream.ts";
import type { ByteStream } from "#base/stream.ts";
import { takeDescriptor, type TakenSocket } from "./parked/index.ts";

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
 * sends that at once; so the responses of a pipelined burst leave in one write. Much output leaves
 * in writes of `limits.writeBytes`, and more than `limits.unsentBytesMax` on the way makes writers
 * wait: there is something to do for the socket while the next bytes are made.
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
  #outgoingBytes = 0;
  /** Of those who wrote what is outgoing, who wants to know when it was sent. */
  #toTell: (() => void)[] = [];
  /** Bytes that were written to us and that the kernel has not taken yet. */
  #unsentBytes = 0;
  #flushWanted = false;
  #drained: Pending<void> | undefined;
  #allSent: Pending<void> | undefined;
  #outputEnded = false;

  /** Somebody else reads from now on. */
  #released = false;

  #failure: ConnectionBroken | undefined;
  #linger: Timer | undefined;

  constructor(socket: Socket, clock: Clock) {
    this.#socket = socket;
    this.#clock = clock;
    this.#listen("on");
  }

  read(): Promise<Uint8Array | null> {
    if (this.#released)
      return Promise.reject(new ConnectionBroken("The stream was taken off its socket"));
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

  withdrawRead(): boolean {
    if (this.#reader === undefined) return false;
    this.#reader = undefined;
    return true;
  }

  write(bytes: Uint8Array, sent?: () => void): Promise<void> | undefined {
    if (this.#failure !== undefined || this.#outputEnded) {
      const refused = Promise.reject(
        this.#failure ?? new ConnectionBroken("The connection is closed"),
      );
      refused.catch(() => {});
      return refused;
    }
    if (bytes.length === 0) return undefined;
    this.#outgoing.push(bytes);
    if (sent !== undefined) this.#toTell.push(sent);
    this.#outgoingBytes += bytes.length;
    this.#unsentBytes += bytes.length;
    if (this.#outgoingBytes >= limits.writeBytes) this.#flush();
    else if (!this.#flushWanted) {
      this.#flushWanted = true;
      process.nextTick(() => {
        this.#flushWanted = false;
        this.#flush();
      });
    }
    if (this.#unsentBytes < limits.unsentBytesMax) return undefined;
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
   * @param mayHoldInput what is there belongs to the handshake: nobody ever spoke in plain text here
   */
  async detach(mayHoldInput = false): Promise<Socket> {
    if (this.#reader !== undefined) throw new Bug("Detached during a read");
    this.#socket.pause();
    if (mayHoldInput) this.#giveBack();
    else if (this.#incomingBytes > 0 || this.#socket.readableLength > 0) {
      this.destroy();
      throw new ConnectionBroken("Plain text was sent ahead of the TLS handshake");
    }
    for (let sent = this.whenSent(); sent !== undefined; sent = this.whenSent()) await sent;
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#outputEnded) throw new ConnectionBroken("The connection is closed");
    this.#listen("off");
    return this.#socket;
  }

  #giveBack(): void {
    for (const bytes of this.#incoming.toReversed()) this.#socket.unshift(bytes);
    this.#incoming = [];
    this.#incomingBytes = 0;
  }

  /** Undefined where all that was written has been taken by the system, else a promise for that. */
  whenSent(): Promise<void> | undefined {
    this.#flush();
    if (this.#unsentBytes === 0 || this.#outputEnded || this.#failure !== undefined)
      return undefined;
    this.#allSent ??= pending();
    return this.#allSent.promise;
  }

  /**
   * Takes the connection from Node and from this stream, which is over then. Undefined, and nothing
   * has changed, where it is not at rest: a read is pending, bytes are on their way.
   */
  release(): TakenSocket | undefined {
    const atRest =
      this.#reader === undefined &&
      this.#incomingBytes === 0 &&
      this.#unsentBytes === 0 &&
      !this.#inputEnded &&
      !this.#outputEnded &&
      this.#failure === undefined;
    if (!atRest) return undefined;
    this.#listen("off");
    const taken = takeDescriptor(this.#socket);
    if (taken === undefined) {
      this.#listen("on");
      return undefined;
    }
    this.#inputEnded = this.#outputEnded = true;
    return taken;
  }

  /**
   * The socket itself, paused, with all that was written sent before, and the bytes that no `read`
   * has returned. A pending read rejects, and so does every later one. Another stream goes on from
   * there.
   */
  async detachWithInput(): Promise<{ socket: Socket; unread: Uint8Array }> {
    this.#released = true;
    this.#socket.pause();
    this.#reader?.reject(new ConnectionBroken("The stream was taken off its socket"));
    this.#reader = undefined;
    for (let sent = this.whenSent(); sent !== undefined; sent = this.whenSent()) await sent;
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#outputEnded || this.#inputEnded)
      throw new ConnectionBroken("The connection is closed");
    this.#outputEnded = true;
    this.#listen("off");
    const unread = concatBytes(this.#incoming);
    this.#incoming = [];
    this.#incomingBytes = 0;
    return { socket: this.#socket, unread };
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
    if (this.#outgoing.length === 0 || this.#outputEnded) return;
    const parts = mergeSmall(this.#outgoing);
    const length = this.#outgoingBytes;
    this.#outgoing = [];
    this.#outgoingBytes = 0;
    const toTell = this.#toTell;
    this.#toTell = [];
    const sent = (error?: Error | null): void => {
      this.#unsentBytes -= length;
      // After an error nobody knows who still reads them.
      if (error !== undefined && error !== null) return;
      for (const tell of toTell) tell();
      this.#releaseWriters();
    };
    const last = parts.pop()!;
    if (parts.length === 0) {
      this.#socket.write(last, sent);
      return;
    }
    this.#socket.cork();
    for (const part of parts) this.#socket.write(part);
    this.#socket.write(last, sent);
    this.#socket.uncork();
  }

  #releaseWriters(): void {
    if (this.#unsentBytes === 0) {
      this.#allSent?.resolve();
      this.#allSent = undefined;
    }
    if (this.#drained === undefined || this.#unsentBytes >= limits.unsentBytesMax) return;
    this.#drained.resolve();
    this.#drained = undefined;
  }

  #break(error: Error): void {
    if (this.#failure !== undefined) return;
    this.#failure = new ConnectionBroken(error.message, { cause: error });
    this.#reader?.reject(this.#failure);
    this.#reader = undefined;
    this.#rejectWriters(this.#failure);
    this.#socket.destroy();
  }

  #closed(): void {
    this.#linger?.cancel();
    this.#endInput();
    this.#outputEnded = true;
    this.#rejectWriters(this.#failure ?? new ConnectionBroken("The connection is closed"));
  }

  #rejectWriters(error: Error): void {
    this.#drained?.reject(error);
    this.#allSent?.reject(error);
    this.#drained = this.#allSent = undefined;
  }
}

/** Copies neighbouring small parts together; large ones stay as they are. */
function mergeSmall(parts: readonly Uint8Array[]): Uint8Array[] {
  const out: Uint8Array[] = [];
  let first = 0;
  for (let i = 0; i <= parts.length; i++) {
    const part = parts[i];
    if (part !== undefined && part.length <= limits.mergedPartBytesMax) continue;
    if (i > first) out.push(concatBytes(parts.slice(first, i)));
    if (part !== undefined) out.push(part);
    first = i + 1;
  }
  return out;
}
