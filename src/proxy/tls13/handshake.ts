import type { Socket } from "node:net";
import type { X509Certificate } from "node:crypto";
import { TLSSocket } from "node:tls";
import type { SecureContext } from "node:tls";
import type { Clock } from "#base/clock.ts";
import { Bug } from "#base/assert.ts";
import { concatBytes, noBytes } from "#base/bytes.ts";
import { withDeadline } from "#base/deadline.ts";
import { limits } from "#base/limits.ts";
import { ConnectionBroken } from "#base/stream.ts";
import { channelBinding } from "../tls/channel-binding.ts";
import { SocketStream } from "../socket-stream.ts";
import { suiteById } from "./cipher-suites.ts";
import type { CipherSuite } from "./cipher-suites.ts";
import { HandshakeMessages } from "./handshake-messages.ts";
import { LoggedSecrets } from "./keylog.ts";
import { MemoryDuplex } from "./memory-duplex.ts";
import { RecordLayer } from "./record-layer.ts";
import { contentType, open } from "./record-protection.ts";
import { RecordReader } from "./record-reader.ts";
import { chosenSuite } from "./server-hello.ts";
import type { Tls13State } from "./state.ts";
import { Tls13Stream } from "./tls13-stream.ts";
import { trafficKeys } from "./traffic-keys.ts";
import type { TrafficKeys } from "./traffic-keys.ts";

/** What a TLS server needs; asked anew for every handshake, so that certificates can change. */
export interface TlsServer {
  readonly clock: Clock;
  /**
   * The context for a server name; undefined: the client named none. Protocol versions, suites,
   * authorities for client certificates and ticket keys are in it.
   */
  contextFor(serverName: string | undefined): SecureContext;
  /** Default: clients are not asked for a certificate. */
  readonly clientCertificate?: "requested" | "required" | undefined;
  /** Default: what a client says about its protocol is ignored. RFC 7301 §3 */
  readonly alpnProtocols?: readonly string[] | undefined;
}

/** What is known about a connection from its handshake. */
export interface TlsFacts {
  /** "TLSv1.3" and the like. */
  readonly protocol: string;
  /** The cipher suite by its standard name. */
  readonly cipher: string;
  readonly serverName: string | undefined;
  readonly alpnProtocol: string | undefined;
  readonly resumed: boolean;
  readonly clientCertificate: X509Certificate | undefined;
  /** Why that certificate proves nothing; undefined where it does. */
  readonly clientCertificateProblem: string | undefined;
  /** RFC 9266 §2 */
  readonly exporterBinding: Uint8Array | undefined;
  /** RFC 5929 §4.1 */
  readonly endPointBinding: Uint8Array | undefined;
}

export interface AcceptedTls {
  /** A `SocketStream` where OpenSSL goes on by itself: before TLS 1.3, or with a suite we lack. */
  readonly stream: Tls13Stream | SocketStream;
  readonly facts: TlsFacts;
}

/**
 * Takes the server's part in a TLS handshake on `socket`, which nobody else reads, and takes the
 * connection over from OpenSSL where it is TLS 1.3. Rejects with `ConnectionBroken`, or with
 * `DeadlineExceeded` after `limits.tlsHandshakeMs`; the socket is closed then.
 */
export async function acceptTls(socket: Socket, server: TlsServer): Promise<AcceptedTls> {
  const handshake = new ServerHandshake(socket, server);
  try {
    return await withDeadline(
      server.clock,
      limits.tlsHandshakeMs,
      "TLS handshake",
      handshake.accepted,
    );
  } catch (error) {
    handshake.abandon();
    throw error;
  }
}

/**
 * - `handshake`: records go to OpenSSL one by one, until the client's Finished has been seen.
 * - `taking-over`: OpenSSL gets nothing more, and what it still sends is waited for.
 * - `relaying`: OpenSSL gets and sends what it likes, for good.
 * - `over`: taken over, or failed.
 */
type Phase = "handshake" | "taking-over" | "relaying" | "over";

/**
 * One handshake. Two questions decide whether the take-over is exact, and neither is answered by
 * time or by counting what came in:
 *
 * - Where do the client's application records begin? We open its handshake records ourselves, and
 *   OpenSSL gets none after the one in which its Finished ends.
 * - How many records has OpenSSL sent under its application keys? After the handshake it is given
 *   one byte to send. All that it has to say by itself comes out before that byte, which we know by
 *   opening what it sends. The record of the byte never leaves: ours takes its sequence number.
 */
