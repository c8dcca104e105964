/** What the tests of the proxy share: a server on a free loopback port and a client of lines. */
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect as connectTcp } from "node:net";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { connect as connectTls } from "node:tls";
import type { TLSSocket } from "node:tls";
import { systemClock } from "#base/clock.ts";
import { silentLog } from "#base/log.ts";
import { systemRandom } from "#base/random.ts";
import { Metrics } from "#base/metrics.ts";
import { utf8 } from "#base/bytes.ts";
import type { Connection, SecureContexts } from "./connection.ts";
import { Listeners } from "./listener.ts";
import type { ListenersParts } from "./listener.ts";
import type { ProxyProtocolSettings } from "./settings.ts";
import { Certificates } from "./tls/certificates.ts";
import type { Arrival, MailboxSessions } from "./login/arrival.ts";

/** A folder that is removed after the test. */
export function scratchFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "roost-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export function selfSigned(
  t: TestContext,
  recordLayer: "roost" | "openssl" = "roost",
): Promise<Certificates> {
  return Certificates.open({
    dataDir: scratchFolder(t),
    settings: { names: {}, minVersion: "TLSv1.2", recordLayer },
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
  });
}

export interface Served {
  readonly listeners: Listeners;
  readonly port: number;
  readonly metrics: Metrics;
}

export interface ServeOptions extends Partial<ListenersParts> {
  readonly contexts?: SecureContexts;
  readonly implicitTls?: boolean;
  readonly proxyProtocol?: ProxyProtocolSettings;
  /** Default: 127.0.0.1. */
  readonly host?: string;
}

/** Serves connections on a free port until the test ends. */
export async function serve(
  t: TestContext,
  session: (connection: Connection) => Promise<void>,
  options: ServeOptions = {},
): Promise<Served> {
  const metrics = new Metrics();
  const { contexts, implicitTls = false, proxyProtocol, host = "127.0.0.1", ...parts } = options;
  const listeners = new Listeners({ clock: systemClock, log: silentLog, metrics, ...parts });
  t.after(() => {
    listeners.destroyAll();
    return listeners.stop();
  });
  const endpoint = await listeners.open({
    name: "test",
    endpoint: { host, port: 0 },
    contexts,
    implicitTls,
    proxyProtocol,
    turnAway: utf8("* BYE Too many connections\r\n"),
    serve: session,
  });
  if (!("port" in endpoint)) throw new TypeError("A TCP endpoint has a port");
  return { listeners, port: endpoint.port, metrics };
}

/** A client that sends text and waits for lines. */
export class LineClient {
  #socket: Socket;
  #text = "";
  #ended = false;
  #wake: (() => void) | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.#listen();
  }

  static async connect(t: TestContext, port: number, host = "127.0.0.1"): Promise<LineClient> {
    const socket = connectTcp({ port, host, noDelay: true });
    await once(socket, "connect");
    t.after(() => socket.destroy());
    return new LineClient(socket);
  }

  static async connectTls(t: TestContext, port: number): Promise<LineClient> {
    const socket = connectTls({ port, host: "127.0.0.1", rejectUnauthorized: false });
    await once(socket, "secureConnect");
    t.after(() => socket.destroy());
    return new LineClient(socket);
  }

  get socket(): Socket {
    return this.#socket;
  }

  #listen(): void {
    const wake = (): void => this.#wake?.();
    this.#socket.on("error", wake);
    this.#socket.on("data", (bytes: Buffer) => {
      this.#text += bytes.toString("latin1");
      wake();
    });
    this.#socket.on("close", () => {
      this.#ended = true;
      wake();
    });
  }

  send(text: string): void {
    this.#socket.write(text);
  }

  /** The next line without its end, or null when the server has closed the connection. */
  async line(): Promise<string | null> {
    for (;;) {
      const end = this.#text.indexOf("\r\n");
      if (end >= 0) {
        const line = this.#text.slice(0, end);
        this.#text = this.#text.slice(end + 2);
        return line;
      }
      if (this.#ended) return null;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** Sends a command and gives all lines up to its tagged response. */
  async command(tag: string, text: string): Promise<string[]> {
    this.send(`${tag} ${text}\r\n`);
    return this.until(tag);
  }

  async until(tag: string): Promise<string[]> {
    const lines: string[] = [];
    for (;;) {
      const line = await this.line();
      if (line === null) return lines;
      lines.push(line);
      if (line.startsWith(`${tag} `)) return lines;
    }
  }

  /** All lines until the server closes the connection. */
  async rest(): Promise<string[]> {
    const lines: string[] = [];
    for (let line = await this.line(); line !== null; line = await this.line()) lines.push(line);
    return lines;
  }

  /** TLS on the same connection. */
  async startTls(): Promise<TLSSocket> {
    this.#socket.removeAllListeners("data");
    this.#socket.removeAllListeners("close");
    const tls = connectTls({ socket: this.#socket, rejectUnauthorized: false });
    tls.on("error", () => {});
    await once(tls, "secureConnect");
    this.#socket = tls;
    this.#listen();
    return tls;
  }
}

/** Sessions that are never frozen, for tests. */
export function startOnly(serve: (arrival: Arrival) => Promise<void>): MailboxSessions {
  return {
    start: (arrival) => serve(arrival).then(() => ({ kind: "ended" })),
    resume: () => Promise.reject(new Error("Nothing was frozen here")),
    watch: () => () => {},
  };
}
