/**
 * TLS 1.3 of `src/proxy/tls13` beside Node's own on the same sockets: handshakes, bulk data, small
 * requests, and the memory of idle connections. Each server is a process of its own; CPU is its own,
 * so that the clients do not count.
 *
 *     node bench/tls.bench.ts [idle connections] [seconds per row]
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { connect, createSecureContext, type ConnectionOptions, TLSSocket } from "node:tls";
import { systemClock } from "#base/clock.ts";
import type { ByteStream } from "#base/stream.ts";
import { acceptTls } from "../src/proxy/tls13/index.ts";
import { selfSigned } from "../src/proxy/tls13/testing.ts";
import { SocketStream } from "../src/proxy/socket-stream.ts";
import { cpuSecondsOf, memoryBytesOf } from "./processes.ts";

const bulkByte = "B".charCodeAt(0);
const modes = ["node", "roost", "roost, frozen"] as const;
type Mode = (typeof modes)[number];

/** What is kept of a connection that was frozen. */
interface Parked {
  readonly socket: Socket;
  readonly state: Uint8Array;
}

/** "B": sends for ever; "F": freezes, where it can; anything else comes back. */
async function serve(stream: ByteStream, parked: Parked[]): Promise<void> {
  const piece = Buffer.alloc(128 * 1024, "x");
  for (;;) {
    const bytes = await stream.read();
    if (bytes === null) break;
    if (bytes[0] === "F".charCodeAt(0)) {
      void stream.write(bytes);
      if (!("freeze" in stream)) continue;
      const freeze = stream.freeze as () => Promise<Parked>;
      const { socket, state } = await freeze.call(stream);
      parked.push({ socket, state });
      return;
    }
    if (bytes[0] !== bulkByte) await stream.write(bytes);
    else for (;;) await stream.write(piece);
  }
  stream.end();
}

async function runServer(mode: Mode): Promise<void> {
  const made = selfSigned("localhost");
  const context = createSecureContext({ key: made.key, cert: made.certificate });
  const clock = systemClock;
  const parked: Parked[] = [];
  const accept = async (socket: Socket): Promise<ByteStream> => {
    if (mode !== "node")
      return (await acceptTls(socket, { clock, contextFor: () => context })).stream;
    const options = { isServer: true, secureContext: context };
    const tls = new TLSSocket(socket, options);
    tls.on("error", () => {});
    await once(tls, "secure");
    return new SocketStream(tls, clock);
  };
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    socket.on("error", () => {});
    accept(socket)
      .then((stream) => serve(stream, parked))
      .catch(() => socket.destroy());
  });
  server.listen({ port: 0, host: "127.0.0.1", backlog: 4096 });
  await once(server, "listening");
  process.on("message", () => {
    for (let i = 0; i < 4; i++) globalThis.gc?.();
    process.send!("clean");
  });
  process.send!((server.address() as AddressInfo).port);
}

async function client(port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connect({ port, host: "127.0.0.1", rejectUnauthorized: false, ...options });
  await once(socket, "secureConnect");
  return socket;
}

interface Figures {
  /** Handshakes per second of the server's CPU: full, resumed. */
  full: number;
  resumed: number;
  /** MB per second of the server's CPU, and by the clock. */
  bulkCpu: number;
  bulkWall: number;
  /** Microseconds of the server's CPU for each request. */
  request: number;
  /** Bytes of the server's memory for each idle connection. */
  idle: number;
}

class Run {
  readonly #child: ChildProcess;
  readonly #port: number;
  readonly #seconds: number;

  constructor(child: ChildProcess, port: number, seconds: number) {
    this.#child = child;
    this.#port = port;
    this.#seconds = seconds;
  }

  static async start(mode: Mode, seconds: number): Promise<Run> {
    const child = fork(import.meta.filename, ["server", mode], { execArgv: ["--expose-gc"] });
    const [port] = (await once(child, "message")) as [number];
    return new Run(child, port, seconds);
  }

  stop(): void {
    this.#child.kill();
  }

  #cpu(): number {
    return cpuSecondsOf(this.#child.pid!);
  }

