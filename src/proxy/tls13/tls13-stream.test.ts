import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test } from "node:test";
import type { TestContext } from "node:test";
import { connect as connectTls } from "node:tls";
import { systemClock } from "#base/clock.ts";
import { ConnectionBroken } from "#base/stream.ts";
import { limits } from "#base/limits.ts";
import { SocketStream } from "../socket-stream.ts";
import { contentType } from "./record-protection.ts";
import { echo, sealed, StepClient, testServer } from "./testing.ts";
import { thawTls13, Tls13Stream } from "./index.ts";

/** A client after its handshake, and the server's stream. */
async function established(t: TestContext): Promise<{ client: StepClient; stream: Tls13Stream }> {
  const streams = Promise.withResolvers<Tls13Stream>();
  const server = await testServer(t, {}, async ({ stream }) => {
    assert.ok(stream instanceof Tls13Stream);
    streams.resolve(stream);
    await Promise.resolve();
  });
  const client = await StepClient.connect(t, server.port);
  client.socket.write(client.hello());
  await client.serverFlight();
  client.socket.write(client.finishedRecord());
  return { client, stream: await streams.promise };
}

describe("writing", () => {
  test("what is written in one turn is one record", async (t) => {
    const { client, stream } = await established(t);
    for (const part of ["* 1 EXISTS\r\n", "* 0 RECENT\r\n", "a OK\r\n"])
      assert.equal(stream.write(Buffer.from(part)), undefined);
    const opened = await client.receive();
    assert.equal(opened?.content.toString(), "* 1 EXISTS\r\n* 0 RECENT\r\na OK\r\n");
  });

  test("who wrote is told when the memory is free, in order, and may change it", async (t) => {
    const { client, stream } = await established(t);
    const told: number[] = [];
    let expected = "";
    for (let i = 0; i < 40; i++) {
      const memory = Buffer.alloc(i % 4 === 0 ? 90_000 : 500, 65 + (i % 26));
      expected += memory.toString();
      await stream.write(memory, () => {
        told.push(i);
        memory.fill(0);
      });
    }
    const got = await client.receiveText(expected.length);
    assert.ok(got === expected);
    assert.deepEqual(
      told,
      Array.from({ length: 40 }, (_, i) => i),
    );
  });

  test("a client that does not read makes writers wait, and gets all in the end", async (t) => {
    const { client, stream } = await established(t);
    client.socket.pause();
    const piece = Buffer.alloc(100_000, "x");
    let written = 0;
    let waiting: Promise<void> | undefined;
    while (waiting === undefined || written < limits.unsentBytesMax) {
      waiting = stream.write(piece);
      written += piece.length;
      assert.ok(written < 64 << 20, "nobody ever had to wait");
      await new Promise((resolve) => setImmediate(resolve));
    }
    let done = false;
    const waited = waiting.then(() => (done = true));
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(done, false);
    client.socket.resume();
    assert.equal((await client.receiveText(written)).length, written);
    await waited;
  });

  test("end sends all, then close_notify; more is refused", async (t) => {
    const { client, stream } = await established(t);
    const text = "y".repeat(1_000_000);
    void stream.write(Buffer.from(text));
    stream.end();
    await assert.rejects(Promise.resolve(stream.write(Buffer.from("z"))), ConnectionBroken);
    assert.equal(await stream.read(), null);
    assert.equal(await client.receiveText(text.length), text);
    const goodbye = await client.receive();
    assert.deepEqual([goodbye?.type, goodbye?.content.toString("hex")], [21, "0100"]);
    assert.equal(await client.receive(), null);
  });
});

