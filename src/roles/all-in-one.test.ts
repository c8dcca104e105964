import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { connect as connectTls } from "node:tls";
import { promisify } from "node:util";
import type { TLSSocket } from "node:tls";
import { createAccount } from "#auth/index.ts";
import { Refusal } from "#base/assert.ts";
import { utf8 } from "#base/bytes.ts";
import { systemClock } from "#base/clock.ts";
import { silentLog } from "#base/log.ts";
import { systemRandom } from "#base/random.ts";
import { checkConfig } from "#config/index.ts";
import type { RoostConfig } from "#config/index.ts";
import { AllInOne } from "./all-in-one.ts";
import { openToOthers } from "./demo.ts";
import type { OpenMailService } from "./mail-service.ts";
import { openMailService as openRealMailService } from "./open-mail-service.ts";
import { startScreen } from "./start-screen.ts";

const events: string[] = [];

/** Mail without a store: sessions say who is there. */
const openMailService: OpenMailService = async () => ({
  imapGreetingCapabilities: ["IMAP4rev1"],
  imap: {
    start: async ({ stream, tag, identity }) => {
      void stream.write(utf8(`${tag} OK ${identity.name} ${identity.quota.bytes}\r\n`));
      await stream.read();
      return { kind: "ended" };
    },
    resume: () => Promise.reject(new Error("Nothing was frozen")),
    watch: () => () => {},
  },
  whenChanged: () => () => {},
  pop3Capabilities: ["UIDL"],
  startPop3: async ({ stream, identity }) => {
    void stream.write(utf8(`+OK ${identity.name}\r\n`));
    await stream.read();
  },
  serveLmtp: async ({ stream, canUpgradeTls }) => {
    void stream.write(utf8(`220 tls ${canUpgradeTls}\r\n`));
    await stream.read();
  },
  desk: { store: undefined as never, delivery: undefined as never },
  health: () => undefined,
  close: async () => void events.push("closed"),
});

async function start(
  t: TestContext,
  config: RoostConfig = {},
  mail: OpenMailService = openMailService,
): Promise<AllInOne> {
  const dataDir = mkdtempSync(join(tmpdir(), "roost-"));
  const settings = checkConfig(
    {
      dataDir,
      listeners: [
        { protocol: "imap", port: 0, hosts: ["127.0.0.1"] },
        { protocol: "imap", port: 0, hosts: ["127.0.0.1"], tls: "implicit" },
        { protocol: "pop3", port: 0, hosts: ["127.0.0.1"] },
        { protocol: "lmtp", path: "lmtp.sock", mode: 0o660 },
      ],
      http: { port: 0 },
      quota: { bytes: 1_000 },
      ...config,
    },
    dataDir,
  );
  t.after(() => rmSync(dataDir, { recursive: true, force: true }));
  const server = await AllInOne.start({
    settings,
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    openMailService: mail,
    fatal: (error) => {
      throw error;
    },
  });
  return server;
}

/** The TCP port of the `nth` place with this protocol. */
function portOf(server: AllInOne, protocol: string, nth = 0): number {
  const place = server.places.filter((place) => place.protocol === protocol)[nth];
  assert.ok(place !== undefined && "port" in place.endpoint);
  return place.endpoint.port;
}

async function nextText(socket: Socket): Promise<string> {
  const [bytes] = (await once(socket, "data")) as [Buffer];
  return bytes.toString();
}

