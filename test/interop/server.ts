/** A real server process in a folder of its own, for tests with real programs and with kill -9. */
import { type ChildProcess, execFile, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { connect as connectTcp, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { promisify } from "node:util";
import { createAccount, inlineSlowHash, openSqliteDirectory, Passwords } from "#auth/index.ts";
import { systemClock } from "#base/clock.ts";
import { systemRandom } from "#base/random.ts";
import { type ByteStream, ConnectionBroken } from "#base/stream.ts";

const program = new URL("../../bin/roost", import.meta.url).pathname;
/** The password of every account here. */
export const password = "correct horse";
const startMsMax = 60_000;

export interface Ports {
  readonly imap: number;
  readonly imaps: number;
  readonly lmtp: number;
  readonly pop3: number;
  readonly pop3s: number;
}

export interface ServerOptions {
  /** Default: a new folder under the system's temporary one. */
  readonly dataDir?: string;
  /** More of roost.config.ts. */
  readonly settings?: Readonly<Record<string, unknown>>;
}

export class TestServer {
  readonly folder: string;
  readonly dataDir: string;
  ports: Ports = { imap: 0, imaps: 0, lmtp: 0, pop3: 0, pop3s: 0 };
  /** Ports in the order of the listeners, where `settings` names other ones. */
  listening: readonly number[] = [];
  #child: ChildProcess | undefined;

  constructor(options: ServerOptions = {}) {
    this.folder = mkdtempSync(join(tmpdir(), "roost-"));
    this.dataDir = options.dataDir ?? join(this.folder, "data");
    const hosts = ["127.0.0.1"];
    const settings = {
      dataDir: this.dataDir,
      listeners: [
        { protocol: "imap", hosts, port: 0 },
        { protocol: "imap", tls: "implicit", hosts, port: 0 },
        { protocol: "lmtp", hosts, port: 0 },
        { protocol: "pop3", hosts, port: 0 },
        { protocol: "pop3", tls: "implicit", hosts, port: 0 },
      ],
      http: false,
      logLevel: "info",
      parkAfterMs: 0,
      ...options.settings,
    };
    writeFileSync(this.configFile, `export default ${JSON.stringify(settings)};\n`);
  }

  /** A running server with `users` at localhost, stopped and removed after the test. */
  static async start(
    t: TestContext,
    options: ServerOptions & { readonly users: readonly string[] },
  ): Promise<TestServer> {
    const server = new TestServer(options);
    t.after(() => server.remove());
    await server.addUsers(options.users);
    await server.start();
    return server;
  }

  get configFile(): string {
    return join(this.folder, "roost.config.mts");
  }
  get certificateFile(): string {
    return join(this.dataDir, "tls", "self-signed.crt");
  }
  get pid(): number {
    return this.#child!.pid!;
  }
  /** What the server has said so far. */
  get log(): string {
    return readFileSync(join(this.folder, "roost.log"), "utf8");
  }

  async addUsers(names: readonly string[]): Promise<void> {
    mkdirSync(this.dataDir, { recursive: true, mode: 0o700 });
    const path = join(this.dataDir, "directory.sqlite");
    const random = systemRandom;
    const directory = openSqliteDirectory({ path, clock: systemClock, random });
    const passwords = new Passwords({ random, slow: inlineSlowHash });
    for (const name of names)
      await createAccount(
        { directory, passwords },
        { name, addresses: [`${name}@localhost`] },
        password,
      );
    await directory.close();
  }

  /** Starts the process and waits until it listens. */
  async start(): Promise<void> {
    const log = openSync(join(this.folder, "roost.log"), "a");
    const said = this.#logged();
    const child = spawn(program, ["serve", "--config", this.configFile], {
      stdio: ["ignore", log, log],
    });
    this.#child = child;
    closeSync(log);
    const began = Date.now();
    while (this.#logged() === said) {
      if (child.exitCode !== null || child.signalCode !== null || Date.now() - began > startMsMax)
        throw new Error(`The server did not start:\n${this.log.slice(-2000)}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const { server } = JSON.parse(await this.roost("stats", "--json")) as {
      server: { listeners: string[] };
    };
    const ports = server.listeners.map((line) => Number(/:(\d+)$/.exec(line)?.[1]));
    const [imap = 0, imaps = 0, lmtp = 0, pop3 = 0, pop3s = 0] = ports;
    this.ports = { imap, imaps, lmtp, pop3, pop3s };
    this.listening = ports;
  }

  #logged(): number {
    try {
      return this.log.split("Roost is ready").length;
    } catch {
      return 1;
    }
  }

  /** Runs the command line; gives what it prints. */
  async roost(...words: string[]): Promise<string> {
    const { stdout } = await promisify(execFile)(program, ["--config", this.configFile, ...words], {
      maxBuffer: 256 * 1024 * 1024,
    });
    return stdout;
  }

  /** Ends the process with a signal; gives its exit code, null after SIGKILL. */
  async end(signal: "SIGTERM" | "SIGKILL"): Promise<number | null> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return null;
    const exited = once(child, "exit");
    child.kill(signal);
    const [code] = (await exited) as [number | null];
    return code;
  }

  /** True while the process is there. */
  get running(): boolean {
    const child = this.#child;
    return child !== undefined && child.exitCode === null && child.signalCode === null;
  }

  async remove(): Promise<void> {
    await this.end("SIGKILL");
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Why a test cannot run here, or false. */
export function missing(...programs: readonly string[]): string | false {
  for (const name of programs)
    if (spawnSync("sh", ["-c", `command -v ${name}`]).status !== 0) return `${name} is missing`;
  return false;
}

/** What a program that ran said. */
export interface Ran {
  readonly code: number;
  readonly output: string;
  readonly errors: string;
}

/** Runs a program to its end. */
export function run(
  name: string,
  parameters: readonly string[],
  input: string | Buffer = "",
): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(name, parameters, { stdio: "pipe" });
    const output: Buffer[] = [];
    const errors: Buffer[] = [];
    child.stdout.on("data", (bytes: Buffer) => output.push(bytes));
    child.stderr.on("data", (bytes: Buffer) => errors.push(bytes));
    child.stdin.on("error", () => {});
    child.stdin.end(input);
    child.on("error", reject);
    child.on("close", (code) =>
      resolve({
        code: code ?? -1,
        output: Buffer.concat(output).toString("latin1"),
        errors: Buffer.concat(errors).toString("latin1"),
      }),
    );
  });
}

/** A connection to a port of this machine, as our own clients take it. */
export async function connect(port: number): Promise<ByteStream> {
  const socket = connectTcp({ port, host: "127.0.0.1", noDelay: true });
  await once(socket, "connect");
  return streamOf(socket);
}

function streamOf(socket: Socket): ByteStream {
  const chunks: Uint8Array[] = [];
  let ended = false;
  let wake: (() => void) | undefined;
  const notice = (): void => wake?.();
  const news = (): Promise<void> => new Promise((resolve) => (wake = resolve));
  socket.on("data", (bytes: Buffer) => {
    chunks.push(bytes);
    notice();
  });
  socket.on("error", () => {});
  socket.on("close", () => {
    ended = true;
    notice();
  });
  return {
    async read() {
      for (;;) {
        const chunk = chunks.shift();
        if (chunk !== undefined) return chunk;
        if (ended) return null;
        await news();
      }
    },
    write(bytes) {
      if (ended) return Promise.reject(new ConnectionBroken("Closed"));
      if (socket.write(bytes)) return undefined;
      return new Promise((resolve) => {
        socket.once("drain", resolve);
        socket.once("close", () => resolve());
      });
    },
    end: () => void socket.end(),
    destroy: () => void socket.destroy(),
  };
}