describe("reading", () => {
  test("an end with close_notify, without, and in the middle of a record", async (t) => {
    const proper = await established(t);
    const goodbye = sealed(proper.client.writeKeys, contentType.alert, Buffer.of(1, 0));
    proper.client.socket.write(Buffer.concat([goodbye, proper.client.data("ignored")]));
    assert.equal(await proper.stream.read(), null);
    assert.equal(await proper.stream.read(), null);
    // The other direction is still open. RFC 8446 §6.1
    void proper.stream.write(Buffer.from("answer"));
    assert.equal(await proper.client.receiveText(6), "answer");

    const sudden = await established(t);
    sudden.client.socket.end();
    assert.equal(await sudden.stream.read(), null);

    const torn = await established(t);
    torn.client.socket.end(torn.client.data("some").subarray(0, 9));
    await assert.rejects(torn.stream.read(), ConnectionBroken);
  });

  for (const [what, bytes, alert] of [
    ["a ChangeCipherSpec", () => Buffer.of(20, 3, 3, 0, 1, 1), 10],
    ["a plain alert", () => Buffer.of(21, 3, 3, 0, 2, 1, 0), 10],
    ["a record that is too large", () => Buffer.of(23, 3, 3, 0x41, 0x01), 22],
    ["a replay", (client: StepClient) => replay(client), 20],
    ["garbage", () => Buffer.alloc(40, 99), 10],
  ] as const)
    test(`${what}: one alert and the end`, async (t) => {
      const { client, stream } = await established(t);
      client.socket.write(bytes(client));
      await assert.rejects(async () => {
        while ((await stream.read()) !== null);
      }, ConnectionBroken);
      const opened = await client.receive();
      assert.deepEqual([opened?.type, opened?.content.toString("hex")], [21, `02${hex(alert)}`]);
      assert.equal(await client.receive(), null);
      await assert.rejects(stream.read(), ConnectionBroken);
      await assert.rejects(Promise.resolve(stream.write(Buffer.from("z"))), ConnectionBroken);
    });
});

function replay(client: StepClient): Buffer {
  const record = client.data("once");
  return Buffer.concat([record, record]);
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, "0");
}

test("a read that waits is withdrawn, and what comes is for the next one", async (t) => {
  const { client, stream } = await established(t);
  assert.equal(stream.withdrawRead(), false, "there is none");
  void stream.read();
  assert.equal(stream.withdrawRead(), true);
  assert.equal(stream.withdrawRead(), false);
  const reading = stream.read();
  client.socket.write(client.data("a NOOP\r\n"));
  assert.equal(Buffer.from((await reading) ?? []).toString(), "a NOOP\r\n");
});

describe("freezing", () => {
  test("between any two messages, with bytes on their way in", async (t) => {
    const { client, stream: first } = await established(t);
    let stream = first;
    for (let round = 0; round < 20; round++) {
      const record = client.data(`command ${round}`);
      const cut = (round * 7) % record.length;
      void stream.write(Buffer.from(`before ${round} `));
      client.socket.write(record.subarray(0, cut));
      await new Promise((resolve) => setTimeout(resolve, 1));
      const pending = round % 2 === 0 ? assert.rejects(stream.read(), ConnectionBroken) : undefined;
      const frozen = await stream.freeze();
      await pending;
      assert.ok(frozen.state.length <= 210);
      client.socket.write(record.subarray(cut));
      const carrier = new SocketStream(frozen.socket, systemClock);
      stream = thawTls13(carrier, frozen, systemClock);
      frozen.socket.resume();
      const got = await stream.read();
      assert.equal(Buffer.from(got!).toString(), `command ${round}`);
      void stream.write(Buffer.from("after "));
      const expected = `before ${round} after `;
      assert.equal(await client.receiveText(expected.length), expected);
    }
  });

  test("Node's client does not notice", async (t) => {
    const server = await testServer(t, {}, async ({ stream, facts }) => {
      assert.ok(stream instanceof Tls13Stream);
      let current = stream;
      for (;;) {
        const bytes = await current.read();
        if (bytes === null) break;
        await current.write(bytes);
        if (bytes.length > 100) continue;
        const frozen = await current.freeze();
        current = thawTls13(new SocketStream(frozen.socket, systemClock), frozen, systemClock);
        frozen.socket.resume();
      }
      await echo({ stream: current, facts });
    });
    const client = connectTls({ port: server.port, host: "127.0.0.1", rejectUnauthorized: false });
    t.after(() => client.destroy());
    await once(client, "secureConnect");
    for (let round = 0; round < 50; round++) {
      client.write(`round ${round}`);
      const [bytes] = (await once(client, "data")) as [Buffer];
      assert.equal(bytes.toString(), `round ${round}`);
    }
    client.end();
    await once(client.resume(), "end");
    assert.deepEqual(
      server.results.filter((found) => found instanceof Error),
      [],
    );
  });

  test("a connection that is over has no state", async (t) => {
    const { client, stream } = await established(t);
    client.socket.destroy();
    assert.equal(await stream.read().catch(() => null), null);
    await assert.rejects(stream.freeze(), ConnectionBroken);
  });
});
