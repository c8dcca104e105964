/** Parking with real connections: Node, the kernel and the table together. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "#base/clock.ts";
import { seededRandom, systemRandom } from "#base/random.ts";
import { EpollSet } from "./epoll-set.ts";
import { ParkedTable } from "./parked-table.ts";
import type { WakeCause } from "./parked-table.ts";
import { socketOf, takeDescriptor } from "./socket-descriptor.ts";
import { broken, closeDescriptor, receive, send, wouldBlock } from "./system-calls.ts";
import { loopback, sessionOf, skip } from "./testing.ts";

function newTable(t: TestContext, woken: (row: number, cause: WakeCause) => void): ParkedTable {
  const set: EpollSet = new EpollSet((batch) => table.ready(batch));
  const table: ParkedTable = new ParkedTable({
    clock: systemClock,
    random: systemRandom,
    readiness: set,
    woken: (rows, cause) => {
      for (const row of rows) woken(row, cause);
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

/** Takes a socket that nothing is known to have been read from. */
function take(socket: Socket): number {
  const taken = takeDescriptor(socket);
  assert.ok(taken !== undefined);
  assert.equal(taken.pending.length, 0);
  return taken.descriptor;
}

const into = new Uint8Array(new ArrayBuffer(4_096));

describe("a connection that is taken from Node", { skip }, () => {
  test("stays open and can be written to, read from and given back", async (t) => {
    const { pair } = await loopback(t);
    const { client, server } = await pair();
    let ended = false;
    client.once("end", () => (ended = true));
    const closed = once(server, "close");
    const descriptor = take(server);
    await closed;
    await sleep(20);
    assert.equal(ended, false, "no FIN was sent");
    assert.equal(receive(descriptor, into), wouldBlock);
    assert.equal(send(descriptor, Buffer.from("* OK still here\r\n")), 17);
    assert.equal(String((await once(client, "data"))[0]), "* OK still here\r\n");
    client.write("a1 NOOP\r\n");
    while (receive(descriptor, into) === wouldBlock) await sleep(1);
    const back = socketOf(descriptor, Buffer.from("before "));
    assert.equal(back.remotePort, client.localPort);
    client.write("after");
    let text = "";
    back.on("data", (bytes) => (text += String(bytes)));
    while (text.length < 12) await sleep(1);
    assert.equal(text, "before after");
    back.end("bye");
    assert.equal(String((await once(client, "data"))[0]), "bye");
    await once(client, "end");
  });

  test("works over a Unix socket", async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "roost-"));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const { pair } = await loopback(t, { path: join(folder, "socket") });
    const { client, server } = await pair();
    const descriptor = take(server);
    client.write("hello");
    await sleep(5);
    const back = socketOf(descriptor);
    t.after(() => back.destroy());
    assert.equal(String((await once(back, "data"))[0]), "hello");
    back.write("there");
    assert.equal(String((await once(client, "data"))[0]), "there");
  });

  test("brings along what Node had read already", async (t) => {
    const { pair } = await loopback(t);
    const { client, server } = await pair();
    server.pause();
    server.read(0);
    client.write("read by Node");
    while (server.readableLength < 12) await sleep(1);
    const taken = takeDescriptor(server)!;
    assert.equal(String(taken.pending), "read by Node");
    closeDescriptor(taken.descriptor);
    await once(client.resume(), "end");
  });

  test("is not taken while output is under way, after the end, or closed", async (t) => {
    const { pair } = await loopback(t);
    const busy = await pair();
    busy.server.write(Buffer.alloc(16 * 1024 * 1024));
    assert.equal(takeDescriptor(busy.server), undefined);
    const over = await pair();
    over.server.end();
    assert.equal(takeDescriptor(over.server), undefined);
    const closed = await pair();
    closed.server.destroy();
    assert.equal(takeDescriptor(closed.server), undefined);
  });

  test("tells that the peer is gone", async (t) => {
    const { pair } = await loopback(t);
    const { client, server } = await pair();
    const descriptor = take(server);
    client.resetAndDestroy();
    while (receive(descriptor, into) === wouldBlock) await sleep(1);
    assert.ok([broken, 0].includes(receive(descriptor, into)));
    assert.equal(send(descriptor, Buffer.from("x")), broken, "and no SIGPIPE");
    closeDescriptor(descriptor);
  });
});

