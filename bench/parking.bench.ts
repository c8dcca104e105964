/**
 * What parked sessions cost: process and kernel memory of each, CPU while nothing happens, the time
 * from a client's byte to the wake-up, and a change that one in a hundred waits for.
 *
 *   node bench/parking.bench.ts [sessions, default 19000] [wake-ups per second, default 10000]
 *
 * As many processes park as the limit on open files asks for. The clients are processes of their own,
 * 10,000 connections each, from addresses of 127.0.0.0/8. Process memory is what the processes that park
 * have for themselves (their program is shared), beyond what they had before the first connection.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type AddressInfo, type Socket, connect, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { systemClock } from "#base/clock.ts";
import { giveMemoryBack } from "#objects/index.ts";
import { systemRandom } from "#base/random.ts";
import {
  closeDescriptor,
  EpollSet,
  type ParkedSession,
  ParkedTable,
  parkingUnavailable,
  receive,
  send,
  socketOf,
  takeDescriptor,
} from "../src/proxy/parked/index.ts";

const perClient = 10_000;
const program = fileURLToPath(import.meta.url);
const [role = "19000", first = "10000"] = process.argv.slice(2);

const forkOptions = { execArgv: ["--expose-gc"], serialization: "advanced" as const };

/** A question to a child and its answer. */
async function ask<T>(child: ChildProcess, question: object): Promise<T> {
  child.send(question);
  const [answer] = (await once(child, "message")) as [T];
  return answer;
}

// The process that parks.

interface HolderAnswer {
  readonly port: number;
  readonly count: number;
  readonly taken: number;
  readonly strings: number;
  readonly heap: number;
  readonly cpuMs: number;
  readonly latencies: readonly number[];
  readonly batches: number;
  readonly changedMs: number;
  readonly changedRows: number;
}

function holder(): void {
  const frozen = new Uint8Array(150).fill(7);
  let transportBytes = 0;
  let mode: "count" | "thaw" = "count";
  let latencies: number[] = [];
  let batches = 0;
  let changedRows = 0;
  const into = new Uint8Array(new ArrayBuffer(4096));
  const stamps = new DataView(into.buffer);
  const set: EpollSet = new EpollSet((batch) => {
    batches++;
    table.ready(batch);
  });
  const table: ParkedTable = new ParkedTable({
    clock: systemClock,
    random: systemRandom,
    readiness: set,
    woken: (rows, cause) => {
      if (cause === "changed") changedRows += rows.length;
      for (const row of rows) {
        if (cause === "hang-up") closeDescriptor(table.remove(row));
        else if (cause === "readable" && mode === "thaw") thaw(row);
        else {
          if (cause === "readable") note(receive(table.descriptor(row), into));
          table.rearm(row, deadline());
        }
      }
    },
  });
  const deadline = (): number => systemClock.monotonic() + 120_000;

  function note(bytes: number): void {
    const now = process.hrtime.bigint();
    for (let at = 0; at + 8 <= bytes; at += 8)
      latencies.push(Number(now - stamps.getBigUint64(at, true)) / 1e6);
  }

  /** All that a session does that has one small command: out of the table and in again. */
  function thaw(row: number): void {
    const session = table.take(row);
    const socket = socketOf(session.descriptor);
    socket.once("data", (bytes: Uint8Array) => {
      into.set(bytes.subarray(0, 4096));
      note(bytes.length);
      socket.write("ok", () => park(socket, session));
    });
  }

  function park(socket: Socket, session: ParkedSession): void {
    const taken = takeDescriptor(socket);
    if (taken === undefined || taken.pending.length > 0) throw new Error("Not taken");
    const { descriptor } = taken;
    const row = table.add({ ...session, descriptor, deadlineMs: deadline() });
    if (row === 0) throw new Error("No room");
  }

  let sessions = 0;
  function newSession(): ParkedSession {
    const number = sessions++;
    const account = `account${String(number % 50_000).padStart(9, "0")}`;
    return {
      descriptor: -1,
      kind: transportBytes > 0 ? 1 : 0,
      account,
      address: `192.0.${(number >> 8) & 255}.${number & 255}`,
      waits: [{ account, mailbox: 1 + (number % 100 === 0 ? 0 : number), told: 5 }],
      deadlineMs: Infinity,
      tag: Buffer.from("A0012"),
      transport: new Uint8Array(transportBytes),
      frozen,
    };
  }

  const server = createServer({ noDelay: true, keepAlive: true, allowHalfOpen: true }, (socket) =>
    park(socket, newSession()),
  );
  server.listen(0, "127.0.0.1", 4096);
  process.on("message", (question: { what: string; bytes?: number }) => {
    let changedMs = 0;
    changedRows = 0;
    if (question.what === "transport") transportBytes = question.bytes!;
    if (question.what === "count" || question.what === "thaw") mode = question.what;
    if (question.what === "collect") {
      // As the server does when it has nothing else to do.
      globalThis.gc?.({ type: "major", execution: "sync", flavor: "last-resort" });
      giveMemoryBack();
    }
    if (question.what === "changed") {
      const changes = [...table.watched()].filter(({ mailbox }) => mailbox === 1);
      const start = performance.now();
      for (const { account } of changes) table.changed(account, 1, 6);
      changedMs = performance.now() - start;
    }
    const { user, system } = process.cpuUsage();
    process.send!({
      port: (server.address() as AddressInfo).port,
      count: table.count,
      ...table.bytes,
      heap: process.memoryUsage().heapUsed,
      cpuMs: (user + system) / 1000,
      latencies,
      batches,
      changedMs,
      changedRows,
    } satisfies HolderAnswer);
    latencies = [];
    batches = 0;
  });
  process.on("disconnect", () => process.exit());
}

