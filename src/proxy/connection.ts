import { TLSSocket } from "node:tls";
import type { SecureContext } from "node:tls";
import type { Socket } from "node:net";
import type { Clock } from "#base/clock.ts";
import type { Shutdown } from "#base/shutdown.ts";
import type { ByteStream, PeerInfo, SessionStream } from "#base/stream.ts";
import type { ChannelBindingType } from "#auth/index.ts";
import { Bug } from "#base/assert.ts";
import { noBytes } from "#base/bytes.ts";
import { withDeadline } from "#base/deadline.ts";
import { limits } from "#base/limits.ts";
import { ConnectionBroken } from "#base/stream.ts";
import { DeflatedStream } from "./deflated-stream.ts";
import type { TakenSocket } from "./parked/index.ts";
import { SocketStream } from "./socket-stream.ts";
import { channelBinding } from "./tls/channel-binding.ts";
import { acceptTls, thawTls13 } from "./tls13/index.ts";
import type { TakenTls13, Tls13Stream, TlsFacts } from "./tls13/index.ts";

/** What TLS needs of whoever keeps the certificates; asked anew for every handshake. */
export interface SecureContexts {
  /** The context for a server name; undefined: the client named none. */
  contextFor(serverName: string | undefined): SecureContext;
  /** False: OpenSSL keeps its connections, TLS 1.3 included. Default: those are taken over. */
  readonly takesOver?: boolean;
}

/** A connection that was taken to be parked; `tls` where TLS 1.3 is on it. */
export type TakenConnection = TakenSocket & Partial<Pick<TakenTls13, "tls">>;

/**
 * One accepted connection: the stream that its protocol talks through, and what can be done to it.
 * The stream stays the same object when TLS or compression is put under it.
 */
export class Connection {
  readonly stream: SessionStream;
  /** The name of the listener that accepted it. */
  readonly listener: string;
  readonly shutdown: Shutdown;
  /** Who has logged in, for administrators. */
  loginName: string | undefined;
  readonly #layers: LayeredStream;
  readonly #clock: Clock;
  readonly #contexts: SecureContexts | undefined;
  #socketStream: SocketStream;
  /** OpenSSL's, where the connection is not taken over. */
  #tls: TLSSocket | undefined;
  #underTls = false;
  /** The connection after it was taken over. */
  #tls13: Tls13Stream | undefined;
  #facts: TlsFacts | undefined;
  #peer: PeerInfo;

  constructor(socket: Socket, parts: ConnectionParts) {
    this.#clock = parts.clock;
    this.#contexts = parts.contexts;
    this.listener = parts.listener;
    this.shutdown = parts.shutdown;
    this.#peer = parts.peer;
    this.#socketStream = new SocketStream(socket, parts.clock);
    if (parts.tls !== undefined) {
      const frozen = { state: parts.tls, ciphertext: noBytes };
      this.#tls13 = thawTls13(this.#socketStream, frozen, parts.clock);
      this.#underTls = true;
    }
    this.#layers = new LayeredStream(this.#tls13 ?? this.#socketStream);
    this.stream = this.#layers;
  }

  get peer(): PeerInfo {
    return this.#peer;
  }