  /** CPU seconds of the server for each unit of `work`, which is repeated by `width` at a time. */
  async #perUnit(width: number, work: () => Promise<number>): Promise<[cpu: number, wall: number]> {
    await work();
    let units = 0;
    const [cpu, began] = [this.#cpu(), performance.now()];
    const until = began + this.#seconds * 1000;
    const repeat = async (): Promise<void> => {
      while (performance.now() < until) {
        const done = await work();
        units += done;
      }
    };
    await Promise.all(Array.from({ length: width }, repeat));
    return [(this.#cpu() - cpu) / units, (performance.now() - began) / 1000 / units];
  }

  async handshakes(resumed: boolean): Promise<number> {
    let session: Buffer | undefined;
    if (resumed) {
      const first = await client(this.#port);
      [session] = (await once(first, "session")) as [Buffer];
      first.destroy();
    }
    const [cpu] = await this.#perUnit(8, async () => {
      const socket = await client(this.#port, session === undefined ? {} : { session });
      socket.write("x");
      await once(socket, "data");
      socket.destroy();
      return 1;
    });
    return 1 / cpu;
  }

  async bulk(ciphers: string): Promise<[number, number]> {
    const socket = await client(this.#port, { ciphers });
    socket.write("B");
    const [cpu, wall] = await this.#perUnit(1, async () => {
      let bytes = 0;
      while (bytes < 64e6) bytes += ((await once(socket, "data")) as [Buffer])[0].length;
      return bytes / 1e6;
    });
    socket.destroy();
    return [1 / cpu, 1 / wall];
  }

  async requests(): Promise<number> {
    const sockets = await Promise.all(Array.from({ length: 16 }, () => client(this.#port)));
    const text = Buffer.alloc(100, "x");
    let next = 0;
    const [cpu] = await this.#perUnit(16, async () => {
      const socket = sockets[next++ % sockets.length]!;
      for (let i = 0; i < 50; i++) {
        socket.write(text);
        await once(socket, "data");
      }
      return 50;
    });
    for (const socket of sockets) socket.destroy();
    return cpu * 1e6;
  }

  async #memory(): Promise<number> {
    const clean = once(this.#child, "message");
    this.#child.send("clean");
    await clean;
    return memoryBytesOf(this.#child.pid!);
  }

  /** After a warm-up of the same size, so that what a burst leaves behind does not count. */
  async idle(count: number, word: string): Promise<number> {
    const open = async (): Promise<TLSSocket[]> => {
      const sockets: TLSSocket[] = [];
      for (let at = 0; at < count; at += 50) {
        const some = await Promise.all(Array.from({ length: 50 }, () => client(this.#port)));
        for (const socket of some) socket.write(word);
        await Promise.all(some.map((socket) => once(socket, "data")));
        sockets.push(...some);
      }
      return sockets;
    };
    for (const socket of await open()) socket.destroy();
    await new Promise((resolve) => setTimeout(resolve, 500));
    const before = await this.#memory();
    const sockets = await open();
    const after = await this.#memory();
    for (const socket of sockets) socket.destroy();
    return (after - before) / count;
  }
}

async function main(): Promise<void> {
  const count = Number(process.argv[2] ?? 2_000);
  const seconds = Number(process.argv[3] ?? 3);
  const results = new Map<Mode, Figures>();
  for (const mode of modes) {
    const run = await Run.start(mode, seconds);
    const [bulkCpu, bulkWall] = await run.bulk("TLS_AES_128_GCM_SHA256");
    const figures: Figures = {
      bulkCpu,
      bulkWall,
      full: await run.handshakes(false),
      resumed: await run.handshakes(true),
      request: await run.requests(),
      idle: 0,
    };
    run.stop();
    const fresh = await Run.start(mode, seconds);
    figures.idle = await fresh.idle(count, mode === "roost, frozen" ? "F" : "x");
    fresh.stop();
    results.set(mode, figures);
    console.error(mode, figures);
  }
  const rows: [string, (figures: Figures) => string][] = [
    ["full handshakes per CPU second", ({ full }) => full.toFixed(0)],
    ["resumed handshakes per CPU second", ({ resumed }) => resumed.toFixed(0)],
    ["MB per CPU second, AES-128-GCM", ({ bulkCpu }) => bulkCpu.toFixed(0)],
    ["MB/s by the clock, one connection", ({ bulkWall }) => bulkWall.toFixed(0)],
    ["CPU for a request of 100 bytes, µs", ({ request }) => request.toFixed(1)],
    [`bytes for each of ${count} idle connections`, ({ idle }) => idle.toFixed(0)],
  ];
  console.log(`| | ${modes.join(" | ")} |\n|---|${modes.map(() => "--:").join("|")}|`);
  for (const [name, value] of rows)
    console.log(`| ${name} | ${modes.map((mode) => value(results.get(mode)!)).join(" | ")} |`);
  process.exit(0);
}

if (process.argv[2] === "server") await runServer(process.argv[3] as Mode);
else await main();