// The processes of the clients: they keep descriptors only, too.

function client(number: number): void {
  const descriptors: number[] = [];
  const open = async (port: number, count: number): Promise<void> => {
    const one = async (i: number): Promise<void> => {
      const localAddress = `127.0.${1 + number}.${1 + (i % 4)}`;
      const socket = connect({ port, host: "127.0.0.1", localAddress, noDelay: true });
      await once(socket, "connect");
      descriptors.push(takeDescriptor(socket)!.descriptor);
    };
    for (let at = 0; at < count; at += 100)
      await Promise.all(Array.from({ length: Math.min(100, count - at) }, (_, i) => one(at + i)));
  };
  const stamp = new Uint8Array(new ArrayBuffer(8));
  const view = new DataView(stamp.buffer);
  const write = async (rate: number, seconds: number): Promise<void> => {
    const start = performance.now();
    let sent = 0;
    while (sent < rate * seconds) {
      const wanted = Math.min(rate * seconds, ((performance.now() - start) / 1000) * rate);
      for (; sent < wanted; sent++) {
        view.setBigUint64(0, process.hrtime.bigint(), true);
        send(descriptors[(sent * 7919) % descriptors.length]!, stamp);
      }
      await sleep(1);
    }
    await sleep(300);
    const into = new Uint8Array(new ArrayBuffer(4096));
    for (const descriptor of descriptors) receive(descriptor, into);
  };
  process.on("message", (question: { port?: number; count: number; seconds: number }) => {
    const work =
      question.port === undefined
        ? write(question.count, question.seconds)
        : open(question.port, question.count);
    void work.then(() => process.send!({}));
  });
  process.on("disconnect", () => process.exit());
}

// The process that measures.

function anonymousBytesOf(pid: number): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "latin1");
  return Number(/^Pss_Anon:\s+(\d+) kB/m.exec(rollup)?.[1]) * 1024;
}

function kernelBytes(): { slab: number } {
  const slab = /^Slab:\s+(\d+) kB/m.exec(readFileSync("/proc/meminfo", "latin1"))?.[1];
  return { slab: Number(slab) * 1024 };
}

function line(name: string, value: string): void {
  console.log(`${name.padEnd(62)} ${value}`);
}

function quantiles(latencies: readonly number[]): string {
  const sorted = latencies.toSorted((a, b) => a - b);
  const at = (share: number): string =>
    (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN).toFixed(2);
  return `${at(0.5)} / ${at(0.99)} / ${at(0.999)} / ${at(1)} ms (${sorted.length})`;
}

async function main(sessions: number, rate: number): Promise<void> {
  const reason = parkingUnavailable();
  if (reason !== undefined) throw new Error(reason);
  const limit = /^Max open files\s+\d+\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "latin1"));
  const perHolder = Math.min(sessions, Math.floor((Number(limit?.[1]) - 500) / 1_000) * 1_000);
  for (const [kind, bytes] of [
    ["plain", 0],
    ["TLS 1.3: 150 bytes of transport state", 150],
  ] as const) {
    console.log(`\n${kind}; 150 bytes frozen, one mailbox waited for, a deadline`);
    const park = new Park(rate);
    await park.fill(sessions, perHolder, bytes);
    await park.idle();
    await park.wake("count");
    await park.wake("thaw");
    await park.change();
    await park.end();
  }
}

interface Point {
  readonly count: number;
  readonly bytes: number;
  readonly slab: number;
}

/** Some processes that park, and their clients. */
class Park {
  readonly #rate: number;
  readonly #holders: ChildProcess[] = [];
  readonly #clients: ChildProcess[] = [];
  readonly #points: Point[] = [];
  /** Memory of the processes before they parked anything. */
  #base = 0;

  constructor(rate: number) {
    this.#rate = rate;
  }

