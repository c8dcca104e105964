/** What the hostile tests attack with, and what they look at afterwards. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import type { seededRandom } from "#base/random.ts";
import { ImapClient } from "../client/imap-client.ts";
import { connect as connectStream, password, type TestServer } from "../interop/server.ts";

export type Dice = ReturnType<typeof seededRandom>;

const MiB = 1024 * 1024;

/** A connection that sends what it likes and need not read. */
export class Attacker {
  readonly socket: Socket;
  /** What came, one character per byte. */
  received = "";
  ended = false;
  #wake: (() => void) | undefined;

  private constructor(socket: Socket) {
    this.socket = socket;
    const end = (): void => {
      this.ended = true;
      this.#wake?.();
    };
    socket.on("data", (bytes: Buffer) => {
      this.received += bytes.toString("latin1");
      this.#wake?.();
    });
    socket.on("error", () => {});
    socket.on("end", end);
    socket.on("close", end);
  }

  static async connect(port: number): Promise<Attacker> {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    await once(socket, "connect");
    return new Attacker(socket);
  }

  /** Logged in by IMAP. */
  static async login(server: TestServer, user: string): Promise<Attacker> {
    const attacker = await Attacker.connect(server.ports.imap);
    await attacker.say(`login LOGIN ${user} "${password}"\r\n`);
    await attacker.until(/^login OK /m);
    return attacker;
  }

  /** Resolves when the kernel has taken it, or the connection is gone. */
  say(what: string | Uint8Array): Promise<void> {
    const bytes = typeof what === "string" ? Buffer.from(what, "latin1") : what;
    return new Promise((resolve) => {
      if (this.ended || this.socket.destroyed) return resolve();
      this.socket.write(bytes, () => resolve());
    });
  }

  /** Waits for `pattern`, takes everything up to it and gives that; fails where the peer ends. */
  async until(pattern: RegExp): Promise<string> {
    for (;;) {
      const match = pattern.exec(this.received);
      if (match !== null) {
        const end = match.index + match[0].length;
        const text = this.received.slice(0, end);
        this.received = this.received.slice(end);
        return text;
      }
      assert(!this.ended, `The connection ended before ${pattern}: ${this.received.slice(-300)}`);
      await this.#news();
    }
  }

  /** Waits for the server to end the connection; gives what it said before. */
  async end(): Promise<string> {
    while (!this.ended) await this.#news();
    return this.received;
  }

  close(): void {
    this.socket.destroy();
  }

  #news(): Promise<void> {
    return new Promise((resolve) => (this.#wake = resolve));
  }
}

/** A usual client that has logged in. */
export async function client(server: TestServer, user: string): Promise<ImapClient> {
  const imap = new ImapClient(await connectStream(server.ports.imap));
  await imap.receive();
  await imap.ok(`LOGIN ${user} "${password}"`);
  return imap;
}

/** Most bytes of memory that the server has had so far. */
export async function peakBytes(server: TestServer): Promise<number> {
  const status = `/proc/${server.pid}/status`;
  if (existsSync(status))
    return 1024 * Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(status, "utf8"))?.[1]);
  const { server: stats } = JSON.parse(await server.roost("stats", "--json")) as {
    server: { memoryBytes: number };
  };
  return stats.memoryBytes;
}

/** Runs an attack that may cost the server at most so many bytes of memory. */
export async function costsAtMost(
  server: TestServer,
  bytes: number,
  attack: () => Promise<void>,
): Promise<void> {
  const before = await peakBytes(server);
  await attack();
  const cost = (await peakBytes(server)) - before;
  assert(cost <= bytes, `The attack cost ${Math.round(cost / MiB)} MiB`);
}

/** The server is up, serves somebody else, and logged no bug and no secret. */
export async function stillServes(server: TestServer): Promise<void> {
  assert(server.running, server.log.slice(-2000));
  const imap = await client(server, "bob");
  await imap.ok("SELECT INBOX");
  await imap.ok("LOGOUT");
  const { log } = server;
  const bugs = log.split("\n").filter((line) => line.includes('"level":50'));
  assert.deepEqual(bugs, []);
  assert(!log.includes(password), "The log has a password");
  assert(!log.includes(secret), "The log has what a message says");
}

/** In every message and name that the tests send; must never be logged. */
export const secret = "s3cr3t-c0nt3nt";

/** Some octets changed, lost, doubled or put in. */
export function mutated(dice: Dice, text: string): Uint8Array {
  let bytes = Buffer.from(text, "latin1");
  for (let n = dice.below(4); n >= 0; n--) {
    const at = dice.below(bytes.length + 1);
    const length = dice.below(12);
    const replaced = dice.below(2) === 0 ? 0 : length;
    bytes = Buffer.concat([
      bytes.subarray(0, at),
      replacement(dice, bytes.subarray(at), length),
      bytes.subarray(at + replaced),
    ]);
  }
  return bytes;
}

function replacement(dice: Dice, rest: Uint8Array, length: number): Uint8Array {
  switch (dice.below(4)) {
    case 0:
      return dice.bytes(length);
    case 1:
      return new Uint8Array(length);
    case 2:
      return rest.subarray(0, dice.below(200));
    default:
      return Buffer.from(tokens[dice.below(tokens.length)]!, "latin1");
  }
}

const tokens = [
  ...["\r\n", "\n", "\r", "\0", " ", "(", ")", '"', "\\", "{5}\r\n", "{5+}\r\n", "~{3+}\r\nabc"],
  ...["{0+}\r\n", "{4294967296+}\r\n", "*", "$", "4294967295", "99999999999999999999", "1:*"],
  ...["NIL", "[", "]", "<0.1>", "<4294967295.4294967295>", "+", "&", "&AC8-", "\xff\xfe", "%"],
  ...[".\r\n", "\r\n.\r\n", "BDAT 3\r\n", "<>", "@", "DONE\r\n"],
];
