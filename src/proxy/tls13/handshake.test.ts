/** The take-over, with a client that sends its handshake in every way that is allowed, and others. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectTcp } from "node:net";
import { describe, test } from "node:test";
import type { TestContext } from "node:test";
import { connect as connectTls } from "node:tls";
import type { ConnectionOptions, TLSSocket } from "node:tls";
import { systemClock } from "#base/clock.ts";
import { errorText } from "#base/assert.ts";
import { DeadlineExceeded } from "#base/deadline.ts";
import { systemRandom } from "#base/random.ts";
import { limits } from "#base/limits.ts";
import { ConnectionBroken } from "#base/stream.ts";
import { SocketStream } from "../socket-stream.ts";
import { cipherSuites } from "./cipher-suites.ts";
import type { AcceptedTls } from "./handshake.ts";
import { contentType, seal } from "./record-protection.ts";
import {
  clientCertificate,
  sealed,
  selfSigned,
  StepClient,
  testContext,
  testServer,
} from "./testing.ts";
import type { HelloOptions, TestServer } from "./testing.ts";
import { Tls13Stream } from "./tls13-stream.ts";

const changeCipherSpec = Buffer.of(20, 3, 3, 0, 1, 1);

/** Node's own client, connected. */
async function nodeClient(
  t: TestContext,
  port: number,
  options: ConnectionOptions = {},
): Promise<TLSSocket> {
  const client = connectTls({ port, host: "127.0.0.1", rejectUnauthorized: false, ...options });
  t.after(() => client.destroy());
  client.on("error", () => {});
  await once(client, "secureConnect");
  return client;
}

async function echoed(client: TLSSocket, text: string): Promise<string> {
  client.write(text);
  let got = "";
  while (got.length < text.length) {
    const [bytes] = (await once(client, "data")) as [Buffer];
    got += bytes.toString("latin1");
  }
  return got;
}

