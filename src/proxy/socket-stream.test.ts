import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { fromUtf8, utf8 } from "#base/bytes.ts";
import { systemClock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { seededRandom } from "#base/random.ts";
import { ConnectionBroken } from "#base/stream.ts";
import { SocketStream } from "./socket-stream.ts";

async function pair(t: TestContext): Promise<{ ours: Socket; stream: SocketStream; peer: Socket }> {
  const server = createServer({ allowHalfOpen: true, noDelay: true });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const peer = connect((server.address() as AddressInfo).port, "127.0.0.1");
  peer.on("error", () => {});
  const [ours] = (await once(server, "connection")) as [Socket];
  t.after(() => {
    peer.destroy();
    ours.destroy();
    server.close();
  });
  return { ours, stream: new SocketStream(ours, systemClock), peer };
}

async function readText(stream: SocketStream): Promise<string | null> {
  const bytes = await stream.read();
  return bytes === null ? null : fromUtf8(bytes);
}

test("reads what comes, then null at the peer's end, and can still write", async (t) => {
  const { stream, peer } = await pair(t);
  peer.end("hello");
  assert.equal(await readText(stream), "hello");
  assert.equal(await stream.read(), null);
  assert.equal(await stream.read(), null);
  void stream.write(utf8("bye"));
  stream.end();
  const [answer] = (await once(peer, "data")) as [Buffer];
  assert.equal(answer.toString(), "bye");
});

test("writes of one turn leave in one write", async (t) => {
  const { ours, stream, peer } = await pair(t);
  let writes = 0;
  const write = ours.write.bind(ours);
  ours.write = ((...parts: Parameters<typeof write>) => {
    writes++;
    return write(...parts);
  }) as typeof ours.write;
  void stream.write(utf8("a"));
  await Promise.resolve();
  void stream.write(utf8("b"));
  await Promise.resolve();
  void stream.write(utf8("c"));
  const [answer] = (await once(peer, "data")) as [Buffer];
  assert.equal(answer.toString(), "abc");
  assert.equal(writes, 1);
});

test("many large writes keep their order and make the writer wait for a slow reader", async (t) => {
  const { stream, peer } = await pair(t);
  peer.pause();
  const piece = new Uint8Array(100_000);
  const count = 200;
  let waited = 0;
  const writing = (async () => {
    for (let i = 0; i < count; i++) {
      const wait = stream.write(piece.slice().fill(i));
      if (wait !== undefined) {
        waited++;
        await wait;
      }
    }
    stream.end();
  })();
  const got: Buffer[] = [];
  peer.on("data", (bytes: Buffer) => got.push(bytes));
  peer.resume();
  await Promise.all([writing, once(peer, "end")]);
  const all = Buffer.concat(got);
  assert.equal(all.length, count * piece.length);
  for (let i = 0; i < count; i++) assert.equal(all[i * piece.length + 7], i);
  assert.ok(waited > 0);
});

test("while nobody reads, the sender is held back", async (t) => {
  const { ours, stream, peer } = await pair(t);
  const piece = Buffer.alloc(1 << 20);
  const total = 64;
  for (let i = 0; i < total; i++) peer.write(piece);
  peer.end();
  while (!ours.isPaused()) await systemClock.yield();
  for (let i = 0; i < 50; i++) await systemClock.yield();
  assert.ok(ours.bytesRead < limits.inputBufferBytes * 4, `took ${ours.bytesRead} bytes`);
  let bytes = 0;
  for (let next = await stream.read(); next !== null; next = await stream.read())
    bytes += next.length;
  assert.equal(bytes, total * piece.length);
});

test("a reset rejects the pending read and every later write", async (t) => {
  const { stream, peer } = await pair(t);
  const reading = stream.read();
  peer.resetAndDestroy();
  await assert.rejects(reading, ConnectionBroken);
  await assert.rejects(stream.read(), ConnectionBroken);
  await assert.rejects(async () => stream.write(utf8("x")), ConnectionBroken);
  stream.end();
  stream.destroy();
});

test("destroy gives a pending read its end", async (t) => {
  const { stream } = await pair(t);
  const reading = stream.read();
  stream.destroy();
  assert.equal(await reading, null);
});

test("a writer that waits for a peer that goes away learns of it", async (t) => {
  const { stream, peer } = await pair(t);
  peer.pause();
  const writing = (async () => {
    for (;;) await stream.write(new Uint8Array(1 << 20));
  })();
  for (let i = 0; i < 20; i++) await systemClock.yield();
  peer.resetAndDestroy();
  await assert.rejects(writing, ConnectionBroken);
});

test("who wrote is told once, when the system has these bytes and all before", async (t) => {
  const { stream, peer } = await pair(t);
  const random = seededRandom(9);
  const expected: Buffer[] = [];
  const told = new Map<number, number>();
  const writing = (async () => {
    for (let i = 0; i < 2_000; i++) {
      const bytes = Buffer.from(random.bytes(random.below(30_000)));
      expected.push(Buffer.from(bytes));
      const sent = (): void => {
        told.set(i, (told.get(i) ?? 0) + 1);
        // Memory that is used again: whoever still reads it reads nonsense.
        bytes.fill(0x23);
      };
      await (random.below(3) > 0 ? stream.write(bytes) : stream.write(bytes, sent));
      if (random.below(20) === 0) await systemClock.yield();
    }
    stream.end();
  })();
  const got: Buffer[] = [];
  peer.on("data", (bytes: Buffer) => got.push(bytes));
  await Promise.all([writing, once(peer, "end")]);
  assert(Buffer.concat(got).equals(Buffer.concat(expected)));
  assert(told.size > 500 && [...told.values()].every((times) => times === 1));
});