  /**
   * Takes the connection away, to park it; the stream is over then. Undefined, and nothing has
   * changed, where it is not at rest or where there is more than a socket, or a socket and TLS 1.3 of
   * our own, under it.
   */
  takeDescriptor(): TakenConnection | undefined {
    if (this.stream.compressed) return undefined;
    if (this.#tls13 !== undefined) return this.#tls13.release();
    return this.#underTls ? undefined : this.#socketStream.release();
  }

  /** Undefined where all that was written has been taken by the system, else a promise for that. */
  whenSent(): Promise<void> | undefined {
    return (this.#tls13 ?? this.#socketStream).whenSent();
  }

  /**
   * True while the client may be offered TLS: there is a certificate and no TLS yet, neither here
   * nor at a balancer that is believed.
   */
  get canUpgradeTls(): boolean {
    return this.#contexts !== undefined && !this.#peer.secure;
  }

  /** "TLSv1.3" and the like; undefined without TLS. */
  get tlsProtocol(): string | undefined {
    return this.#facts?.protocol ?? this.#tls?.getProtocol() ?? undefined;
  }

  /** Binding data for SCRAM-…-PLUS; undefined without TLS or where it cannot be had. */
  channelBinding(type: ChannelBindingType): Uint8Array | undefined {
    if (this.#tls !== undefined) return channelBinding(this.#tls, type);
    return type === "tls-exporter" ? this.#facts?.exporterBinding : this.#facts?.endPointBinding;
  }

  /**
   * Sends what was written so far, then takes the server's part in a TLS handshake. To be called in
   * the same turn in which the go-ahead was written: plain text that has arrived by then can only be
   * meant to be read as if it came through TLS, and breaks the connection. Rejects with
   * `ConnectionBroken`, or `DeadlineExceeded` after `limits.tlsHandshakeMs`; the connection is
   * closed then. RFC 9051 §6.2.1, RFC 3207 §4.2
   * @param implicit TLS from the first byte: then bytes that have arrived are those of the handshake
   */
  async upgradeTls(implicit = false): Promise<ByteStream> {
    const contexts = this.#contexts;
    if (contexts === undefined || this.#underTls) throw new Bug("No TLS to upgrade to");
    if (this.stream.compressed) throw new Bug("TLS goes under compression, not over it");
    const socket = await this.#socketStream.detach(implicit);
    // TLS reads the same handle; errors of the socket itself reach us through it.
    socket.on("error", () => {});
    this.#underTls = true;
    if (contexts.takesOver === false) await this.#startOpenSsl(socket, contexts);
    else {
      const contextFor = contexts.contextFor.bind(contexts);
      const { stream, facts } = await acceptTls(socket, { clock: this.#clock, contextFor });
      this.#facts = facts;
      if (stream instanceof SocketStream) this.#socketStream = stream;
      else this.#tls13 = stream;
      this.#layers.replace(stream);
    }
    this.#peer = { ...this.#peer, secure: true };
    return this.stream;
  }

  /** TLS by OpenSSL alone, on the socket itself. */
  async #startOpenSsl(socket: Socket, contexts: SecureContexts): Promise<void> {
    const tls = new TLSSocket(socket, {
      isServer: true,
      allowHalfOpen: true,
      secureContext: contexts.contextFor(undefined),
      SNICallback: (name, answer) => {
        try {
          answer(null, contexts.contextFor(name));
        } catch (error) {
          answer(error as Error);
        }
      },
    } as ConstructorParameters<typeof TLSSocket>[1]);
    try {
      await withDeadline(this.#clock, limits.tlsHandshakeMs, "TLS handshake", handshake(tls));
    } catch (error) {
      tls.destroy();
      this.stream.destroy();
      throw error;
    }
    this.#tls = tls;
    this.#socketStream = new SocketStream(tls, this.#clock);
    this.#layers.replace(this.#socketStream);
  }
}

export interface ConnectionParts {
  readonly clock: Clock;
  readonly shutdown: Shutdown;
  readonly peer: PeerInfo;
  readonly listener: string;
  /** Absent where there shall be no TLS. */
  readonly contexts?: SecureContexts | undefined;
  /** The state of TLS 1.3 that goes on here after parking: `TakenConnection.tls`. */
  readonly tls?: Uint8Array | undefined;
}

function handshake(tls: TLSSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error?: Error): void =>
      reject(
        new ConnectionBroken(`TLS handshake: ${error?.message.trim() ?? "the peer went away"}`, {
          cause: error,
        }),
      );
    tls.once("secure", resolve);
    tls.once("error", failed);
    tls.once("close", () => failed());
    // A later error finds its listener in the SocketStream that follows in the same turn or next.
    tls.on("error", () => {});
  });
}

/** A stream whose carrier can be exchanged while nobody reads. */
class LayeredStream implements SessionStream {
  #carrier: ByteStream;
  #compressed = false;
  /** A read of a carrier that cannot withdraw it, and who waits for it. */
  #carried: Promise<Uint8Array | null> | undefined;
  #taker: object | undefined;

  constructor(carrier: ByteStream) {
    this.#carrier = carrier;
  }

  get compressed(): boolean {
    return this.#compressed;
  }

  replace(carrier: ByteStream): void {
    this.#carrier = carrier;
  }

  startCompression(): void {
    if (this.#compressed) throw new Bug("Compressed already");
    this.#compressed = true;
    this.#carrier = new DeflatedStream(this.#carrier);
  }

  read(): Promise<Uint8Array | null> {
    const carrier = this.#carrier;
    if (carrier.withdrawRead !== undefined && this.#carried === undefined) return carrier.read();
    // What a withdrawn read brings is kept for the next one.
    const reading = (this.#carried ??= carrier.read());
    return new Promise((resolve, reject) => {
      const taker = {};
      this.#taker = taker;
      const done = (give: () => void): void => {
        if (this.#taker !== taker) return;
        this.#taker = this.#carried = undefined;
        give();
      };
      reading.then(
        (bytes) => done(() => resolve(bytes)),
        (error: Error) => done(() => reject(error)),
      );
    });
  }
  withdrawRead(): boolean {
    if (this.#carried === undefined) return this.#carrier.withdrawRead?.() ?? false;
    if (this.#taker === undefined) return false;
    this.#taker = undefined;
    return true;
  }
  write(bytes: Uint8Array, sent?: () => void): Promise<void> | undefined {
    return this.#carrier.write(bytes, sent);
  }
  end(): void {
    this.#carrier.end();
  }
  destroy(): void {
    this.#carrier.destroy();
  }
}
