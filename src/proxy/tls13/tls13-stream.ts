import type { Socket } from "node:net";
import type { Clock } from "#base/clock.ts";
import { Bug } from "#base/assert.ts";
import { concatBytes } from "#base/bytes.ts";
import { limits } from "#base/limits.ts";
import { ConnectionBroken } from "#base/stream.ts";
import type { ByteStream } from "#base/stream.ts";
import type { TakenSocket } from "../parked/index.ts";
import type { AlertName } from "./alerts.ts";
import { RecordLayer } from "./record-layer.ts";
import { RecordReader } from "./record-reader.ts";
import { encodeTls13State } from "./state.ts";
import type { Tls13State } from "./state.ts";

/** What carries the records: a stream that can be taken off its socket again. */
export interface Carrier extends ByteStream {
  /** Undefined where all that was written has been taken by the system, else a promise for that. */
  whenSent(): Promise<void> | undefined;
  /** Takes the connection from Node where it is at rest; else undefined, and nothing has changed. */
  release(): TakenSocket | undefined;
  /**
   * The socket, paused, with all that was written sent before, and the bytes that were read from it
   * and returned by no `read`. A pending read rejects with `ConnectionBroken`.
   */
  detachWithInput(): Promise<{ readonly socket: Socket; readonly unread: Uint8Array }>;
}

/** A connection of TLS 1.3 that is nothing but bytes and a socket. */
export interface FrozenTls13 {
  readonly socket: Socket;
  /** See `encodeTls13State`. */
  readonly state: Uint8Array;
  /** What the peer sent and nobody has read, still encrypted. */
  readonly ciphertext: Uint8Array;
}

/** A connection of TLS 1.3 that Node no longer knows; its `pending` bytes are still encrypted. */
export interface TakenTls13 extends TakenSocket {
  /** See `encodeTls13State`. */
  readonly tls: Uint8Array;
}

/**
 * A connection of TLS 1.3 after its handshake, as a `ByteStream`. What is written in one turn leaves
 * in as few records as possible and in one write; while the carrier is busy, what comes is kept as it
 * is. A peer that breaks the protocol gets one alert, and reads reject with `ConnectionBroken`.
 */
export class Tls13Stream implements ByteStream {
  readonly #carrier: Carrier;
  readonly #layer: RecordLayer;
  readonly #reader = new RecordReader();
  #reading: Promise<Uint8Array | null> | undefined;
  #awaitsCarrier = false;
  #inputEnded = false;
  #outputEnded = false;
  #failure: ConnectionBroken | undefined;

  #outgoing: Uint8Array[] = [];
  #outgoingBytes = 0;
  /** Of those who wrote what is outgoing, who wants to know when it was sealed. */
  #toTell: (() => void)[] = [];
  #flushWanted = false;
  /** Settles when the carrier has taken all that came before. */
  #busy: Promise<void> | undefined;

  /** `ciphertext`: what the peer sent before the carrier's first read. */
  constructor(
    carrier: Carrier,
    from: { readonly state: Tls13State; readonly ciphertext: Uint8Array; readonly clock: Clock },
  ) {
    this.#carrier = carrier;
    this.#layer = new RecordLayer(from.state, from.clock);
    this.#reader.push(from.ciphertext);
  }

  async read(): Promise<Uint8Array | null> {
    if (this.#reading !== undefined) throw new Bug("Two reads at a time");
    const reading = this.#readData();
    this.#reading = reading;
    try {
      return await reading;
    } finally {
      this.#reading = undefined;
    }
  }

  /** Only a read that waits for the carrier can be withdrawn: no record has been opened for it. */
  withdrawRead(): boolean {
    if (!this.#awaitsCarrier || this.#carrier.withdrawRead?.() !== true) return false;
    this.#awaitsCarrier = false;
    this.#reading = undefined;
    return true;
  }

  async #readData(): Promise<Uint8Array | null> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#inputEnded) return null;
      const record = this.#reader.next();
      if (typeof record === "string") this.#fail(record, `what is no record: ${record}`);
      else if (record === undefined) await this.#readMore();
      else {
        const received = this.#layer.receive(record);
        if (received.kind === "data") return received.bytes;
        if (received.kind === "closed") this.#inputEnded = true;
        if (received.kind === "failed") this.#fail(received.alert, received.reason);
      }
    }
  }

  /**
   * An end without close_notify is an end: mail clients often just go. Every protocol above says
   * itself whether a command or a message was complete. RFC 8446 §6.1
   */
  async #readMore(): Promise<void> {
    this.#awaitsCarrier = true;
    let bytes;
    try {
      bytes = await this.#carrier.read();
    } finally {
      this.#awaitsCarrier = false;
    }
    if (bytes !== null) {
      this.#reader.push(bytes);
      return;
    }
    if (this.#reader.midRecord && !this.#outputEnded)
      this.#failure ??= new ConnectionBroken("The peer went away in the middle of a record");
    this.#inputEnded = true;
  }

  #fail(alert: AlertName | undefined, reason: string): void {
    this.#failure = new ConnectionBroken(`TLS: the peer sent ${reason}`);
    if (this.#outputEnded) return;
    this.#outputEnded = true;
    this.#outgoing = [];
    this.#outgoingBytes = 0;
    // The carrier's own failure is no news here.
    if (alert !== undefined) this.#carrier.write(this.#layer.sealAlert(alert))?.catch(() => {});
    this.#carrier.end();
  }