  async fill(sessions: number, perHolder: number, transportBytes: number): Promise<void> {
    for (let left = sessions; left > 0; left -= perHolder) {
      const holder = await this.#start(transportBytes);
      const { port } = await ask<HolderAnswer>(holder, { what: "count" });
      for (let here = 0; here < Math.min(left, perHolder); here += perClient) {
        const client = this.#client();
        await ask(client, { port, count: Math.min(perClient, left - here, perHolder - here) });
        await this.#look();
      }
    }
    const [first, last] = [this.#points[0]!, this.#points.at(-1)!];
    if (last.count > first.count) {
      const each = (last.bytes - first.bytes) / (last.count - first.count);
      line(`  growth from ${first.count} to ${last.count}`, `${each.toFixed(0)} bytes each`);
    }
  }

  /** A process without connections. */
  async #start(transportBytes: number): Promise<ChildProcess> {
    const holder = fork(program, ["holder"], forkOptions);
    await ask(holder, { what: "transport", bytes: transportBytes });
    await settled(holder);
    this.#base += anonymousBytesOf(holder.pid!);
    this.#holders.push(holder);
    return holder;
  }

  #client(): ChildProcess {
    const client = fork(program, ["client", String(this.#clients.length)], forkOptions);
    this.#clients.push(client);
    return client;
  }

  async #look(): Promise<void> {
    const answers = [];
    for (const holder of this.#holders) answers.push(await settled(holder));
    const count = sum(answers, (a) => a.count);
    let bytes = -this.#base;
    for (const holder of this.#holders) bytes += anonymousBytesOf(holder.pid!);
    const { slab } = kernelBytes();
    this.#points.push({ count, bytes, slab });
    const taken = sum(answers, (a) => a.taken);
    line(
      `  ${count} parked by ${this.#holders.length}`,
      `${(bytes / count).toFixed(0)} bytes of process memory each, ` +
        `of that ${(taken / count).toFixed(0)} in the table`,
    );
    const before = this.#points.at(-2);
    if (before === undefined) return;
    // Both ends of each connection are in this kernel.
    const kernel = (slab - before.slab) / (count - before.count) / 2;
    line("    kernel slabs, for each end of a connection", `${kernel.toFixed(0)} bytes`);
  }

  async idle(): Promise<void> {
    const before = await this.#all("count");
    await sleep(5_000);
    const after = await this.#all("count");
    const cpuMs = sum(after, (a) => a.cpuMs) - sum(before, (a) => a.cpuMs);
    line("  CPU while idle, of one core", `${(cpuMs / 50).toFixed(2)} %`);
  }

  async wake(mode: "count" | "thaw"): Promise<void> {
    const before = await this.#all(mode);
    await Promise.all(
      this.#clients.map((client) =>
        ask(client, { count: this.#rate / this.#clients.length, seconds: 5 }),
      ),
    );
    const after = await this.#all("count");
    const latencies = after.flatMap((a) => a.latencies);
    const cpuMs = sum(after, (a) => a.cpuMs) - sum(before, (a) => a.cpuMs);
    const how = mode === "count" ? "read, parked again" : "given to Node, answered, parked again";
    line(
      `  byte to wake-up at ${this.#rate}/s: ${how}`,
      `p50 / p99 / p99.9 / greatest ${quantiles(latencies)}, ` +
        `${((cpuMs * 1000) / latencies.length).toFixed(1)} µs of CPU each, ` +
        `${(latencies.length / sum(after, (a) => a.batches)).toFixed(1)} a batch`,
    );
  }

  async change(): Promise<void> {
    const answers = await this.#all("changed");
    line(
      "  a change in mailboxes of one in a hundred",
      `${sum(answers, (a) => a.changedRows)} woken in ` +
        `${sum(answers, (a) => a.changedMs).toFixed(1)} ms, among ${sum(answers, (a) => a.count)}`,
    );
  }

  async end(): Promise<void> {
    for (const child of [...this.#clients, ...this.#holders]) {
      child.disconnect();
      await once(child, "exit");
    }
  }

  #all(what: string): Promise<HolderAnswer[]> {
    return Promise.all(this.#holders.map((holder) => ask<HolderAnswer>(holder, { what })));
  }
}

/** When the garbage of what came before is gone, and the memory that it was in. */
async function settled(holder: ChildProcess): Promise<HolderAnswer> {
  for (let i = 0; i < 5; i++) {
    await sleep(300);
    await ask(holder, { what: "collect" });
  }
  return ask<HolderAnswer>(holder, { what: "collect" });
}

function sum(answers: readonly HolderAnswer[], of: (answer: HolderAnswer) => number): number {
  return answers.reduce((total, answer) => total + of(answer), 0);
}

if (role === "holder") holder();
else if (role === "client") client(Number(first));
else await main(Number(role), Number(first));