test("one machine: IMAP, IMAPS, LMTP, administration, monitoring; then an orderly end", async (t) => {
  events.length = 0;
  const server = await start(t);
  await createAccount(server.adminContext.accounts, { name: "alice" }, "secret");

  const plain = connect(portOf(server, "imap"), "127.0.0.1");
  assert.match(await nextText(plain), /^\* OK \[CAPABILITY IMAP4rev1 STARTTLS AUTH=/);
  plain.write("a LOGIN alice secret\r\n");
  assert.equal(await nextText(plain), "a OK alice 1000\r\n");

  const pop3 = connect(portOf(server, "pop3"), "127.0.0.1");
  assert.equal(await nextText(pop3), "+OK Roost is ready\r\n");
  pop3.write("USER alice\r\n");
  assert.equal(await nextText(pop3), "+OK And the password?\r\n");
  pop3.write("PASS secret\r\n");
  assert.equal(await nextText(pop3), "+OK alice\r\n");
  const secure: TLSSocket = connectTls({
    port: portOf(server, "imap", 1),
    host: "127.0.0.1",
    ca: readFileSync(join(dataDirOf(server), "tls/self-signed.crt")),
    servername: "localhost",
  });
  assert.match(await nextText(secure), /AUTH=SCRAM-SHA-256-PLUS/);
  assert.ok(secure.authorized);
  assert.equal(secure.getPeerCertificate().fingerprint256, server.certificates.fingerprint);
  await server.reload();

  const lmtp = connect(join(dataDirOf(server), "lmtp.sock"));
  assert.equal(await nextText(lmtp), "220 tls true\r\n");
  assert.equal(statSync(join(dataDirOf(server), "lmtp.sock")).mode & 0o777, 0o660);
  assert.equal(statSync(join(dataDirOf(server), "admin.sock")).mode & 0o777, 0o600);
  assert.equal(statSync(join(dataDirOf(server), "tls/self-signed.key")).mode & 0o777, 0o600);

  const page = `http://127.0.0.1:${portOf(server, "http")}`;
  assert.equal(await (await fetch(`${page}/healthz`)).text(), "ok\n");
  assert.match(
    await (await fetch(`${page}/metrics`)).text(),
    /roost_connections\{listener="imap"\} 1/,
  );
  assert.equal((await fetch(`${page}/mail`)).status, 404);
  assert.equal((await server.adminContext.serverStats())?.connections, 4);

  for (const socket of [plain, pop3, secure, lmtp]) socket.end();
  await server.stop();
  assert.deepEqual(events, ["closed"]);
});

test("who is disabled or removed loses the sessions that are open, and nobody else does", async (t) => {
  const server = await start(t, {}, openRealMailService);
  t.after(() => server.stop());
  const sessions: Socket[] = [];
  for (const name of ["alice", "bob", "carol"]) {
    await createAccount(server.adminContext.accounts, { name }, "secret");
    const socket = connect(portOf(server, "imap"), "127.0.0.1");
    t.after(() => socket.destroy());
    await nextText(socket);
    socket.write(`a LOGIN ${name} secret\r\n`);
    assert.match(await nextText(socket), /^a OK /);
    sessions.push(socket);
  }
  const [alice, bob, carol] = sessions as [Socket, Socket, Socket];
  alice.write("b IDLE\r\n");
  assert.equal(await nextText(alice), "+ idling\r\n");
  const [aliceHears, bobHears] = [nextText(alice), nextText(bob)];
  await roost(server, "user", "disable", "alice");
  assert.equal(await aliceHears, "* BYE [CONTACTADMIN] The account was disabled\r\n");
  await roost(server, "user", "remove", "bob", "--yes");
  assert.equal(await bobHears, "* BYE [CONTACTADMIN] The account was removed\r\n");
  carol.write("b NOOP\r\n");
  assert.equal(await nextText(carol), "b OK NOOP completed\r\n");
});

test("who is disabled loses the POP3 session, and what it marked stays", async (t) => {
  const server = await start(t, {}, openRealMailService);
  t.after(() => server.stop());
  await createAccount(server.adminContext.accounts, { name: "alice" }, "secret");
  const enter = async (): Promise<[client: Socket, said: string]> => {
    const client = connect(portOf(server, "pop3"), "127.0.0.1");
    t.after(() => client.destroy());
    assert.equal(await nextText(client), "+OK Roost is ready\r\n");
    client.write("USER alice\r\n");
    assert.equal(await nextText(client), "+OK And the password?\r\n");
    client.write("PASS secret\r\n");
    return [client, await nextText(client)];
  };
  const imap = connect(portOf(server, "imap"), "127.0.0.1");
  t.after(() => imap.destroy());
  await nextText(imap);
  imap.write("a LOGIN alice secret\r\n");
  assert.match(await nextText(imap), /^a OK /);
  imap.write("b APPEND INBOX {3+}\r\nx\r\n\r\n");
  assert.match(await nextText(imap), /^b OK /);

  const [open, welcome] = await enter();
  assert.equal(welcome, "+OK 1 messages (3 octets)\r\n");
  open.write("DELE 1\r\n");
  assert.equal(await nextText(open), "+OK Marked as deleted\r\n");
  const [hears, ended] = [nextText(open), once(open, "end")];
  await roost(server, "user", "disable", "alice");
  assert.equal(await hears, "-ERR [SYS/PERM] The account was disabled\r\n");
  await ended;
  const [, refused] = await enter();
  assert.match(refused, /^-ERR \[AUTH\] /);

  await roost(server, "user", "disable", "alice", "--undo");
  const [, again] = await enter();
  assert.equal(again, "+OK 1 messages (3 octets)\r\n");
});

async function roost(server: AllInOne, ...words: string[]): Promise<void> {
  const main = join(import.meta.dirname, "../main.ts");
  const program = [main, "--data", dataDirOf(server), ...words];
  await promisify(execFile)(process.execPath, program, { cwd: dataDirOf(server) });
}

function dataDirOf(server: AllInOne): string {
  const admin = server.places.find(({ protocol }) => protocol === "admin");
  assert.ok(admin !== undefined && "path" in admin.endpoint);
  return join(admin.endpoint.path, "..");
}

test("a taken port is refused with its name, and what was opened is closed again", async (t) => {
  const first = await start(t);
  t.after(() => first.stop());
  events.length = 0;
  const port = portOf(first, "imap");
  await assert.rejects(
    start(t, { listeners: [{ protocol: "imap", port, hosts: ["127.0.0.1"] }] }),
    (error) => {
      assert.ok(error instanceof Refusal);
      assert.match(error.message, new RegExp(`Cannot listen on 127\\.0\\.0\\.1:${port} for imap`));
      return true;
    },
  );
  assert.deepEqual(events, ["closed"]);
});

test("the start screen says how to connect, deliver and stop", async (t) => {
  const server = await start(t);
  t.after(() => server.stop());
  const screen = startScreen({
    places: server.places,
    fingerprint: server.certificates.fingerprint,
    selfSigned: true,
    dataDir: "/srv/data",
    demo: true,
    program: "./bin/roost",
    colour: false,
  });
  assert.match(screen, new RegExp(`IMAP +127\\.0\\.0\\.1:${portOf(server, "imap")}\n`));
  assert.match(screen, new RegExp(`IMAP over TLS +127\\.0\\.0\\.1:${portOf(server, "imap", 1)}\n`));
  assert.match(screen, /POP3 +127\.0\.0\.1:\d+\n/);
  assert.match(screen, /User name +demo\n +Password +demo\n/);
  assert.match(screen, /\.\/bin\/roost deliver message\.eml --to demo@localhost/);
  assert.match(screen, /Ctrl\+C/);
});

test("a demo is for loopback addresses only", () => {
  const at = (...hosts: string[]) =>
    openToOthers(checkConfig({ listeners: [{ protocol: "imap", port: 1, hosts }] }, "/"));
  assert.equal(openToOthers(checkConfig({}, "/")), undefined);
  assert.equal(at("127.0.0.1", "::1", "localhost"), undefined);
  assert.equal(at("127.0.0.1", "0.0.0.0"), "0.0.0.0");
  assert.equal(at("::"), "::");
});
