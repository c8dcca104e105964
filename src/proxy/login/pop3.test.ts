import assert from "node:assert/strict";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { Authenticator, createAccount, inlineSlowHash, LoginThrottle } from "#auth/index.ts";
import { openSqliteDirectory, Passwords } from "#auth/index.ts";
import type { CredentialCheck, Identity, Peer } from "#auth/index.ts";
import { Refusal } from "#base/assert.ts";
import type { AccountId, TenantId } from "#base/brand.ts";
import { utf8 } from "#base/bytes.ts";
import { systemClock } from "#base/clock.ts";
import type { Clock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { silentLog } from "#base/log.ts";
import { Metrics } from "#base/metrics.ts";
import { systemRandom } from "#base/random.ts";
import { Shutdown } from "#base/shutdown.ts";
import { LineClient, selfSigned, serve } from "../testing.ts";
import type { Served, ServeOptions } from "../testing.ts";
import type { Pop3Arrival } from "./arrival.ts";
import { LoginMetrics } from "./login-metrics.ts";
import { type Pop3LoginParts, servePop3Login } from "./pop3.ts";
import { UserConnections } from "./user-connections.ts";

const alice: Identity = {
  accountId: "aaaaaaaaaaaaaaaa" as AccountId,
  tenant: "default" as TenantId,
  name: "alice",
  quota: {},
};

/** Knows alice with the password "my secret". */
const credentials: CredentialCheck = {
  verify: async (name, password) => {
    if (name === "alice" && password === "my secret") return alice;
    throw new Refusal("AUTHENTICATIONFAILED", "Invalid user name or password");
  },
  scramChallenge: () => Promise.reject(new Error("not here")),
  verifyScram: () => Promise.reject(new Error("not here")),
};

interface World extends Served {
  readonly arrivals: Pop3Arrival[];
}

async function world(
  t: TestContext,
  options: Partial<Pop3LoginParts> = {},
  listening: ServeOptions = {},
): Promise<World> {
  const arrivals: Pop3Arrival[] = [];
  const all: Pop3LoginParts = {
    credentials,
    capabilities: ["TOP", "UIDL"],
    clearTextLogin: "loopback",
    users: new UserConnections(new Shutdown()),
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    metrics: new LoginMetrics(new Metrics()).of("pop3"),
    start: async (arrival) => {
      arrivals.push(arrival);
      void arrival.stream.write(utf8(`+OK Hello ${arrival.identity.name}\r\n`));
    },
    ...options,
  };
  const served = await serve(t, (connection) => servePop3Login(connection, all), listening);
  return { ...served, arrivals };
}

async function greeted(t: TestContext, port: number): Promise<LineClient> {
  const client = await LineClient.connect(t, port);
  assert.equal(await client.line(), "+OK Roost is ready");
  return client;
}

async function ask(client: LineClient, text: string): Promise<string | null> {
  client.send(`${text}\r\n`);
  return client.line();
}

/** The lines of CAPA. */
async function capa(client: LineClient): Promise<string[]> {
  assert.match((await ask(client, "CAPA"))!, /^\+OK/);
  const lines: string[] = [];
  for (let line = await client.line(); line !== "."; line = await client.line()) lines.push(line!);
  return lines;
}

const base64 = (text: string): string => Buffer.from(text).toString("base64");

test("USER and PASS hand the connection over with what was pipelined", async (t) => {
  const { port, arrivals } = await world(t);
  const client = await greeted(t, port);
  client.send("user alice\r\npass my secret\r\nSTAT\r\nLIST\r\n");
  assert.deepEqual(await client.rest(), ["+OK And the password?", "+OK Hello alice"]);
  assert.equal(arrivals[0]?.decoder.buffered, "STAT\r\nLIST\r\n".length);
  assert.ok(arrivals[0].capabilities.includes("USER"));
});

test("AUTH with and without an initial response, and LOGIN", async (t) => {
  const { port } = await world(t);
  const plain = base64("\0alice\0my secret");
  assert.equal(await ask(await greeted(t, port), `AUTH PLAIN ${plain}`), "+OK Hello alice");
  const second = await greeted(t, port);
  assert.equal(await ask(second, "auth plain"), "+ ");
  assert.equal(await ask(second, plain), "+OK Hello alice");
  const third = await greeted(t, port);
  assert.equal(await ask(third, "AUTH LOGIN"), `+ ${base64("Username:")}`);
  assert.equal(await ask(third, base64("alice")), `+ ${base64("Password:")}`);
  assert.equal(await ask(third, base64("my secret")), "+OK Hello alice");
  const fourth = await greeted(t, port);
  assert.equal(await ask(fourth, "AUTH PLAIN"), "+ ");
  assert.equal(await ask(fourth, "*"), "-ERR Cancelled");
  assert.equal(await ask(fourth, "AUTH PLAIN"), "+ ");
  assert.equal(await ask(fourth, "%%%"), "-ERR Not base64");
  assert.equal(await ask(fourth, "AUTH X-UNKNOWN"), "-ERR This mechanism is not to be had here");
  assert.equal(await ask(fourth, `AUTH PLAIN ${plain}`), "+OK Hello alice");
});

test("what is possible before login", async (t) => {
  const { port } = await world(t);
  const client = await greeted(t, port);
  assert.deepEqual(await capa(client), [
    ...["TOP", "UIDL", "USER", "SASL SCRAM-SHA-256 SCRAM-SHA-1 PLAIN LOGIN"],
  ]);
  for (const command of ["STAT", "LIST", "RETR 1", "NOOP", "RSET"])
    assert.equal(await ask(client, command), "-ERR Log in first", command);
  assert.equal(await ask(client, "APOP a b"), "-ERR Unknown command");
  assert.equal(await ask(client, "PASS my secret"), "-ERR Say USER first");
  assert.equal(await ask(client, "STLS"), "-ERR TLS is not to be had here");
  assert.equal(await ask(client, "LANG de"), "-ERR There is no such language");
  assert.equal(await ask(client, "LANG *"), "+OK en Language is English");
  assert.match((await ask(client, "UTF8"))!, /^\+OK/);
  assert.equal(await ask(client, "STLS"), "-ERR STLS comes before UTF8");
  assert.equal(await ask(client, "QUIT"), "+OK Good bye");
  assert.equal(await client.line(), null);
});

test("wrong passwords are refused and counted; a name serves one password", async (t) => {
  const { port, arrivals } = await world(t);
  const client = await greeted(t, port);
  for (let i = 1; i <= limits.loginAttemptsPerConnectionMax; i++) {
    assert.match((await ask(client, "USER alice"))!, /^\+OK/);
    assert.equal(await ask(client, "PASS wrong"), "-ERR [AUTH] Invalid user name or password");
    if (i === 1) assert.equal(await ask(client, "PASS my secret"), "-ERR Say USER first");
  }
  assert.deepEqual(await client.rest(), ["-ERR Too many failed logins"]);
  assert.equal(arrivals.length, 0);
});

test("endless errors and endless lines end the connection", async (t) => {
  const { port } = await world(t);
  const client = await greeted(t, port);
  client.send("x\r\n".repeat(limits.pop3ErrorsMax + 10));
  const lines = await client.rest();
  assert.equal(lines.length, limits.pop3ErrorsMax + 1);
  assert.equal(lines.at(-1), "-ERR Too many errors");
  const other = await greeted(t, port);
  other.send("x".repeat(limits.pop3SwallowBytesMax + 100));
  assert.equal(await other.line(), "-ERR Line much too long");
});

test("who takes too long, and the end of the server", async (t) => {
  const clock: Clock = {
    ...systemClock,
    after: (ms, run) => systemClock.after(ms === limits.preLoginTimeoutMs ? 10 : ms, run),
  };
  const slow = await greeted(t, (await world(t, { clock })).port);
  assert.deepEqual(await slow.rest(), ["-ERR You took too long to log in"]);
  const { port, listeners } = await world(t);
  const client = await greeted(t, port);
  listeners.shutdown.begin();
  assert.deepEqual(await client.rest(), ["-ERR [SYS/TEMP] The server is going down"]);
});

test("passwords in clear text are refused until STLS", async (t) => {
  const contexts = await selfSigned(t);
  const { port, arrivals } = await world(t, { clearTextLogin: "never" }, { contexts });
  const client = await greeted(t, port);
  assert.deepEqual(await capa(client), [
    ...["TOP", "UIDL", "STLS", "SASL SCRAM-SHA-256 SCRAM-SHA-1"],
  ]);
  assert.match((await ask(client, "USER alice"))!, /^-ERR Start TLS first/);
  assert.match((await ask(client, "AUTH PLAIN"))!, /^-ERR Start TLS first/);
  assert.equal(await ask(client, "STLS"), "+OK Begin TLS");
  await client.startTls();
  const after = await capa(client);
  assert.ok(!after.includes("STLS"));
  assert.match(after.at(-1)!, /^SASL SCRAM-SHA-256-PLUS .* PLAIN LOGIN$/);
  assert.equal(await ask(client, "STLS"), "-ERR TLS is not to be had here");
  client.send("USER alice\r\nPASS my secret\r\n");
  assert.match((await client.line())!, /^\+OK/);
  assert.equal(await client.line(), "+OK Hello alice");
  assert.equal(arrivals[0]?.peer.secure, true);
});

test("a command that is pipelined behind STLS is not executed", async (t) => {
  const { port, arrivals } = await world(t, {}, { contexts: await selfSigned(t) });
  const client = await greeted(t, port);
  client.send("STLS\r\nUSER alice\r\nPASS my secret\r\n");
  assert.deepEqual(await client.rest(), ["-ERR Nothing may follow STLS before its answer"]);
  assert.equal(arrivals.length, 0);
});

test("no exception for loopback behind a balancer, which may be believed about TLS", async (t) => {
  const contexts = await selfSigned(t);
  const proxyProtocol = { from: ["127.0.0.1"], trustTls: true };
  const peers: Peer[] = [];
  const verify = async (_: string, __: string, peer: Peer): Promise<Identity> => {
    peers.push(peer);
    return alice;
  };
  const parts = { credentials: { ...credentials, verify } };
  const { port } = await world(t, parts, { contexts, proxyProtocol });
  const plain = await LineClient.connect(t, port);
  plain.send("PROXY TCP4 127.0.0.1 127.0.0.1 40000 110\r\n");
  assert.equal(await plain.line(), "+OK Roost is ready");
  assert.match((await ask(plain, "USER alice"))!, /^-ERR Start TLS first/);
  assert.ok((await capa(plain)).includes("STLS"));
  const secure = await LineClient.connect(t, port);
  // Version 2, TCP over IPv4 from 127.0.0.1, and the TLV that says that TLS was used.
  const header = "0d0a0d0a000d0a515549540a211100147f0000017f0000019c40006e2000050100000001";
  secure.socket.write(Buffer.from(header, "hex"));
  assert.equal(await secure.line(), "+OK Roost is ready");
  assert.ok(!(await capa(secure)).includes("STLS"));
  await ask(secure, "USER alice");
  assert.equal(await ask(secure, "PASS x"), "+OK Hello alice");
  assert.deepEqual(peers, [{ address: "127.0.0.1", loopback: false }]);
});

test("UTF8 before login is told to the session", async (t) => {
  const { port, arrivals } = await world(t);
  for (const says of [false, true]) {
    const client = await greeted(t, port);
    if (says) assert.match((await ask(client, "UTF8"))!, /^\+OK/);
    await ask(client, "USER alice");
    assert.equal(await ask(client, "PASS my secret"), "+OK Hello alice");
    assert.equal(arrivals.at(-1)!.utf8, says);
  }
});

test("the hook onLogin may refuse; an account has a limited number of sessions", async (t) => {
  const seen: string[] = [];
  const { port } = await world(t, {
    users: new UserConnections(new Shutdown(), 0),
    onLogin: async ({ protocol, identity, mechanism }) => {
      seen.push(`${protocol} ${identity.name} ${mechanism}`);
      if (seen.length === 1) throw new Refusal("UNAVAILABLE", "Not on Sundays");
      if (seen.length === 2) throw new Error("details of the inside");
    },
  });
  const client = await greeted(t, port);
  const login = async (): Promise<string | null> => {
    await ask(client, "USER alice");
    return ask(client, "PASS my secret");
  };
  assert.equal(await login(), "-ERR [SYS/TEMP] Not on Sundays");
  assert.equal(await login(), "-ERR [SYS/TEMP] Login is not possible now");
  assert.equal(await login(), "-ERR [SYS/TEMP] You have too many connections");
  assert.deepEqual(seen, Array(3).fill("pop3 alice PASS"));
});

test("the real directory, with names and passwords in UTF-8", async (t) => {
  const [clock, random] = [systemClock, systemRandom];
  const directory = openSqliteDirectory({ path: ":memory:", clock, random });
  const passwords = new Passwords({ random, slow: inlineSlowHash });
  await createAccount({ directory, passwords }, { name: "bob" }, "pässword mit Raum");
  const throttle = new LoginThrottle({ clock });
  const log = silentLog;
  const { port } = await world(t, {
    credentials: new Authenticator({ directory, passwords, throttle, clock, random, log }),
  });
  const client = await greeted(t, port);
  await ask(client, "USER bob");
  client.socket.write(Buffer.from("PASS pässword mit Raum\r\n"));
  assert.equal(await client.line(), "+OK Hello bob");
  await directory.close();
});
