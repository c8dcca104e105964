/** What the tests of this folder share: a server, and a client that can do what no library does. */
import {
  createHash,
  createHmac,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  sign,
} from "node:crypto";
import type { KeyObject } from "node:crypto";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import type { TestContext } from "node:test";
import { createSecureContext } from "node:tls";
import type { SecureContext, SecureContextOptions } from "node:tls";
import { systemClock } from "#base/clock.ts";
import { systemRandom } from "#base/random.ts";
import { makeSelfSigned } from "../tls/self-signed.ts";
import { cipherSuites } from "./cipher-suites.ts";
import type { CipherSuite } from "./cipher-suites.ts";
import { acceptTls } from "./handshake.ts";
import type { AcceptedTls, TlsServer } from "./handshake.ts";
import { contentType, open, overheadBytes, seal } from "./record-protection.ts";
import type { Opened } from "./record-protection.ts";
import { RecordReader } from "./record-reader.ts";
import { trafficKeys } from "./traffic-keys.ts";
import type { TrafficKeys } from "./traffic-keys.ts";

let pair: { key: string; certificate: string } | undefined;

/** A context with a certificate for localhost, the same in all tests of a process. */
export function testContext(options: SecureContextOptions = {}): SecureContext {
  pair ??= selfSigned("localhost");
  const { key, certificate: cert } = pair;
  return createSecureContext({ key, cert, sessionIdContext: "test", ...options });
}

/** A key and a certificate for a server of this name. */
export function selfSigned(name: string): { key: string; certificate: string } {
  return makeSelfSigned({ names: [name], now: systemClock.now(), random: systemRandom });
}

/** A key, and a certificate with which a client of this name can say who it is. */
export function clientCertificate(name: string): { key: string; certificate: string } {
  const { key, certificate } = selfSigned(name);
  const der = Buffer.from(certificate.replaceAll(/-----[^-]+-----|\n/g, ""), "base64");
  const body = der.subarray(4, 8 + der.readUInt16BE(6));
  const algorithm = der.subarray(4 + body.length, 4 + body.length + 2 + der[5 + body.length]!);
  // RFC 5280 §4.2.1.12: serverAuth becomes clientAuth
  const usage = body.indexOf(Buffer.from("2b06010505070301", "hex"));
  body[usage + 7] = 2;
  const signature = Buffer.concat([Buffer.of(0), sign("sha256", body, key)]);
  const parts = [body, algorithm, Buffer.of(3, signature.length), signature];
  const whole = Buffer.concat([Buffer.of(0x30, 0x82), vector(2, ...parts)]).toString("base64");
  return {
    key,
    certificate: `-----BEGIN CERTIFICATE-----\n${whole}\n-----END CERTIFICATE-----\n`,
  };
}

export interface TestServer {
  readonly port: number;
  /** What came of each connection, in order; a rejection is an Error here. */
  readonly results: (AcceptedTls | Error)[];
}

