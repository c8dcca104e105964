import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { TestContext } from "node:test";
import { systemClock } from "#base/clock.ts";
import { utf8 } from "#base/bytes.ts";
import { seededRandom, systemRandom } from "#base/random.ts";
import { DescriptorChannel } from "./descriptor-channel.ts";
import { EpollSet } from "./epoll-set.ts";
import { decodeRows, encodeRows } from "./exported-rows.ts";
import { handOver, takeOver } from "./hand-over.ts";
import { ParkedTable } from "./parked-table.ts";
import { takeDescriptor } from "./socket-descriptor.ts";
import { closeDescriptor, receive, send } from "./system-calls.ts";
import { loopback, sessionOf, skip } from "./testing.ts";

function newTable(t: TestContext, sessionsMax?: number): ParkedTable {
  const set: EpollSet = new EpollSet((batch) => table.ready(batch));
  const table: ParkedTable = new ParkedTable({
    clock: systemClock,
    random: systemRandom,
    readiness: set,
    ...(sessionsMax === undefined ? {} : { sessionsMax }),
    // Answers with what was frozen, and stays parked.
    woken: (rows, cause) => {
      for (const row of rows) {
        if (cause === "hang-up") {
          closeDescriptor(table.remove(row));
          continue;
        }
        const bytes = new Uint8Array(new ArrayBuffer(64));
        const count = receive(table.descriptor(row), bytes);
        const { frozen, account } = table.session(row);
        const text = `${account} ${Buffer.from(frozen).toString()} ${Buffer.from(bytes).toString("latin1", 0, count)}`;
        send(table.descriptor(row), utf8(text));
        table.rearm(row, Infinity);
      }
    },
  });
  t.after(() => {
    for (let row = table.next(0); row !== 0; row = table.next(row))
      closeDescriptor(table.remove(row));
    table.stop();
    set.close();
  });
  return table;
}