describe("parked connections", { skip }, () => {
  test("no byte is lost or doubled, however parking and sending meet", async (t) => {
    const seed = systemRandom.below(0x1_0000_0000);
    const random = seededRandom(seed);
    const { pair } = await loopback(t);
    const connections = 8;
    const rounds = 400;
    let wakeUps = 0;
    const onWake = new Map<number, () => void>();
    const table = newTable(t, (row, cause) => {
      assert.equal(cause, "readable", `seed ${seed}`);
      wakeUps++;
      onWake.get(row)!();
    });

    async function one(
      { client, server }: { client: Socket; server: Socket },
      number: number,
    ): Promise<void> {
      const total = rounds * 20;
      const expected = Buffer.from(seededRandom(number).bytes(total));
      const got: Buffer[] = [];
      let size = 0;
      const take = (bytes: Uint8Array): void => {
        got.push(Buffer.from(bytes));
        size += bytes.length;
      };
      // The sender: pieces of any size at any time.
      const sending = (async () => {
        for (let at = 0; at < total;) {
          const next = Math.min(total, at + 1 + random.below(40));
          client.write(expected.subarray(at, next));
          at = next;
          if (random.below(3) > 0) await sleep(random.below(3));
          else if (random.below(2) > 0) await systemClock.yield();
        }
      })();
      // The receiver: parks and takes back.
      let socket = server;
      while (size < total) {
        const read = (bytes: Uint8Array): void => take(bytes);
        socket.on("data", read);
        if (random.below(2) > 0) await systemClock.yield();
        if (random.below(3) === 0) await sleep(random.below(3));
        socket.off("data", read);
        const taken = takeDescriptor(socket)!;
        assert.ok(taken !== undefined, `seed ${seed}`);
        take(taken.pending);
        if (size >= total) {
          closeDescriptor(taken.descriptor);
          break;
        }
        let wake!: () => void;
        const woken = new Promise<void>((resolve) => (wake = resolve));
        const row = table.add(sessionOf({ descriptor: taken.descriptor }));
        assert.ok(row > 0);
        onWake.set(row, wake);
        await woken;
        // Sometimes a first look, and parked again.
        if (random.below(3) === 0) {
          const some = new Uint8Array(1 + random.below(8));
          const count = receive(table.descriptor(row), some);
          assert.ok(count > 0, `seed ${seed}: ${count}`);
          take(some.subarray(0, count));
          if (size < total) {
            const again = new Promise<void>((resolve) => onWake.set(row, resolve));
            table.rearm(row, Infinity);
            await again;
          }
        }
        onWake.delete(row);
        socket = socketOf(table.remove(row), random.below(2) > 0 ? undefined : Buffer.alloc(0));
      }
      await sending;
      assert.ok(Buffer.concat(got).equals(expected), `seed ${seed}: connection ${number}`);
      socket.destroy();
      client.destroy();
    }
    const pairs = [];
    for (let i = 0; i < connections; i++) pairs.push(await pair());
    await Promise.all(pairs.map(one));
    t.diagnostic(`${wakeUps} wake-ups`);
    assert.ok(wakeUps > 500, `${wakeUps}`);
  });

  test("the end of the peer wakes: at once, after bytes, by reset, and before parking", async (t) => {
    const { pair } = await loopback(t);
    const causes = new Map<number, WakeCause[]>();
    const table = newTable(t, (row, cause) => {
      const seen = causes.get(row) ?? [];
      causes.set(row, [...seen, cause]);
      if (cause === "readable") {
        receive(table.descriptor(row), into);
        table.rearm(row, Infinity);
      }
    });
    const [ended, bytes, reset, early] = [await pair(), await pair(), await pair(), await pair()];
    early.client.end();
    await sleep(10);
    const rows = [ended, bytes, reset, early].map(({ server }) =>
      table.add(sessionOf({ descriptor: take(server) })),
    );
    ended.client.end();
    bytes.client.end("last words");
    reset.client.resetAndDestroy();
    while (rows.some((row) => causes.get(row)?.at(-1) !== "hang-up")) await sleep(1);
    assert.deepEqual(
      rows.map((row) => causes.get(row)),
      [["hang-up"], ["readable", "hang-up"], ["hang-up"], ["hang-up"]],
    );
    // A peer that has ended only its side still hears us.
    const heard = once(ended.client, "data");
    send(table.descriptor(rows[0]!), Buffer.from("* BYE\r\n"));
    assert.equal(String((await heard)[0]), "* BYE\r\n");
  });

  test("what a peer sent before it closed a Unix socket is read first", async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "roost-"));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const { pair } = await loopback(t, { path: join(folder, "socket") });
    const seen: string[] = [];
    const table = newTable(t, (row, cause) => {
      const count = cause === "readable" ? receive(table.descriptor(row), into) : 0;
      seen.push(`${cause} ${Buffer.from(into).toString("latin1", 0, count)}`);
      if (cause === "readable") table.rearm(row, Infinity);
    });
    const { client, server } = await pair();
    table.add(sessionOf({ descriptor: take(server) }));
    client.write("a1 LOGOUT", () => client.destroy());
    while (seen.length < 2) await sleep(1);
    assert.deepEqual(seen, ["readable a1 LOGOUT", "hang-up "]);
  });

  test("a descriptor that is used again is not taken for its predecessor", async (t) => {
    const { pair } = await loopback(t);
    const woken: number[] = [];
    const table = newTable(t, (row) => {
      woken.push(row);
      closeDescriptor(table.remove(row));
    });
    for (let i = 0; i < 200; i++) {
      const { client, server } = await pair();
      const row = table.add(sessionOf({ descriptor: take(server) }));
      client.write("x");
      // Ready, but gone before it is reported; its row and number go to the next one.
      if (i % 2 === 0) {
        closeDescriptor(table.remove(row));
        const next = await pair();
        const nextRow = table.add(sessionOf({ descriptor: take(next.server) }));
        assert.equal(nextRow, row);
        await sleep(i % 10 === 0 ? 2 : 0);
        assert.deepEqual(woken.splice(0), []);
        closeDescriptor(table.remove(nextRow));
        next.client.destroy();
      } else {
        while (woken.length === 0) await systemClock.yield();
        assert.deepEqual(woken.splice(0), [row]);
      }
      client.destroy();
    }
    assert.equal(table.count, 0);
  });

  test("promises that a wake-up resolves go on at once", async (t) => {
    const { pair } = await loopback(t);
    const { client, server } = await pair();
    const order: string[] = [];
    const done = new Promise<void>((resolve) => {
      const table = newTable(t, () => {
        process.nextTick(() => order.push("tick"));
        void Promise.resolve().then(() => order.push("promise"));
        setTimeout(() => {
          order.push("timer");
          resolve();
        }, 0);
      });
      table.add(sessionOf({ descriptor: take(server) }));
    });
    client.write("x");
    await done;
    assert.deepEqual(order, ["tick", "promise", "timer"]);
  });
});