/** Accepts TLS on a free port; `serve` gets what was accepted. Closed after the test. */
export async function testServer(
  t: TestContext,
  parts: Partial<TlsServer>,
  serve: (accepted: AcceptedTls) => Promise<void> = echo,
): Promise<TestServer> {
  const context = testContext();
  const results: (AcceptedTls | Error)[] = [];
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
    acceptTls(socket, { clock: systemClock, contextFor: () => context, ...parts }).then(
      async (accepted) => {
        results.push(accepted);
        await serve(accepted).catch((error: unknown) => results.push(error as Error));
      },
      (error: unknown) => results.push(error as Error),
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return { port: (server.address() as AddressInfo).port, results };
}

/** Sends back what comes, until the end of it. */
export async function echo({ stream }: AcceptedTls): Promise<void> {
  for (let bytes = await stream.read(); bytes !== null; bytes = await stream.read())
    await stream.write(bytes);
  stream.end();
}

/** One record under `keys`. */
export function sealed(keys: TrafficKeys, type: number, content: Uint8Array): Buffer {
  const target = Buffer.alloc(content.length + overheadBytes);
  seal(keys, type, { pieces: [content], length: content.length }, { target, at: 0 });
  return target;
}

const x25519 = 0x1d;
const helloRetryRandom = "cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c";

export interface HelloOptions {
  /** Without, the server has to ask for one: HelloRetryRequest. */
  readonly keyShare?: boolean;
  /** Offers early data; the server will refuse it. */
  readonly earlyData?: boolean;
  readonly suite?: CipherSuite;
}

/** Bytes with their length before them, in `count` bytes. */
function vector(count: number, ...parts: Uint8Array[]): Buffer {
  const body = Buffer.concat(parts);
  const length = Buffer.alloc(count);
  length.writeUIntBE(body.length, 0, count);
  return Buffer.concat([length, body]);
}

function u16(...values: number[]): Buffer {
  return Buffer.concat(values.map((value) => Buffer.of(value >> 8, value & 0xff)));
}

/** The client's side of a handshake in single steps. RFC 8446 §2, §4, §7.1; checks no certificate. */
export class StepClient {
  readonly socket: Socket;
  readonly #reader = new RecordReader();
  readonly #suite: CipherSuite;
  readonly #options: HelloOptions;
  readonly #key: KeyObject;
  readonly #publicKey: Buffer;
  readonly #sessionId = systemRandom.bytes(32);
  readonly #random = systemRandom.bytes(32);
  #transcript: Buffer[] = [];
  #master: Buffer = Buffer.alloc(0);
  #clientSecret: Buffer = Buffer.alloc(0);
  /** Under which the client's handshake records go. */
  handshakeKeys!: TrafficKeys;
  /** Under which application data goes, each way. */
  writeKeys!: TrafficKeys;
  readKeys!: TrafficKeys;
  certificateRequested = false;
  retried = false;
  #ended = false;
  #wake: (() => void) | undefined;

  constructor(socket: Socket, options: HelloOptions) {
    this.socket = socket;
    this.#options = options;
    this.#suite = options.suite ?? cipherSuites[0]!;
    const made = generateKeyPairSync("x25519");
    this.#key = made.privateKey;
    this.#publicKey = made.publicKey.export({ format: "der", type: "spki" }).subarray(-32);
    const wake = (): void => this.#wake?.();
    socket.on("error", () => {});
    socket.on("data", (bytes: Buffer) => {
      this.#reader.push(bytes);
      wake();
    });
    for (const event of ["end", "close"])
      socket.on(event, () => {
        this.#ended = true;
        wake();
      });
  }

  static async connect(
    t: TestContext,
    port: number,
    options: HelloOptions = {},
  ): Promise<StepClient> {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    await once(socket, "connect");
    t.after(() => socket.destroy());
    return new StepClient(socket, options);
  }

  /** The next record, or null after the end. */
  async record(): Promise<Buffer | null> {
    for (;;) {
      const record = this.#reader.next();
      if (typeof record === "string") throw new Error(`The server sent no record: ${record}`);
      if (record !== undefined) return record;
      if (this.#ended) return null;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** The ClientHello as one record. */
  hello(): Buffer {
    const { keyShare = true, earlyData = false } = this.#options;
    const retried = this.retried;
    const share = Buffer.concat([u16(x25519), vector(2, this.#publicKey)]);
    const extension = (type: number, body: Uint8Array): Buffer =>
      Buffer.concat([u16(type), vector(2, body)]);
    const extensions = [
      extension(0x0a, vector(2, u16(x25519))),
      extension(0x0d, vector(2, u16(0x0403, 0x0804, 0x0805, 0x0401))),
      extension(0x2b, vector(1, u16(0x0304))),
      extension(0x2d, vector(1, Buffer.of(1))),
      extension(0x33, vector(2, keyShare || retried ? share : Buffer.alloc(0))),
      ...(earlyData && !retried ? [extension(0x2a, Buffer.alloc(0))] : []),
    ];
    const body = Buffer.concat([
      u16(0x0303),
      this.#random,
      vector(1, this.#sessionId),
      vector(2, u16(this.#suite.id)),
      Buffer.of(1, 0),
      vector(2, ...extensions),
    ]);
    const message = this.#message(1, body);
    return Buffer.concat([Buffer.of(22, 3, 1), vector(2, message)]);
  }

  #message(type: number, body: Uint8Array): Buffer {
    const message = Buffer.concat([Buffer.of(type), vector(3, body)]);
    this.#transcript.push(message);
    return message;
  }

  /**
   * Reads up to the server's Finished, answering a HelloRetryRequest on the way with `again` before
   * it sends the second ClientHello.
   */
  async serverFlight(again: () => Buffer = () => Buffer.alloc(0)): Promise<void> {
    let server: TrafficKeys | undefined;
    let messages: Buffer = Buffer.alloc(0);
    for (;;) {
      const record = await this.record();
      if (record === null) throw new Error("The server closed the connection");
      if (record[0] === contentType.changeCipherSpec) continue;
      if (record[0] === contentType.handshake) {
        this.#transcript.push(record.subarray(5));
        if (record.toString("hex", 11, 43) === helloRetryRandom) {
          this.#retry();
          this.socket.write(Buffer.concat([again(), this.hello()]));
        } else server = this.#agree(record);
        continue;
      }
      if (server === undefined) throw new Error(`The server sent ${record.toString("hex")}`);
      messages = Buffer.concat([messages, openedOf(server, record).content]);
      while (messages.length >= 4 && messages.length >= 4 + messages.readUIntBE(1, 3)) {
        const message = messages.subarray(0, 4 + messages.readUIntBE(1, 3));
        messages = messages.subarray(message.length);
        this.#transcript.push(message);
        if (message[0] === 13) this.certificateRequested = true;
        if (message[0] !== 20) continue;
        const hash = this.#hash();
        this.readKeys = this.#keys(this.#master, "s ap traffic", hash);
        this.writeKeys = this.#keys(this.#master, "c ap traffic", hash);
        return;
      }
    }
  }

  /** RFC 8446 §4.4.1 */
  #retry(): void {
    this.retried = true;
    const [first, retry] = this.#transcript;
    const hash = createHash(this.#suite.hash).update(first!).digest();
    this.#transcript = [Buffer.concat([Buffer.of(254), vector(3, hash)]), retry!];
  }

  #agree(serverHello: Buffer): TrafficKeys {
    const shareAt = serverHello.indexOf(Buffer.from("00330024001d0020", "hex")) + 8;
    const prefix = Buffer.from("302a300506032b656e032100", "hex");
    const der = Buffer.concat([prefix, serverHello.subarray(shareAt, shareAt + 32)]);
    const publicKey = createPublicKey({ key: der, format: "der", type: "spki" });
    const shared = diffieHellman({ privateKey: this.#key, publicKey });
    const zeros = Buffer.alloc(this.#suite.hashBytes);
    const extract = (salt: Uint8Array, input: Uint8Array): Buffer =>
      createHmac(this.#suite.hash, salt).update(input).digest();
    const empty = createHash(this.#suite.hash).digest();
    const handshake = extract(this.#derive(extract(zeros, zeros), "derived", empty), shared);
    this.#master = extract(this.#derive(handshake, "derived", empty), zeros);
    const hash = this.#hash();
    this.#clientSecret = this.#derive(handshake, "c hs traffic", hash);
    this.handshakeKeys = trafficKeys(this.#suite, this.#clientSecret);
    return this.#keys(handshake, "s hs traffic", hash);
  }

  #hash(): Buffer {
    return createHash(this.#suite.hash).update(Buffer.concat(this.#transcript)).digest();
  }

  #derive(secret: Uint8Array, label: string, hash: Uint8Array, suite = this.#suite): Buffer {
    const info = [
      u16(suite.hashBytes),
      vector(1, Buffer.from(`tls13 ${label}`)),
      vector(1, hash),
      Buffer.of(1),
    ];
    return createHmac(suite.hash, secret).update(Buffer.concat(info)).digest();
  }

  #keys(secret: Uint8Array, label: string, hash: Uint8Array): TrafficKeys {
    return trafficKeys(this.#suite, this.#derive(secret, label, hash));
  }

  /** The client's last handshake messages: an empty Certificate where one was asked for, Finished. */
  finishedMessages(): Buffer {
    const parts: Buffer[] = [];
    if (this.certificateRequested) parts.push(this.#message(11, Buffer.from("00000000", "hex")));
    const key = this.#derive(this.#clientSecret, "finished", Buffer.alloc(0));
    const mac = createHmac(this.#suite.hash, key).update(this.#hash()).digest();
    parts.push(this.#message(20, mac));
    return Buffer.concat(parts);
  }

  /** Those messages as one record. */
  finishedRecord(): Buffer {
    return sealed(this.handshakeKeys, contentType.handshake, this.finishedMessages());
  }

  /** Application data as one record. */
  data(text: string): Buffer {
    return sealed(this.writeKeys, contentType.applicationData, Buffer.from(text));
  }

  /** What the next record of the server that is no session ticket says; null after the end. */
  async receive(): Promise<Opened | null> {
    for (;;) {
      const record = await this.record();
      if (record === null) return null;
      const opened = openedOf(this.readKeys, record);
      if (opened.type !== contentType.handshake || opened.content[0] !== 4) return opened;
    }
  }

  /** All the data up to `length` bytes. */
  async receiveText(length: number): Promise<string> {
    let text = "";
    while (text.length < length) {
      const opened = await this.receive();
      if (opened?.type !== contentType.applicationData)
        throw new Error(`No data: ${opened?.type} ${opened?.content.toString("hex")}`);
      text += opened.content.toString("latin1");
    }
    return text;
  }
}

function openedOf(keys: TrafficKeys, record: Buffer): Opened {
  const opened = open(keys, record);
  if (typeof opened === "string") throw new Error(`The server sent a record that is ${opened}`);
  return opened;
}
