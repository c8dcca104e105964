import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { networkInterfaces } from "node:os";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { connect as connectTls } from "node:tls";
import { concatBytes, fromLatin1, utf8 } from "#base/bytes.ts";
import { systemClock } from "#base/clock.ts";
import type { Clock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { silentLog } from "#base/log.ts";
import type { Log } from "#base/log.ts";
import type { Connection } from "../connection.ts";
import { LineClient, selfSigned, serve } from "../testing.ts";
import type { Served, ServeOptions } from "../testing.ts";
import { signature } from "./version-2.ts";

const local = { from: ["127.0.0.0/8", "::1"], trustTls: false };

/** Says who is there, then answers each line with itself. */
async function whoIsThere({ peer, stream, canUpgradeTls }: Connection): Promise<void> {
  const { address, port, localAddress, localPort, secure, loopback } = peer;
  const words = [address, port, localAddress, localPort];
  const marks = Object.entries({ secure, loopback, canUpgradeTls }).filter(([, is]) => is);
  void stream.write(utf8(`${[...words, ...marks.map(([name]) => name)].join(" ")}\r\n`));
  for (let bytes = await stream.read(); bytes !== null; bytes = await stream.read())
    await stream.write(bytes);
}

const serveProxied = (t: TestContext, options: ServeOptions = {}): Promise<Served> =>
  serve(t, whoIsThere, { proxyProtocol: local, ...options });

/** A header of version 2 for 192.0.2.1, with `extra` behind the addresses. */
function version2(extra: Uint8Array = new Uint8Array(0), command = 0x21): Uint8Array {
  const length = 12 + extra.length;
  return Uint8Array.of(
    ...signature,
    ...[command, 0x11, length >> 8, length & 0xff],
    ...[192, 0, 2, 1, 198, 51, 100, 7, 0x9c, 0x40, 0, 143],
    ...extra,
  );
}

/** The client came under TLS, without a certificate. */
const underTls = Uint8Array.of(0x20, 0, 5, 1, 0, 0, 0, 1);

test("the client is the one that the balancer names, and never on this machine", async (t) => {
  const { port } = await serveProxied(t);
  const client = await LineClient.connect(t, port);
  client.send("PROXY TCP4 192.0.2.1 198.51.100.7 40000 143\r\nhello\r\n");
  assert.equal(await client.line(), "192.0.2.1 40000 198.51.100.7 143");
  assert.equal(await client.line(), "hello");
  const six = await LineClient.connect(t, port);
  six.send("PROXY TCP6 2001:DB8:0::1 ::1 40000 143\r\n");
  assert.equal(await six.line(), "2001:db8::1 40000 ::1 143");
  const near = await LineClient.connect(t, port);
  near.send("PROXY TCP4 127.0.0.1 127.0.0.1 40000 143\r\n");
  assert.equal(await near.line(), "127.0.0.1 40000 127.0.0.1 143");
  const unknown = await LineClient.connect(t, port);
  unknown.send("PROXY UNKNOWN\r\n");
  assert.match((await unknown.line())!, /^127\.0\.0\.1 \d+ 127\.0\.0\.1 \d+$/);
});

test("version 2, octet by octet, and what comes behind it", async (t) => {
  const { port } = await serveProxied(t);
  const client = await LineClient.connect(t, port);
  for (const octet of concatBytes([version2(underTls), utf8("hello\r\n")])) {
    client.socket.write(Uint8Array.of(octet));
    await systemClock.yield();
  }
  assert.equal(await client.line(), "192.0.2.1 40000 198.51.100.7 143");
  assert.equal(await client.line(), "hello");
  const check = await LineClient.connect(t, port);
  check.socket.write(version2(underTls, 0x20));
  assert.match((await check.line())!, /^127\.0\.0\.1 \d+ 127\.0\.0\.1 \d+$/);
});

test("TLS at the balancer counts only where the setting says so", async (t) => {
  const contexts = await selfSigned(t);
  const trusting = await serveProxied(t, { contexts, proxyProtocol: { ...local, trustTls: true } });
  const careful = await serveProxied(t, { contexts });
  const says = async (port: number, extra?: Uint8Array): Promise<string | null> => {
    const client = await LineClient.connect(t, port);
    client.socket.write(version2(extra));
    return client.line();
  };
  const who = "192.0.2.1 40000 198.51.100.7 143";
  assert.equal(await says(trusting.port, underTls), `${who} secure`);
  assert.equal(await says(trusting.port), `${who} canUpgradeTls`);
  assert.equal(await says(careful.port, underTls), `${who} canUpgradeTls`);
  const noTls = Uint8Array.from(underTls);
  noTls[3] = 0;
  assert.equal(await says(trusting.port, noTls), `${who} canUpgradeTls`);
});

test("TLS from the first byte begins behind the header, in the same packet or a later one", async (t) => {
  const contexts = await selfSigned(t);
  const { port } = await serveProxied(t, { contexts, implicitTls: true });
  for (const together of [true, false]) {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    await once(socket, "connect");
    if (together) {
      // What TLS writes next leaves with the header.
      socket.cork();
      socket.write(version2());
      process.nextTick(() => setImmediate(() => socket.uncork()));
    } else {
      socket.write(version2());
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const tls = connectTls({ socket, rejectUnauthorized: false });
    t.after(() => tls.destroy());
    await once(tls, "secureConnect");
    const client = new LineClient(tls);
    assert.equal(await client.line(), "192.0.2.1 40000 198.51.100.7 143 secure");
    client.send("hello\r\n");
    assert.equal(await client.line(), "hello");
  }
});

test("the octets of a handshake that came with the header are its own", async (t) => {
  const contexts = await selfSigned(t);
  const { port } = await serveProxied(t, { contexts, implicitTls: true });
  // A relay that sends the header and the first octets of the client in one piece.
  const relay = createServer((from) => {
    from.once("data", (first: Buffer) => {
      const to = connect({ port, host: "127.0.0.1" });
      to.write(concatBytes([version2(), first]));
      from.pipe(to).pipe(from);
      for (const socket of [from, to]) socket.on("error", () => {});
    });
  });
  relay.listen(0, "127.0.0.1");
  await once(relay, "listening");
  t.after(() => relay.close());
  const { port: relayPort } = relay.address() as { port: number };
  const client = await LineClient.connectTls(t, relayPort);
  assert.equal(await client.line(), "192.0.2.1 40000 198.51.100.7 143 secure");
});

test("no header, a broken one, or the end in the middle: closed without a word", async (t) => {
  const warnings: unknown[] = [];
  const log: Log = { ...silentLog, warn: (fields) => void warnings.push(fields["reason"]) };
  const { port, listeners, metrics } = await serveProxied(t, { log });
  for (const text of ["a LOGIN x y\r\n", "PROXY TCP4 1.2.3.4\r\n", "PROXY UNKNOWN\n"]) {
    const client = await LineClient.connect(t, port);
    client.send(text);
    assert.deepEqual(await client.rest(), [], text);
  }
  assert.equal(warnings.length, 3);
  const client = await LineClient.connect(t, port);
  client.socket.end("PROXY");
  assert.deepEqual(await client.rest(), []);
  assert.equal(warnings.length, 3);
  while (listeners.connections > 0) await systemClock.yield();
  assert.match(metrics.page(), /roost_connections_broken_total\{listener="test"\} 4/);
});

test("who comes from no balancer's network is closed at once", async (t) => {
  const proxyProtocol = { from: ["192.0.2.0/24", "::1"], trustTls: false };
  const { port, metrics } = await serveProxied(t, { proxyProtocol });
  const client = await LineClient.connect(t, port);
  assert.deepEqual(await client.rest(), []);
  const page = metrics.page();
  assert.match(page, /refused_total\{listener="test",limit="network"\} 1/);
});

const ipv6 = Object.values(networkInterfaces()).some((entries) =>
  entries?.some(({ address }) => address === "::1"),
);
const skip = ipv6 ? false : "this machine has no ::1";

test("IPv6: balancers, clients, and listeners", { skip }, async (t) => {
  const { port } = await serveProxied(t, { host: "::1" });
  const client = await LineClient.connect(t, port, "::1");
  client.send("PROXY TCP6 2001:db8::1 2001:db8::2 40000 143\r\n");
  assert.equal(await client.line(), "2001:db8::1 40000 2001:db8::2 143");
  const plain = await serve(t, whoIsThere, { host: "::" });
  const near = await LineClient.connect(t, plain.port, "::1");
  assert.match((await near.line())!, /^::1 \d+ ::1 \d+ loopback$/);
});

test("a client's connections are counted for the client, by the first 64 bits of IPv6", async (t) => {
  const { port } = await serveProxied(t, { connectionsPerAddressMax: 1 });
  const as = async (address: string): Promise<string | null> => {
    const client = await LineClient.connect(t, port);
    const family = address.includes(":") ? "TCP6" : "TCP4";
    client.send(`PROXY ${family} ${address} ${address} 40000 143\r\n`);
    return client.line();
  };
  assert.match((await as("2001:db8:1:2::1"))!, /^2001:db8:1:2::1 /);
  assert.equal(await as("2001:db8:1:2:3::1"), "* BYE Too many connections");
  assert.match((await as("2001:db8:1:3::1"))!, /^2001:db8:1:3::1 /);
  // No exception for what the balancer calls loopback.
  assert.match((await as("127.0.0.1"))!, /^127\.0\.0\.1 /);
  assert.equal(await as("127.0.0.1"), "* BYE Too many connections");
});

test("a balancer that says nothing is closed after a while, and at the end of the server", async (t) => {
  const timers: [ms: number, run: () => void][] = [];
  const clock: Clock = {
    ...systemClock,
    after: (ms, run) => {
      timers.push([ms, run]);
      return { cancel: () => {} };
    },
  };
  const { port, listeners } = await serveProxied(t, { clock });
  const client = await LineClient.connect(t, port);
  client.socket.write(fromLatin1("PROXY "));
  while (timers.length === 0) await systemClock.yield();
  assert.equal(timers[0]![0], limits.proxyHeaderMs);
  timers[0]![1]();
  assert.deepEqual(await client.rest(), []);
  const other = await LineClient.connect(t, port);
  while (listeners.connections === 0) await systemClock.yield();
  listeners.shutdown.begin();
  assert.deepEqual(await other.rest(), []);
});