async function result(server: TestServer): Promise<AcceptedTls | Error> {
  while (server.results.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  return server.results[0]!;
}

async function accepted(server: TestServer): Promise<AcceptedTls> {
  const found = await result(server);
  assert.ok(!(found instanceof Error));
  return found;
}

describe("the client's side in steps", () => {
  /** Up to the server's Finished. */
  async function begun(
    t: TestContext,
    hello: HelloOptions = {},
    parts: Parameters<typeof testServer>[1] = {},
  ): Promise<{ client: StepClient; server: TestServer }> {
    const server = await testServer(t, parts);
    const client = await StepClient.connect(t, server.port, hello);
    client.socket.write(client.hello());
    await client.serverFlight();
    return { client, server };
  }

  for (const suite of cipherSuites)
    test(`data in the segment of the Finished, and more of it: ${suite.name}`, async (t) => {
      const { client, server } = await begun(t, { suite });
      client.socket.write(
        Buffer.concat([client.finishedRecord(), client.data("one"), client.data("two")]),
      );
      assert.equal(await client.receiveText(6), "onetwo");
      client.socket.write(client.data("three"));
      assert.equal(await client.receiveText(5), "three");
      const { facts, stream } = await accepted(server);
      assert.ok(stream instanceof Tls13Stream);
      assert.equal(facts.cipher, suite.name);
      assert.equal(facts.resumed, false);
    });

  test("a whole session, its end included, in the segment of the Finished", async (t) => {
    const { client } = await begun(t);
    client.socket.end(
      Buffer.concat([
        client.finishedRecord(),
        client.data("last words"),
        sealed(client.writeKeys, contentType.alert, Buffer.of(1, 0)),
      ]),
    );
    assert.equal(await client.receiveText(10), "last words");
    const goodbye = await client.receive();
    assert.deepEqual([goodbye?.type, goodbye?.content.toString("hex")], [21, "0100"]);
    assert.equal(await client.receive(), null);
  });

  test("everything one byte at a time", async (t) => {
    const server = await testServer(t, {});
    const client = await StepClient.connect(t, server.port);
    const drip = async (bytes: Buffer): Promise<void> => {
      for (const byte of bytes) {
        client.socket.write(Buffer.of(byte));
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    await drip(client.hello());
    await client.serverFlight();
    await drip(Buffer.concat([changeCipherSpec, client.finishedRecord(), client.data("drops")]));
    assert.equal(await client.receiveText(5), "drops");
  });

  test("a ClientHello over several records", async (t) => {
    const server = await testServer(t, {});
    const client = await StepClient.connect(t, server.port);
    const hello = client.hello().subarray(5);
    for (let at = 0; at < hello.length; at += 40) {
      const part = hello.subarray(at, at + 40);
      client.socket.write(Buffer.concat([Buffer.of(22, 3, 1, 0, part.length), part]));
    }
    await client.serverFlight();
    client.socket.write(Buffer.concat([client.finishedRecord(), client.data("pieces")]));
    assert.equal(await client.receiveText(6), "pieces");
  });

  test("a Finished over several records, padded, with data behind it", async (t) => {
    const { client } = await begun(t);
    const messages = client.finishedMessages();
    const records: Buffer[] = [changeCipherSpec];
    for (let at = 0; at < messages.length; at += 7) {
      // The type is part of what is protected; zeros behind it are padding.
      const part = Buffer.concat([messages.subarray(at, at + 7), Buffer.of(22, 0, 0)]);
      records.push(sealed(client.handshakeKeys, 0, part));
    }
    client.socket.write(Buffer.concat([...records, client.data("behind")]));
    assert.equal(await client.receiveText(6), "behind");
  });

  for (const together of [true, false])
    test(`an empty Certificate and the Finished, in one record: ${together}`, async (t) => {
      const { client, server } = await begun(t, {}, { clientCertificate: "requested" });
      assert.ok(client.certificateRequested);
      const messages = client.finishedMessages();
      const parts = together ? [messages] : [messages.subarray(0, 8), messages.subarray(8)];
      const records = parts.map((part) => sealed(client.handshakeKeys, 22, part));
      client.socket.write(Buffer.concat([...records, client.data("nobody")]));
      assert.equal(await client.receiveText(6), "nobody");
      const { facts } = await accepted(server);
      assert.equal(facts.clientCertificate, undefined);
    });

  test("no certificate where one is required", async (t) => {
    const { client, server } = await begun(t, {}, { clientCertificate: "required" });
    client.socket.write(Buffer.concat([client.finishedRecord(), client.data("let me in")]));
    const found = await result(server);
    assert.ok(found instanceof ConnectionBroken);
    assert.match(found.message, /certificate/);
    const alert = await client.receive();
    assert.deepEqual([alert?.type, alert?.content[1]], [21, 116]);
  });

  test("HelloRetryRequest", async (t) => {
    const { client } = await begun(t, { keyShare: false });
    assert.ok(client.retried);
    client.socket.write(Buffer.concat([client.finishedRecord(), client.data("again")]));
    assert.equal(await client.receiveText(5), "again");
  });

  for (const keyShare of [true, false])
    test(`early data that is refused; asked for a key share: ${!keyShare}`, async (t) => {
      const server = await testServer(t, {});
      const client = await StepClient.connect(t, server.port, { earlyData: true, keyShare });
      const early = (length: number): Buffer =>
        Buffer.concat([Buffer.of(23, 3, 3), Buffer.of(length >> 8, length & 0xff), noise(length)]);
      // Right behind the ClientHello: the server has not answered it yet.
      client.socket.write(
        Buffer.concat([client.hello(), changeCipherSpec, early(100), early(1_000), early(29)]),
      );
      await client.serverFlight();
      client.socket.write(keyShare ? early(50) : Buffer.alloc(0));
      client.socket.write(Buffer.concat([client.finishedRecord(), client.data("patience")]));
      assert.equal(await client.receiveText(8), "patience");
    });

  test("more in the record of the Finished", async (t) => {
    const { client, server } = await begun(t);
    const both = Buffer.concat([client.finishedMessages(), Buffer.of(24, 0, 0, 1, 0)]);
    client.socket.write(Buffer.concat([sealed(client.handshakeKeys, 22, both), client.data("x")]));
    const found = await result(server);
    assert.ok(found instanceof ConnectionBroken);
    const alert = await client.receive();
    assert.deepEqual([alert?.type, alert?.content[1]], [21, 10]);
  });

  test("a Finished that is wrong", async (t) => {
    const { client, server } = await begun(t);
    const messages = client.finishedMessages();
    messages[20]! ^= 1;
    client.socket.write(
      Buffer.concat([sealed(client.handshakeKeys, 22, messages), client.data("x")]),
    );
    const found = await result(server);
    assert.ok(found instanceof ConnectionBroken);
    const alert = await client.receive();
    assert.deepEqual([alert?.type, alert?.content[1]], [21, 51]);
    assert.equal(await client.receive(), null);
  });

  test("a KeyUpdate as the first record of all, asking for ours", async (t) => {
    const { client } = await begun(t);
    const finished = client.finishedRecord();
    const update = sealed(client.writeKeys, 22, Buffer.of(24, 0, 0, 1, 1));
    const { nextTrafficKeys } = await import("./traffic-keys.ts");
    client.writeKeys = nextTrafficKeys(client.writeKeys);
    client.socket.write(Buffer.concat([finished, update, client.data("fresh")]));
    const ours = await client.receive();
    assert.deepEqual([ours?.type, ours?.content.toString("hex")], [22, "1800000100"]);
    client.readKeys = nextTrafficKeys(client.readKeys);
    assert.equal(await client.receiveText(5), "fresh");
  });

  test("a client that goes away in the middle", async (t) => {
    const { client, server } = await begun(t);
    client.socket.end();
    const found = await result(server);
    assert.ok(found instanceof ConnectionBroken);
    assert.match(found.message, /went away/);
  });

  test("a client that never comes to an end", async (t) => {
    const { client, server } = await begun(t);
    const endless = Buffer.concat([Buffer.of(11, 0xff, 0xff, 0xff), Buffer.alloc(16_000)]);
    let sent = 0;
    while (sent < limits.tlsHandshakeBytesMax && server.results.length === 0) {
      client.socket.write(
        sealed(client.handshakeKeys, 22, sent === 0 ? endless : Buffer.alloc(16_000)),
      );
      sent += 16_000;
      await new Promise((resolve) => setImmediate(resolve));
    }
    const found = await result(server);
    assert.ok(found instanceof ConnectionBroken);
  });

  for (const [what, bytes, alert] of [
    ["another protocol", Buffer.from("GET / HTTP/1.1\r\n\r\n"), undefined],
    ["a record that is too large", Buffer.of(22, 3, 1, 0xff, 0xff, 1), 22],
    ["a record of no known type", Buffer.of(99, 3, 1, 0, 1, 1), 10],
  ] as const)
    test(`what is no handshake ends it: ${what}`, async (t) => {
      const server = await testServer(t, {});
      const client = await StepClient.connect(t, server.port);
      client.socket.write(bytes);
      const answer = await client.record();
      assert.equal(answer?.[6], alert);
      assert.ok((await result(server)) instanceof ConnectionBroken);
    });

  test("silence ends with the deadline", async (t) => {
    let expire: (() => void) | undefined;
    const clock = {
      ...systemClock,
      after: (ms: number, run: () => void) => {
        if (ms === limits.tlsHandshakeMs) expire = run;
        return ms === limits.tlsHandshakeMs ? { cancel: () => {} } : systemClock.after(ms, run);
      },
    };
    const server = await testServer(t, { clock });
    const socket = connectTcp({ port: server.port, host: "127.0.0.1" });
    t.after(() => socket.destroy());
    await once(socket, "connect");
    while (expire === undefined) await new Promise((resolve) => setTimeout(resolve, 1));
    const ended = once(socket.resume(), "end");
    expire();
    await ended;
    assert.ok((await result(server)) instanceof DeadlineExceeded);
  });

  test("many clients whose bytes are cut anywhere", async (t) => {
    const server = await testServer(t, {});
    const one = async (cut: number): Promise<void> => {
      const client = await StepClient.connect(t, server.port, { keyShare: cut % 2 === 0 });
      client.socket.write(client.hello());
      await client.serverFlight();
      const bytes = Buffer.concat([
        changeCipherSpec,
        client.finishedRecord(),
        client.data("first"),
        client.data("second"),
      ]);
      client.socket.write(bytes.subarray(0, cut));
      await new Promise((resolve) => setTimeout(resolve, 2));
      client.socket.write(bytes.subarray(cut));
      assert.equal(await client.receiveText(11), "firstsecond");
      client.socket.destroy();
    };
    for (let cut = 0; cut < 115; cut += 5)
      await Promise.all([0, 1, 2, 3, 4].map((more) => one(cut + more)));
  });
});

function noise(length: number): Uint8Array {
  return systemRandom.bytes(length);
}

describe("Node's client", () => {
  test("a full handshake, then resumed ones; tickets of all of them work", async (t) => {
    const server = await testServer(t, {});
    let session: Buffer | undefined;
    const keep = (made: Buffer): void => {
      session = made;
    };
    for (let round = 0; round < 4; round++) {
      const client = await nodeClient(t, server.port, session === undefined ? {} : { session });
      client.on("session", keep);
      assert.equal(await echoed(client, "hello"), "hello");
      assert.equal(client.isSessionReused(), round > 0);
      assert.notEqual(session, undefined);
      client.end();
      await once(client, "close");
      const { facts } = server.results[round] as AcceptedTls;
      assert.equal(facts.resumed, round > 0);
    }
  });

  test("ticket keys decide who can resume", async (t) => {
    const first = Buffer.from(noise(48));
    let context = testContext({ ticketKeys: first });
    const server = await testServer(t, { contextFor: () => context });
    let session: Buffer | undefined;
    const resumes = async (): Promise<boolean> => {
      const client = await nodeClient(t, server.port, session === undefined ? {} : { session });
      client.on("session", (made: Buffer) => (session = made));
      await echoed(client, "x");
      const reused = client.isSessionReused();
      client.destroy();
      return reused;
    };
    assert.equal(await resumes(), false);
    context = testContext({ ticketKeys: first });
    assert.equal(await resumes(), true, "another context, or process, with the same keys");
    context = testContext({ ticketKeys: Buffer.from(noise(48)) });
    assert.equal(await resumes(), false, "other keys");
  });

  test("the binding is the client's own, and megabytes go both ways", async (t) => {
    const server = await testServer(t, {});
    const client = await nodeClient(t, server.port);
    const expected = client.exportKeyingMaterial(32, "EXPORTER-Channel-Binding", Buffer.alloc(0));
    const text = "0123456789abcdef".repeat(1 << 18);
    assert.equal(await echoed(client, text), text);
    const { facts } = await accepted(server);
    assert.deepEqual(Buffer.from(facts.exporterBinding!), expected);
    assert.equal(facts.endPointBinding?.length, 32);
    assert.equal(facts.protocol, "TLSv1.3");
  });

  test("names, reload and ALPN", async (t) => {
    const other = selfSigned("mail.example");
    const contexts = new Map([
      ["mail.example", testContext({ key: other.key, cert: other.certificate })],
    ]);
    const standard = testContext();
    const asked: (string | undefined)[] = [];
    const server = await testServer(t, {
      alpnProtocols: ["imap"],
      contextFor: (name) => {
        if (name !== undefined) asked.push(name);
        return contexts.get(name ?? "") ?? standard;
      },
    });
    const seen = async (servername: string): Promise<string> => {
      const client = await nodeClient(t, server.port, { servername, ALPNProtocols: ["imap"] });
      assert.equal(client.alpnProtocol, "imap");
      assert.equal(await echoed(client, "name"), "name");
      const subject = client.getPeerX509Certificate()!.subject;
      client.destroy();
      return subject;
    };
    assert.match(await seen("mail.example"), /mail\.example/);
    assert.match(await seen("elsewhere.example"), /localhost/);
    contexts.set("elsewhere.example", contexts.get("mail.example")!);
    assert.match(await seen("elsewhere.example"), /mail\.example/);
    assert.deepEqual(asked, ["mail.example", "elsewhere.example", "elsewhere.example"]);
    const { facts } = await accepted(server);
    assert.equal(facts.serverName, "mail.example");
    assert.equal(facts.alpnProtocol, "imap");
  });

  for (const maxVersion of ["TLSv1.3", "TLSv1.2"] as const)
    test(`client certificates under ${maxVersion}: known, unknown`, async (t) => {
      const known = clientCertificate("client");
      const unknown = clientCertificate("stranger");
      const context = testContext({ ca: known.certificate });
      const contextFor = (): typeof context => context;
      const required = await testServer(t, { clientCertificate: "required", contextFor });
      const identity = { key: known.key, cert: known.certificate, maxVersion };
      const client = await nodeClient(t, required.port, identity);
      assert.equal(await echoed(client, "it is me"), "it is me");
      const { facts } = await accepted(required);
      assert.equal(facts.clientCertificate?.subject, "CN=client");
      assert.equal(facts.clientCertificateProblem, undefined);

      const refused = await testServer(t, { clientCertificate: "required", contextFor });
      const stranger = { key: unknown.key, cert: unknown.certificate, maxVersion };
      const other = connectTls({
        port: refused.port,
        host: "127.0.0.1",
        rejectUnauthorized: false,
        ...stranger,
      });
      other.on("error", () => {});
      other.write("let me in");
      await new Promise((resolve) => other.resume().once("close", resolve));
      assert.match(errorText(await result(refused)), /certificate/);

      const requested = await testServer(t, { clientCertificate: "requested", contextFor });
      const third = await nodeClient(t, requested.port, stranger);
      assert.equal(await echoed(third, "see for yourself"), "see for yourself");
      const facts2 = (await accepted(requested)).facts;
      assert.notEqual(facts2.clientCertificateProblem, undefined);
    });

  test("TLS 1.2 stays with OpenSSL, and ends as it should", async (t) => {
    const server = await testServer(t, {});
    for (let round = 0; round < 3; round++) {
      const client = await nodeClient(t, server.port, { maxVersion: "TLSv1.2" });
      const text = "fedcba9876543210".repeat(1 << 16);
      assert.equal(await echoed(client, text), text);
      const { facts, stream } = server.results[round] as AcceptedTls;
      assert.ok(stream instanceof SocketStream);
      assert.equal(facts.protocol, "TLSv1.2");
      client.end();
      await once(client, "close");
    }
  });

  test("a suite that is not ours to take over stays with OpenSSL", async (t) => {
    const ciphers = "TLS_AES_128_CCM_SHA256";
    const context = testContext({ ciphers });
    const server = await testServer(t, { contextFor: () => context });
    const client = await nodeClient(t, server.port, { ciphers });
    assert.equal(await echoed(client, "counter"), "counter");
    const { facts, stream } = await accepted(server);
    assert.ok(stream instanceof SocketStream);
    assert.equal(facts.protocol, "TLSv1.3");
  });

  test("a server that speaks first, and one that ends first", async (t) => {
    const server = await testServer(t, {}, async ({ stream }) => {
      await stream.write(Buffer.from("* OK ready\r\n"));
      stream.end();
    });
    for (const maxVersion of ["TLSv1.3", "TLSv1.2"] as const) {
      const client = await nodeClient(t, server.port, { maxVersion });
      let text = "";
      client.on("data", (bytes: Buffer) => (text += bytes.toString()));
      await once(client, "end");
      assert.equal(text, "* OK ready\r\n");
    }
  });
});

test("records that the client protects with the wrong keys are bad_record_mac", async (t) => {
  const server = await testServer(t, {});
  const client = await StepClient.connect(t, server.port);
  client.socket.write(client.hello());
  await client.serverFlight();
  const finished = client.finishedRecord();
  const target = Buffer.alloc(40);
  seal(client.handshakeKeys, 23, { pieces: [Buffer.from("old")], length: 3 }, { target, at: 0 });
  client.socket.write(Buffer.concat([finished, target.subarray(0, 25)]));
  const alert = await client.receive();
  assert.deepEqual([alert?.type, alert?.content.toString("hex")], [21, "0214"]);
  assert.equal(await client.receive(), null);
});
