/**
 * What the hop costs between two processes over a Unix socket: MB/s of one stream and of 16, small
 * round trips of sessions and calls, and the CPU time of both processes for each; and the same
 * within one process.
 *
 *   node bench/hop.bench.ts [megabytes] [round trips]
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { noBytes } from "#base/bytes.ts";
import { systemClock } from "#base/clock.ts";
import { silentLog } from "#base/log.ts";
import { systemRandom } from "#base/random.ts";
import {
  type BackendStream,
  dialAddress,
  Generations,
  type Link,
  Links,
  localLinks,
} from "#hop/index.ts";

const megabytes = Number(process.argv[2] ?? 2_000);
const trips = Number(process.argv[3] ?? 200_000);
const [clock, random, log] = [systemClock, systemRandom, silentLog];
const folder = mkdtempSync(join(tmpdir(), "roost-"));
const path = join(folder, "hop.sock");
const child = spawn(
  process.execPath,
  [fileURLToPath(new URL("./hop-peer.ts", import.meta.url)), path],
  {
    stdio: ["ignore", "pipe", "inherit"],
  },
);
await once(child.stdout, "data");

const services = {
  serve: () => {},
  calls: new Map(),
  note: () => {},
  generations: new Generations(clock),
};
const local = { id: "proxy", incarnation: "1", roles: ["proxy"] };
const dial = () => dialAddress({ path }, clock);
const links = new Links({ local, services, clock, random, log, dial });
const link = await links.to("backend");

interface Cpu {
  readonly user: number;
  readonly system: number;
}

async function peerCpu(): Promise<Cpu> {
  const answer = await link.call("cpu", noBytes, { deadlineMs: 60_000 });
  return JSON.parse(Buffer.from(answer).toString()) as Cpu;
}

const spent = (from: Cpu, to: Cpu): number => to.user + to.system - from.user - from.system;

/** Prints rate, and CPU of both processes for each of `count` units. */
async function measure(what: string, unit: string, count: number, work: () => Promise<unknown>) {
  await work();
  const [theirs, ours, start] = [await peerCpu(), process.cpuUsage(), performance.now()];
  await work();
  const seconds = (performance.now() - start) / 1000;
  const cpu = [spent(ours, process.cpuUsage()), spent(theirs, await peerCpu())];
  const [near, far] = cpu.map((us) => (us / count).toFixed(2).padStart(8));
  const rate = Math.round(count / seconds)
    .toString()
    .padStart(8);
  console.log(`${rate} ${unit}/s  ${near} + ${far} µs CPU per ${unit}  ${what}`);
}

function open(over: Link, protocol: string, output: (bytes: Uint8Array, done: boolean) => void) {
  const request = {
    protocol,
    session: random.bytes(16),
    generation: 1,
    shard: 1,
    epoch: 1,
    inputOffset: 0,
    outputOffset: 0,
    head: noBytes,
  };
  return over.open(request, {
    output: ({ bytes, done }) => {
      output(bytes, done !== undefined);
      return undefined;
    },
    ended: () => {},
  });
}

/** Reads megabytes on `streams` streams at once. */
async function bulk(over: Link, streams: number): Promise<void> {
  const each = Math.ceil(megabytes / streams);
  await Promise.all(
    Array.from({ length: streams }, async () => {
      let got = 0;
      const { promise, resolve } = Promise.withResolvers<void>();
      const stream = open(over, "mb", (bytes, done) => {
        got += bytes.length;
        if (done) resolve();
      });
      void stream.send(0, Buffer.from(String(each)));
      await promise;
      if (got !== each * 1024 * 1024) throw new Error(`${got} bytes of ${each} MB`);
      stream.endInput();
    }),
  );
}

const command = Buffer.from("a1 NOOP\r\n");

/** Commands on `sessions` sessions, one after another on each. */
async function roundTrips(over: Link, sessions: number): Promise<void> {
  let left = trips;
  await Promise.all(
    Array.from({ length: sessions }, () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      let offset = 0;
      const next = (): void => {
        if (left-- <= 0) return resolve();
        void stream.send(offset, command);
        offset += command.length;
      };
      const stream = open(over, "echo", next);
      next();
      return promise.then(() => stream.endInput());
    }),
  );
}

async function calls(over: Link, atOnce: number): Promise<void> {
  let left = trips / 4;
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      while (left-- > 0) await over.call("echo", command, { deadlineMs: 60_000 });
    }),
  );
}

for (const streams of [1, 16])
  await measure(`${streams} stream(s), output`, "MB", megabytes, () => bulk(link, streams));
for (const sessions of [1, 16, 1_000])
  await measure(`commands of ${sessions} session(s)`, "trip", trips, () =>
    roundTrips(link, sessions),
  );
for (const atOnce of [1, 64])
  await measure(`calls, ${atOnce} at once`, "call", trips / 4, () => calls(link, atOnce));

async function echo(stream: BackendStream): Promise<void> {
  let consumed = 0;
  for (let bytes = await stream.read(); bytes !== null; bytes = await stream.read()) {
    consumed += bytes.length;
    void stream.flush({ consumed, output: command, state: undefined });
  }
  stream.end("ended", "");
}
const echoing = { ...services, serve: (stream: BackendStream) => void echo(stream) };
const side = { info: local, services: echoing };
const [near] = localLinks(side, side, { clock, log });
await measure("commands of 16 session(s) within one process", "trip", trips, () =>
  roundTrips(near, 16),
);

link.destroy("Done");
child.kill();
rmSync(folder, { recursive: true, force: true });