/** Both ends of a Unix stream socket, as channels. */
async function channels(t: TestContext): Promise<[DescriptorChannel, DescriptorChannel]> {
  const folder = mkdtempSync(join(tmpdir(), "roost-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const { pair } = await loopback(t, { path: join(folder, "socket") });
  const { client, server } = await pair();
  const ends = [server, client].map(
    (socket) => new DescriptorChannel(takeDescriptor(socket)!.descriptor),
  );
  for (const end of ends) t.after(() => end.close());
  return [ends[0]!, ends[1]!];
}

/** What a new version of the program would do: it takes over, and answers as the old one did. */
const successor = `
  import { connect } from "node:net";
  import { once } from "node:events";
  import { systemClock } from "${new URL("../../base/clock.ts", import.meta.url).href}";
  import { systemRandom } from "${new URL("../../base/random.ts", import.meta.url).href}";
  import * as parked from "${new URL("index.ts", import.meta.url).href}";
  const set = new parked.EpollSet((batch) => table.ready(batch));
  const table = new parked.ParkedTable({
    clock: systemClock,
    random: systemRandom,
    readiness: set,
    woken: (rows, cause) => {
      for (const row of rows) {
        if (cause === "hang-up") {
          parked.closeDescriptor(table.remove(row));
          continue;
        }
        const bytes = Buffer.alloc(64);
        const count = parked.receive(table.descriptor(row), bytes);
        const { frozen, account } = table.session(row);
        const text = account + " " + Buffer.from(frozen) + " " + bytes.latin1Slice(0, count);
        parked.send(table.descriptor(row), Buffer.from(text));
        table.rearm(row, Infinity);
      }
    },
  });
  const socket = connect(process.argv[1]);
  await once(socket, "connect");
  const channel = new parked.DescriptorChannel(parked.takeDescriptor(socket).descriptor);
  const taken = await parked.takeOver(table, channel, systemClock);
  const accounts = new Set([...table.watched()].map((wait) => wait.account));
  console.log(taken, table.mailboxes, accounts.size);
  process.stdin.resume();
`;

/** Starts it, with a limit on open files where one is given, and connects to it. */
async function startSuccessor(t: TestContext, filesMax?: number) {
  const folder = mkdtempSync(join(tmpdir(), "roost-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, "socket");
  const listener = createServer();
  await new Promise<void>((resolve) => void listener.listen(path, resolve));
  t.after(() => listener.close());
  const limit = filesMax === undefined ? "" : `ulimit -n ${filesMax} && `;
  const child = spawn(
    "sh",
    [
      "-c",
      `${limit}exec "$@"`,
      "sh",
      process.execPath,
      "--input-type=module",
      "-e",
      successor,
      path,
    ],
    { stdio: ["pipe", "pipe", "inherit"] },
  );
  t.after(() => child.kill());
  const [socket] = (await once(listener, "connection")) as [Socket];
  return { child, channel: new DescriptorChannel(takeDescriptor(socket)!.descriptor) };
}

function openDescriptors(): number {
  return readdirSync("/proc/self/fd").length;
}

async function ask(client: NodeJS.ReadWriteStream, text: string): Promise<string> {
  const answer = once(client, "data");
  client.write(text);
  return String((await answer)[0]);
}

describe("handing over parked sessions", { skip }, () => {
  test("descriptors and bytes arrive together, however large", async (t) => {
    const [a, b] = await channels(t);
    const { pair } = await loopback(t);
    const random = seededRandom(3);
    const before = openDescriptors();
    for (const [count, size] of [
      [0, 0],
      [1, 1],
      [250, 3_000_000],
      [7, 8 * 1024 * 1024],
    ] as const) {
      const { client, server } = await pair();
      const { descriptor } = takeDescriptor(server)!;
      const bytes = random.bytes(size);
      const sending = a.send({
        bytes,
        descriptors: Array.from({ length: count }, () => descriptor),
      });
      const frame = (await b.receive())!;
      assert.equal(frame.descriptors.length, count);
      assert.ok(Buffer.from(frame.bytes).equals(bytes));
      assert.equal(frame.accept(), true);
      assert.equal(await sending, true);
      closeDescriptor(descriptor);
      for (const received of frame.descriptors) {
        assert.equal(send(received, utf8("x")), 1);
        closeDescriptor(received);
      }
      client.resume();
      await once(client, "end");
      client.destroy();
    }
    a.close();
    assert.equal(await b.receive(), undefined);
    assert.ok(openDescriptors() <= before + 1, "none is left open");
  });

  test("a peer that goes away without an answer leaves them here", async (t) => {
    const [a, b] = await channels(t);
    const sending = a.send({ bytes: utf8("x"), descriptors: [1] });
    const frame = (await b.receive())!;
    b.close();
    assert.equal(frame.accept(), false);
    for (const descriptor of frame.descriptors) closeDescriptor(descriptor);
    await assert.rejects(sending, { name: "ConnectionBroken" });
    const waiting = a.receive();
    a.close();
    assert.equal(await waiting, undefined);
  });

  test("what is no frame is refused", async (t) => {
    const [a] = await channels(t);
    await assert.rejects(a.send({ bytes: utf8("x"), descriptors: Array(251).fill(1) }), {
      name: "Bug",
    });
    const rows = encodeRows([sessionOf({ descriptor: 5, frozen: utf8("state") })], 0);
    assert.throws(() => decodeRows({ ...rows, descriptors: [] }, 0), { name: "FormatError" });
    for (let cut = 0; cut < rows.bytes.length; cut++)
      assert.throws(() => decodeRows({ ...rows, bytes: rows.bytes.subarray(0, cut) }, 0), {
        name: "FormatError",
      });
    const other = Uint8Array.from(rows.bytes);
    other[0] = 9;
    assert.throws(() => decodeRows({ ...rows, bytes: other }, 0), /unknown version 9/);
  });

  test("another process serves them, and what was sent on the way", async (t) => {
    const { pair } = await loopback(t);
    const table = newTable(t);
    const clients = [];
    for (let i = 0; i < 600; i++) {
      const { client, server } = await pair();
      clients.push(client);
      const session = sessionOf({
        descriptor: takeDescriptor(server)!.descriptor,
        account: `account${i % 7}`,
        address: `192.0.2.${i % 9}`,
        frozen: utf8(`state${i}`),
        waits: [{ account: `account${i % 7}`, mailbox: i, told: i }],
        deadlineMs: systemClock.monotonic() + 3_600_000,
      });
      assert.ok(table.add(session) > 0);
    }
    assert.equal(await ask(clients[5]!, "ping"), "account5 state5 ping");

    const { channel, child } = await startSuccessor(t);
    const giving = handOver(table, channel, systemClock);
    // While they are on their way.
    for (const [i, client] of clients.entries()) if (i % 3 === 0) client.write("early");
    assert.equal(await giving, 600);
    assert.equal(table.count, 0);
    channel.close();
    assert.equal(String((await once(child.stdout, "data"))[0]), "600 600 7\n");
    for (const [i, client] of clients.entries()) {
      const expected = `account${i % 7} state${i}`;
      if (i % 3 === 0) assert.equal(String((await once(client, "data"))[0]), `${expected} early`);
      assert.equal(await ask(client, "late"), `${expected} late`);
    }
  });

  test("a process that may open too few files gets none", async (t) => {
    const { pair } = await loopback(t);
    const table = newTable(t);
    const clients = [];
    for (let i = 0; i < 100; i++) {
      const { client, server } = await pair();
      clients.push(client);
      table.add(sessionOf({ descriptor: takeDescriptor(server)!.descriptor }));
    }
    const { channel, child } = await startSuccessor(t, 80);
    assert.equal(await handOver(table, channel, systemClock), 0);
    channel.close();
    assert.equal(String((await once(child.stdout, "data"))[0]), "0 0 0\n");
    assert.equal(table.count, 100);
    assert.equal(await ask(clients[99]!, "ping"), "alice  ping");
  });

  test("a frame for which there is no room is refused, and its sessions stay", async (t) => {
    const { pair } = await loopback(t);
    const [from, to] = [newTable(t), newTable(t, 3)];
    const clients = [];
    for (let i = 0; i < 4; i++) {
      const { client, server } = await pair();
      clients.push(client);
      from.add(sessionOf({ descriptor: takeDescriptor(server)!.descriptor, frozen: utf8(`${i}`) }));
    }
    const [a, b] = await channels(t);
    const taking = takeOver(to, b, systemClock);
    assert.equal(await handOver(from, a, systemClock), 0);
    assert.equal(from.count, 4);
    assert.equal(to.count, 0);
    for (const [i, client] of clients.entries())
      assert.equal(await ask(client, "ping"), `alice ${i} ping`);
    closeDescriptor(from.remove(from.next(0)));
    assert.equal(await handOver(from, a, systemClock), 3);
    a.close();
    assert.equal(await taking, 3);
    assert.equal(await ask(clients[3]!, "ping"), "alice 3 ping");
  });
});