class ServerHandshake {
  readonly accepted: Promise<AcceptedTls>;
  readonly #settle: {
    resolve(accepted: AcceptedTls): void;
    reject(error: Error): void;
  };
  readonly #socket: Socket;
  readonly #server: TlsServer;
  readonly #duplex: MemoryDuplex;
  readonly #tls: TLSSocket;
  readonly #secrets = new LoggedSecrets();
  #phase: Phase = "handshake";

  /** From the client, not yet given to OpenSSL. */
  readonly #incoming = new RecordReader();
  #incomingBytes = 0;
  #incomingRecords = 0;
  #held: Buffer | undefined;
  #pumping = false;
  /** OpenSSL has got a part of a ClientHello and has not answered yet. */
  #helloUnanswered = false;
  readonly #messages = new HandshakeMessages();
  /** What protects the client's handshake records. */
  #clientKeys: TrafficKeys | undefined;

  readonly #outgoing = new RecordReader();
  #suite: CipherSuite | undefined;
  readonly #flight = new HandshakeMessages();
  /** What protects our handshake records. */
  #flightKeys: TrafficKeys | undefined;
  /** What protects our application records; its number is that of OpenSSL's next record. */
  #serverKeys: TrafficKeys | undefined;
  #facts: TlsFacts | undefined;

  constructor(socket: Socket, server: TlsServer) {
    const { promise, resolve, reject } = Promise.withResolvers<AcceptedTls>();
    this.accepted = promise;
    this.#settle = { resolve, reject };
    this.#socket = socket;
    this.#server = server;
    this.#duplex = new MemoryDuplex({
      sent: (bytes, done) => this.#sent(bytes, done),
      wanted: () => {
        if (this.#phase === "relaying") socket.resume();
      },
      finished: () => {
        if (this.#phase === "relaying") socket.end();
      },
    });
    this.#duplex.on("error", () => {});
    this.#duplex.on("close", () => {
      if (this.#phase === "relaying") socket.destroy();
    });
    this.#tls = this.#startOpenSsl();
    this.#listen("on");
    socket.resume();
  }

  /** Closes the socket of a handshake that came to nothing, after OpenSSL's alert. */
  abandon(): void {
    if (this.#phase === "over" && this.#socket.destroyed) return;
    this.#phase = "over";
    this.#socket.resume();
    const linger = this.#server.clock.after(limits.lingerMs, () => this.#socket.destroy());
    this.#socket.once("close", () => linger.cancel());
    // An alert that waits for an earlier write comes in the next turn.
    void this.#server.clock.yield().then(() => {
      this.#tls.destroy();
      this.#socket.end();
    });
  }

  #startOpenSsl(): TLSSocket {
    const { clientCertificate, alpnProtocols } = this.#server;
    const tls = new TLSSocket(this.#duplex, {
      isServer: true,
      allowHalfOpen: true,
      secureContext: this.#server.contextFor(undefined),
      requestCert: clientCertificate !== undefined,
      rejectUnauthorized: clientCertificate === "required",
      ...(alpnProtocols === undefined ? {} : { ALPNProtocols: [...alpnProtocols] }),
      SNICallback: (name, answer) => {
        try {
          answer(null, this.#server.contextFor(name));
        } catch (error) {
          answer(error as Error);
        }
      },
    } as ConstructorParameters<typeof TLSSocket>[1]);
    tls.on("keylog", (line) => this.#secrets.add(line));
    tls.once("secure", () => this.#secure());
    tls.on("error", (error) => this.#fail(error.message.trim(), error));
    tls.once("close", () => this.#fail("OpenSSL closed the connection"));
    return tls;
  }

  readonly #onData = (bytes: Buffer): void => this.#received(bytes);
  readonly #onEnd = (): void => {
    if (this.#phase === "relaying") this.#duplex.give(null);
    else this.#fail("the peer went away");
  };
  readonly #onError = (error: Error): void => {
    if (this.#phase === "relaying") this.#duplex.destroy(error);
    else this.#fail(error.message, error);
  };
  readonly #onClose = (): void => {
    if (this.#phase === "relaying") this.#duplex.destroy();
    else this.#fail("the peer went away");
  };

  #listen(how: "on" | "off"): void {
    this.#socket[how]("data", this.#onData);
    this.#socket[how]("end", this.#onEnd);
    this.#socket[how]("error", this.#onError);
    this.#socket[how]("close", this.#onClose);
  }

  #fail(reason: string, cause?: Error): void {
    if (this.#phase === "relaying") return;
    this.#phase = "over";
    this.#settle.reject(new ConnectionBroken(`TLS handshake: ${reason}`, { cause }));
  }

  // From the client

  #received(bytes: Buffer): void {
    if (this.#phase === "over") return;
    if (this.#phase === "relaying") {
      if (!this.#duplex.give(bytes)) this.#socket.pause();
      return;
    }
    this.#incoming.push(bytes);
    this.#incomingBytes += bytes.length;
    if (this.#phase !== "handshake") return;
    if (this.#incomingBytes > limits.tlsHandshakeBytesMax) this.#fail("too many bytes");
    else this.#pump();
  }

  /** Gives OpenSSL what it may have. It may answer at once, or later. */
  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    while (this.#phase === "handshake") {
      const record = this.#held ?? this.#incoming.next();
      this.#held = undefined;
      if (record === undefined) break;
      if (typeof record === "string") {
        // OpenSSL says what is wrong, and stops there.
        this.#duplex.give(this.#incoming.takeRest());
        break;
      }
      if (record[0] === contentType.applicationData && this.#mustHold()) {
        this.#held = record;
        break;
      }
      if (++this.#incomingRecords > limits.tlsHandshakeRecordsMax) this.#fail("too many records");
      else this.#give(record);
    }
    this.#pumping = false;
  }

  /**
   * A protected record behind a ClientHello can be refused early data, or belong to whatever
   * OpenSSL answers: its answer comes first. (Behind a HelloRetryRequest, where there are no secrets
   * yet, OpenSSL skips it; in TLS 1.2 it is not our concern.)
   */
  #mustHold(): boolean {
    return (
      this.#helloUnanswered && this.#secrets.get("CLIENT_HANDSHAKE_TRAFFIC_SECRET") === undefined
    );
  }

  #give(record: Buffer): void {
    const finished = this.#hasFinished(record);
    if (finished) {
      this.#phase = "taking-over";
      this.#socket.pause();
    } else if (record[0] === contentType.handshake) this.#helloUnanswered = true;
    this.#duplex.give(record);
  }

  /** Whether the client's Finished ends in this record. */
  #hasFinished(record: Buffer): boolean {
    const secret = this.#secrets.get("CLIENT_HANDSHAKE_TRAFFIC_SECRET");
    if (record[0] !== contentType.applicationData || secret === undefined) return false;
    if (this.#suite === undefined) return false;
    this.#clientKeys ??= trafficKeys(this.#suite, secret);
    const opened = open(this.#clientKeys, record);
    // Early data that OpenSSL refuses is protected with other keys, and OpenSSL skips it as well.
    if (typeof opened === "string" || opened.type !== contentType.handshake) return false;
    const end = this.#messages.finishedEnd(opened.content);
    // Where more follows in the same record, OpenSSL fails: keys change between records only.
    return end !== undefined;
  }

  // From OpenSSL

  #sent(bytes: Buffer, done: () => void): void {
    if (this.#phase === "relaying") {
      this.#socket.write(bytes, () => done());
      return;
    }
    this.#outgoing.push(bytes);
    // Our own failure may come before OpenSSL's alert; all that it says then goes out as it is.
    const records = this.#phase === "over" ? [this.#outgoing.takeRest()] : this.#takeOutgoing();
    if (records.length > 0 && !this.#socket.destroyed) this.#socket.write(concatBytes(records));
    if (this.#serverKeys !== undefined && this.#reachedEnd) this.#takeOver(this.#serverKeys);
    else this.#pump();
    done();
  }

  /** OpenSSL's records that are to leave, in order. */
  #takeOutgoing(): Uint8Array[] {
    const records: Uint8Array[] = [];
    for (;;) {
      const record = this.#outgoing.next();
      if (record === undefined) return records;
      if (typeof record === "string" || this.#reachedEnd) {
        this.#fail("OpenSSL sent what it should not");
        return records;
      }
      this.#helloUnanswered = false;
      const suite = chosenSuite(record);
      if (suite !== undefined) this.#suite = suiteById(suite);
      if (!this.#isEnd(record)) records.push(record);
    }
  }

  #reachedEnd = false;

  /** Whether this is the record of the byte that we had sent ourselves. Counts those before it. */
  #isEnd(record: Buffer): boolean {
    if (record[0] !== contentType.applicationData || this.#suite === undefined) return false;
    if (this.#serverKeys === undefined) {
      this.#readServerFlight(record, this.#suite);
      return false;
    }
    const opened = open(this.#serverKeys, record);
    if (typeof opened === "string") {
      this.#fail("OpenSSL changed its keys");
      return false;
    }
    if (opened.type !== contentType.applicationData) return false;
    this.#serverKeys.sequence--;
    this.#reachedEnd = true;
    return true;
  }

  /** Our own Finished is the last that goes under the handshake keys. RFC 8446 §4.4.4 */
  #readServerFlight(record: Buffer, suite: CipherSuite): void {
    const handshakeSecret = this.#secrets.get("SERVER_HANDSHAKE_TRAFFIC_SECRET");
    if (handshakeSecret === undefined) return;
    this.#flightKeys ??= trafficKeys(suite, handshakeSecret);
    const opened = open(this.#flightKeys, record);
    if (typeof opened === "string") {
      this.#fail("OpenSSL changed its keys");
      return;
    }
    if (opened.type !== contentType.handshake) return;
    if (this.#flight.finishedEnd(opened.content) === undefined) return;
    const secret = this.#secrets.get("SERVER_TRAFFIC_SECRET_0");
    if (secret === undefined) this.#fail("OpenSSL told no secret");
    else this.#serverKeys = trafficKeys(suite, secret);
  }

  /** OpenSSL is content with the handshake; its session tickets may still be on their way. */
  #secure(): void {
    if (this.#phase === "over") return;
    const facts = this.#learn();
    const taken = facts.protocol === "TLSv1.3" && this.#suite !== undefined;
    if (!taken) {
      if (this.#refuses(facts))
        this.#fail(`the client's certificate: ${facts.clientCertificateProblem}`);
      else this.#relay(facts);
      return;
    }
    if (this.#phase !== "taking-over") {
      this.#fail("it ended without a Finished that we saw");
      return;
    }
    this.#facts = facts;
    // This is called from inside OpenSSL.
    process.nextTick(() => {
      if (this.#phase === "taking-over") this.#tls.write(Buffer.alloc(1));
    });
  }

  #learn(): TlsFacts {
    const tls = this.#tls;
    const raw = this.#server.clientCertificate && tls.getPeerX509Certificate();
    // Node's own server asks there; a TLSSocket has no other place.
    const { ssl } = tls as unknown as { ssl: { verifyError(): Error | null } };
    return {
      protocol: tls.getProtocol() ?? "",
      cipher: tls.getCipher().standardName,
      serverName: (tls as TLSSocket & { servername?: string | false }).servername || undefined,
      alpnProtocol: tls.alpnProtocol === false ? undefined : (tls.alpnProtocol ?? undefined),
      resumed: tls.isSessionReused(),
      clientCertificate: raw,
      clientCertificateProblem: raw && ssl.verifyError()?.message,
      exporterBinding: channelBinding(tls, "tls-exporter"),
      endPointBinding: channelBinding(tls, "tls-server-end-point"),
    };
  }

  /** OpenSSL takes any certificate; the judgement is ours. */
  #refuses(facts: TlsFacts): boolean {
    const required = this.#server.clientCertificate === "required";
    return required && facts.clientCertificateProblem !== undefined;
  }

  #relay(facts: TlsFacts): void {
    this.#phase = "relaying";
    const rest = concatBytes([this.#held ?? noBytes, this.#incoming.takeRest()]);
    this.#held = undefined;
    if (rest.length > 0) this.#duplex.give(rest);
    const late = this.#outgoing.takeRest();
    if (late.length > 0) this.#socket.write(late);
    this.#socket.resume();
    const stream = new SocketStream(this.#tls, this.#server.clock);
    this.#settle.resolve({ stream, facts });
  }

  #takeOver(write: TrafficKeys): void {
    const facts = this.#facts;
    const secret = this.#secrets.get("CLIENT_TRAFFIC_SECRET_0");
    if (this.#phase !== "taking-over" || facts === undefined || secret === undefined)
      throw new Bug("Taken over too early");
    const state: Tls13State = {
      read: trafficKeys(write.suite, secret),
      write,
      keyUpdateOwed: false,
      emptyRecords: 0,
      partialMessage: noBytes,
    };
    const { clock } = this.#server;
    if (this.#refuses(facts)) {
      this.#socket.write(new RecordLayer(state, clock).sealAlert("bad_certificate"));
      this.#fail(`the client's certificate: ${facts.clientCertificateProblem}`);
      return;
    }
    this.#phase = "over";
    this.#listen("off");
    this.#tls.destroy();
    const carrier = new SocketStream(this.#socket, clock);
    const ciphertext = this.#incoming.takeRest();
    const stream = new Tls13Stream(carrier, { state, ciphertext, clock });
    this.#socket.resume();
    this.#settle.resolve({ stream, facts });
  }
}