  write(bytes: Uint8Array, sent?: () => void): Promise<void> | undefined {
    if (this.#failure !== undefined || this.#outputEnded) {
      const refused = Promise.reject(
        this.#failure ?? new ConnectionBroken("The connection is closed"),
      );
      refused.catch(() => {});
      return refused;
    }
    if (bytes.length === 0) return this.#busy;
    this.#outgoing.push(bytes);
    if (sent !== undefined) this.#toTell.push(sent);
    this.#outgoingBytes += bytes.length;
    if (this.#outgoingBytes >= limits.writeBytes) this.#flush();
    else if (!this.#flushWanted) {
      this.#flushWanted = true;
      process.nextTick(() => {
        this.#flushWanted = false;
        this.#flush();
      });
    }
    return this.#busy;
  }

  end(): void {
    if (this.#outputEnded) return;
    while (this.#outgoingBytes > 0) this.#sendSome()?.catch(() => {});
    this.#outputEnded = true;
    this.#inputEnded = true;
    this.#carrier.write(this.#layer.sealAlert("close_notify"))?.catch(() => {});
    this.#carrier.end();
  }

  destroy(): void {
    this.#outputEnded = true;
    this.#inputEnded = true;
    this.#outgoing = [];
    this.#outgoingBytes = 0;
    this.#carrier.destroy();
  }

  /** Undefined where all that was written has been taken by the system, else a promise for that. */
  whenSent(): Promise<void> | undefined {
    if (this.#failure !== undefined || this.#outputEnded) return undefined;
    this.#flush();
    return this.#busy ?? this.#carrier.whenSent();
  }

  /**
   * Sends what was written, then takes the connection off its stream; this object is of no use
   * afterwards. A pending read rejects with `ConnectionBroken`, or gives what it had. Rejects where the connection broke or
   * was ended by either side: such a connection has no state worth keeping.
   */
  async freeze(): Promise<FrozenTls13> {
    this.#flush();
    while (this.#busy !== undefined) await this.#busy;
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#outputEnded || this.#inputEnded)
      throw new ConnectionBroken("The connection is closed");
    this.#outputEnded = true;
    const { socket, unread } = await this.#carrier.detachWithInput();
    // What a pending read had from the carrier already may be the beginning of a record.
    await this.#reading?.catch(() => {});
    const state = encodeTls13State(this.#layer.state);
    return { socket, state, ciphertext: concatBytes([this.#reader.takeRest(), unread]) };
  }

  /**
   * Takes the connection from Node and from this stream, which is over then. Undefined, and nothing
   * has changed, where it is not at rest: a read is pending, bytes are on their way, a part of a
   * record has come.
   */
  release(): TakenTls13 | undefined {
    const atRest =
      this.#reading === undefined &&
      this.#outgoingBytes === 0 &&
      this.#busy === undefined &&
      !this.#reader.midRecord &&
      !this.#inputEnded &&
      !this.#outputEnded &&
      this.#failure === undefined;
    const taken = atRest ? this.#carrier.release() : undefined;
    if (taken === undefined) return undefined;
    this.#inputEnded = this.#outputEnded = true;
    return { ...taken, tls: encodeTls13State(this.#layer.state) };
  }

  #flush(): void {
    while (this.#outgoingBytes > 0 && this.#busy === undefined) {
      const sent = this.#sendSome();
      if (sent !== undefined) this.#wait(sent);
    }
  }

  #wait(sent: Promise<void>): void {
    const busy = sent.then(
      () => {
        this.#busy = undefined;
        this.#flush();
        return this.#busy;
      },
      (error: unknown) => {
        this.#failure ??= asBroken(error);
        throw this.#failure;
      },
    );
    busy.catch(() => {});
    this.#busy = busy;
  }

  /** Seals about `limits.writeBytes` of what waits. */
  #sendSome(): Promise<void> | undefined {
    let pieces = this.#outgoing;
    this.#outgoing = [];
    const total = this.#outgoingBytes;
    this.#outgoingBytes = 0;
    if (total > limits.writeBytes) {
      let length = 0;
      let count = 0;
      while (length < limits.writeBytes) length += pieces[count++]!.length;
      const rest = pieces.slice(count);
      pieces = pieces.slice(0, count);
      if (length > limits.writeBytes) {
        const last = pieces[count - 1]!;
        const kept = last.length - (length - limits.writeBytes);
        pieces[count - 1] = last.subarray(0, kept);
        rest.unshift(last.subarray(kept));
      }
      this.#outgoing = rest;
      this.#outgoingBytes = total - limits.writeBytes;
    }
    const sealed = this.#layer.seal(pieces, takeBuffer);
    if (this.#outgoingBytes === 0 && this.#toTell.length > 0) {
      const told = this.#toTell;
      this.#toTell = [];
      process.nextTick(() => told.forEach((sent) => sent()));
    }
    return sealed.buffer.byteLength === sharedBufferBytes
      ? this.#carrier.write(sealed, () => giveBuffer(sealed.buffer))
      : this.#carrier.write(sealed);
  }
}

/** Memory for full writes, used again when they were sent. */
const buffers: ArrayBufferLike[] = [];
const sharedBufferBytes = limits.writeBytes + 4096;

function takeBuffer(length: number): Buffer {
  if (length < limits.writeBytes || length > sharedBufferBytes) return Buffer.allocUnsafe(length);
  return Buffer.from(buffers.pop() ?? new ArrayBuffer(sharedBufferBytes));
}

function giveBuffer(buffer: ArrayBufferLike): void {
  if (buffers.length < limits.tlsSpareBuffersMax) buffers.push(buffer);
}

function asBroken(error: unknown): ConnectionBroken {
  return error instanceof ConnectionBroken
    ? error
    : new ConnectionBroken("The connection broke", { cause: error });
}
