import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, statSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { constants, createDeflateRaw, createInflateRaw } from "node:zlib";
import { fromUtf8, utf8 } from "#base/bytes.ts";
import { systemClock } from "#base/clock.ts";
import type { Clock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { silentLog } from "#base/log.ts";
import type { Log } from "#base/log.ts";
import type { Connection } from "./connection.ts";
import { currentConnection } from "./listener.ts";
import { LineClient, scratchFolder, selfSigned, serve } from "./testing.ts";

/** Answers every chunk with itself. */
async function echo({ stream }: Connection): Promise<void> {
  for (let bytes = await stream.read(); bytes !== null; bytes = await stream.read())
    await stream.write(bytes);
}

test("serves a connection, and knows whose work is being done", async (t) => {
  let current: Connection | undefined;
  let served: Connection | undefined;
  const { port } = await serve(t, async (connection) => {
    served = connection;
    assert.ok(connection.peer.loopback && !connection.peer.secure);
    await connection.stream.read();
    current = currentConnection();
    void connection.stream.write(utf8("bye\r\n"));
  });
  const client = await LineClient.connect(t, port);
  client.send("hello");
  assert.deepEqual(await client.rest(), ["bye"]);
  assert.equal(current, served);
});

test("a session that fails ends alone, with its cause in the log", async (t) => {
  const errors: unknown[] = [];
  const log: Log = { ...silentLog, error: (fields) => void errors.push(fields["err"]) };
  const { port, metrics } = await serve(
    t,
    async ({ stream }) => {
      await stream.read();
      throw new Error("oops");
    },
    { log },
  );
  const client = await LineClient.connect(t, port);
  client.send("x");
  assert.deepEqual(await client.rest(), []);
  assert.match(String(errors[0]), /oops/);
  assert.match(metrics.page(), /roost_sessions_failed_total\{listener="test"\} 1/);
  await LineClient.connect(t, port);
});

test("a connection over the limit is told so and closed; room that is given back is used", async (t) => {
  const { port, listeners } = await serve(t, echo, { connectionsMax: 1 });
  const first = await LineClient.connect(t, port);
  first.send("a\r\n");
  assert.equal(await first.line(), "a");
  const second = await LineClient.connect(t, port);
  assert.deepEqual(await second.rest(), ["* BYE Too many connections"]);
  first.socket.end();
  await first.rest();
  while (listeners.connections > 0) await systemClock.yield();
  const third = await LineClient.connect(t, port);
  third.send("c\r\n");
  assert.equal(await third.line(), "c");
});

test("implicit TLS serves TLS, and a plain-text client is closed", async (t) => {
  const contexts = await selfSigned(t);
  let protocol: string | undefined;
  const { port } = await serve(
    t,
    (connection) => {
      protocol = connection.tlsProtocol;
      assert.ok(connection.peer.secure);
      assert.equal(connection.channelBinding("tls-exporter")?.length, 32);
      assert.equal(connection.channelBinding("tls-server-end-point")?.length, 32);
      return echo(connection);
    },
    { contexts, implicitTls: true },
  );
  const client = await LineClient.connectTls(t, port);
  client.send("hi\r\n");
  assert.equal(await client.line(), "hi");
  assert.equal(protocol, "TLSv1.3");
  const plain = await LineClient.connect(t, port);
  plain.send("a LOGIN alice secret\r\n");
  await plain.rest();
});

test("a setting leaves all of TLS 1.3 to OpenSSL", async (t) => {
  const contexts = await selfSigned(t, "openssl");
  let protocol: string | undefined;
  const { port } = await serve(
    t,
    (connection) => {
      protocol = connection.tlsProtocol;
      assert.equal(connection.canUpgradeTls, false);
      assert.equal(connection.channelBinding("tls-exporter")?.length, 32);
      return echo(connection);
    },
    { contexts, implicitTls: true },
  );
  const client = await LineClient.connectTls(t, port);
  client.send("hi\r\n");
  assert.equal(await client.line(), "hi");
  assert.equal(protocol, "TLSv1.3");
});

/** A session that waits for a line, upgrades and echoes. */
async function upgradeAndEcho(connection: Connection): Promise<void> {
  await connection.stream.read();
  void connection.stream.write(utf8("OK begin\r\n"));
  await connection.upgradeTls();
  await echo(connection);
}

test("STARTTLS puts TLS under the same stream", async (t) => {
  const { port } = await serve(t, upgradeAndEcho, { contexts: await selfSigned(t) });
  const client = await LineClient.connect(t, port);
  client.send("STARTTLS\r\n");
  assert.equal(await client.line(), "OK begin");
  await client.startTls();
  client.send("secret\r\n");
  assert.equal(await client.line(), "secret");
  client.socket.end();
  assert.deepEqual(await client.rest(), []);
});

test("plain text that arrives before the handshake is never read as if it came through TLS", async (t) => {
  const seen: string[] = [];
  const { port } = await serve(
    t,
    async (connection) => {
      const { stream } = connection;
      await stream.read();
      // The injected command arrives in a packet of its own while the session is busy.
      void stream.write(utf8("go on\r\n"));
      for (let i = 0; i < 200; i++) await systemClock.yield();
      void stream.write(utf8("OK begin\r\n"));
      await connection.upgradeTls();
      for (let bytes = await stream.read(); bytes !== null; bytes = await stream.read())
        seen.push(fromUtf8(bytes));
    },
    { contexts: await selfSigned(t) },
  );
  const client = await LineClient.connect(t, port);
  client.send("STARTTLS\r\n");
  await client.line();
  client.send("injected\r\n");
  assert.deepEqual(await client.rest(), []);
  assert.deepEqual(seen, []);
});

test("garbage after the handshake breaks the connection", async (t) => {
  const { port, listeners } = await serve(t, upgradeAndEcho, { contexts: await selfSigned(t) });
  const client = await LineClient.connect(t, port);
  const raw = client.socket;
  client.send("STARTTLS\r\n");
  await client.line();
  await client.startTls();
  client.send("ok\r\n");
  assert.equal(await client.line(), "ok");
  // Past the TLS of this side, as a man in the middle would.
  const handle = (
    raw as unknown as { _handle: { writeLatin1String(r: object, s: string): number } }
  )._handle;
  handle.writeLatin1String({}, "garbage garbage garbage");
  while (listeners.connections > 0) await systemClock.yield();
});

test("stopping lets sessions say goodbye", async (t) => {
  const { port, listeners } = await serve(t, async ({ stream, shutdown }) => {
    shutdown.whenBegun(() => {
      void stream.write(utf8("* BYE\r\n"));
      stream.end();
    });
    await echo({ stream } as Connection);
  });
  const client = await LineClient.connect(t, port);
  client.send("a\r\n");
  assert.equal(await client.line(), "a");
  await listeners.stop();
  assert.deepEqual(await client.rest(), ["* BYE"]);
  assert.equal(listeners.connections, 0);
  const late = connect(port, "127.0.0.1");
  const [error] = (await once(late, "error")) as [NodeJS.ErrnoException];
  assert.equal(error.code, "ECONNREFUSED");
});

test("stopping closes sessions that do not end by themselves", async (t) => {
  const clock: Clock = {
    ...systemClock,
    after: (ms, run) => systemClock.after(ms === limits.shutdownMs ? 20 : ms, run),
  };
  const { port, listeners } = await serve(t, echo, { clock });
  const client = await LineClient.connect(t, port);
  client.send("a\r\n");
  assert.equal(await client.line(), "a");
  await listeners.stop();
  assert.deepEqual(await client.rest(), []);
});

test("a Unix socket has its rights from the start, replaces a dead one and respects a live one", async (t) => {
  const { listeners } = await serve(t, echo);
  const path = join(scratchFolder(t), "test.sock");
  const options = {
    name: "unix",
    endpoint: { path, mode: 0o600 },
    implicitTls: false,
    turnAway: utf8(""),
    serve: echo,
  };
  await listeners.open(options);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  const socket = connect(path);
  socket.write("hi");
  const [answer] = (await once(socket, "data")) as [Buffer];
  assert.equal(answer.toString(), "hi");
  await assert.rejects(listeners.open(options), { name: "Refusal", code: "CANNOT" });
  socket.destroy();
  await listeners.stop();
  assert.ok(!existsSync(path));
});

test("compression starts behind what was written and before what was not read", async (t) => {
  const { port } = await serve(t, async ({ stream }) => {
    await stream.read();
    void stream.write(utf8("OK deflate\r\n"));
    stream.startCompression();
    assert.ok(stream.compressed);
    for (let bytes = await stream.read(); bytes !== null; bytes = await stream.read())
      await stream.write(bytes);
    stream.end();
  });
  const client = await LineClient.connect(t, port);
  client.send("COMPRESS\r\n");
  assert.equal(await client.line(), "OK deflate");
  const [deflate, inflate] = [createDeflateRaw(), createInflateRaw()];
  client.socket.removeAllListeners("data");
  deflate.pipe(client.socket);
  client.socket.pipe(inflate);
  const text = "a1 FETCH 1:* FLAGS\r\n".repeat(1000);
  deflate.write(text);
  deflate.flush(constants.Z_SYNC_FLUSH);
  let echoed = "";
  while (echoed.length < text.length) echoed += String((await once(inflate, "data"))[0]);
  assert.equal(echoed, text);
});
