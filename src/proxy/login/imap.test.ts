import assert from "node:assert/strict";
import { test } from "node:test";
import type { TestContext } from "node:test";
import type { CredentialCheck, Identity } from "#auth/index.ts";
import {
  Authenticator,
  createAccount,
  inlineSlowHash,
  LoginThrottle,
  openSqliteDirectory,
  Passwords,
} from "#auth/index.ts";
import { Refusal } from "#base/assert.ts";
import type { AccountId, TenantId } from "#base/brand.ts";
import { fromUtf8, utf8 } from "#base/bytes.ts";
import { systemClock } from "#base/clock.ts";
import type { Clock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { silentLog } from "#base/log.ts";
import { Metrics } from "#base/metrics.ts";
import { systemRandom } from "#base/random.ts";
import { Shutdown } from "#base/shutdown.ts";
import { LineClient, selfSigned, serve } from "../testing.ts";
import type { Served } from "../testing.ts";
import type { SecureContexts } from "../connection.ts";
import type { Arrival } from "./arrival.ts";
import { serveImapLogin } from "./imap.ts";
import type { ImapLoginParts } from "./imap.ts";
import { LoginMetrics } from "./login-metrics.ts";
import { UserConnections } from "./user-connections.ts";
import { startOnly } from "../testing.ts";

const alice: Identity = {
  accountId: "aaaaaaaaaaaaaaaa" as AccountId,
  tenant: "default" as TenantId,
  name: "alice",
  quota: {},
};

/** Knows alice with the password "secret". */
const credentials: CredentialCheck = {
  verify: async (name, password) => {
    if (name === "alice" && password === "secret") return alice;
    throw new Refusal("AUTHENTICATIONFAILED", "Invalid user name or password");
  },
  scramChallenge: () => Promise.reject(new Error("not here")),
  verifyScram: () => Promise.reject(new Error("not here")),
};

interface World extends Served {
  readonly arrivals: Arrival[];
}

async function world(
  t: TestContext,
  options: Partial<ImapLoginParts> & { contexts?: SecureContexts } = {},
): Promise<World> {
  const { contexts, ...parts } = options;
  const arrivals: Arrival[] = [];
  const all: ImapLoginParts = {
    credentials,
    capabilities: ["IMAP4rev1", "SASL-IR", "LITERAL+", "ID"],
    clearTextLogin: "loopback",
    users: new UserConnections(new Shutdown()),
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    metrics: new LoginMetrics(new Metrics()).of("imap"),
    sessions: startOnly(async (arrival) => {
      arrivals.push(arrival);
      void arrival.stream.write(utf8(`${arrival.tag} OK Hello ${arrival.identity.name}\r\n`));
    }),
    ...parts,
  };
  const served = await serve(
    t,
    (connection) => serveImapLogin(connection, all),
    contexts === undefined ? {} : { contexts },
  );
  return { ...served, arrivals };
}

async function greeted(t: TestContext, port: number): Promise<LineClient> {
  const client = await LineClient.connect(t, port);
  assert.match((await client.line()) ?? "", /^\* OK \[CAPABILITY IMAP4rev1 .*\] /);
  return client;
}

const base64 = (text: string): string => Buffer.from(text).toString("base64");

test("LOGIN hands the connection over with its tag and what was pipelined", async (t) => {
  const { port, arrivals } = await world(t);
  const client = await greeted(t, port);
  client.send('a1 ID ("name" "tester" "Version" NIL)\r\na2 LOGIN alice "secret"\r\na3 NOOP\r\n');
  assert.deepEqual(await client.rest(), [
    '* ID ("name" "Roost")',
    "a1 OK ID completed",
    "a2 OK Hello alice",
  ]);
  const [arrival] = arrivals;
  assert.deepEqual(arrival?.clientId, { name: "tester" });
  assert.equal(fromUtf8(arrival.decoder.takeBuffered()), "a3 NOOP\r\n");
});

test("LOGIN takes literals, synchronising or not", async (t) => {
  const { port } = await world(t);
  const client = await greeted(t, port);
  client.send("a1 LOGIN {5}\r\n");
  assert.equal(await client.line(), "+ OK");
  client.send("alice {6+}\r\nsecret\r\n");
  assert.equal(await client.line(), "a1 OK Hello alice");
});

test("AUTHENTICATE PLAIN with and without an initial response, and LOGIN", async (t) => {
  const { port } = await world(t);
  const plain = base64("\0alice\0secret");
  const first = await greeted(t, port);
  first.send(`a AUTHENTICATE PLAIN ${plain}\r\n`);
  assert.equal(await first.line(), "a OK Hello alice");
  const second = await greeted(t, port);
  second.send("a AUTHENTICATE plain\r\n");
  assert.equal(await second.line(), "+ ");
  second.send(`${plain}\r\n`);
  assert.equal(await second.line(), "a OK Hello alice");
  const third = await greeted(t, port);
  third.send("a AUTHENTICATE LOGIN\r\n");
  assert.equal(await third.line(), `+ ${base64("Username:")}`);
  third.send(`${base64("alice")}\r\n`);
  assert.equal(await third.line(), `+ ${base64("Password:")}`);
  third.send(`${base64("secret")}\r\n`);
  assert.equal(await third.line(), "a OK Hello alice");
});

test("an exchange can be cancelled, and what is not base64 is BAD", async (t) => {
  const { port } = await world(t);
  const client = await greeted(t, port);
  client.send("a AUTHENTICATE PLAIN\r\n");
  assert.equal(await client.line(), "+ ");
  client.send("*\r\n");
  assert.equal(await client.line(), "a BAD Cancelled");
  client.send("b AUTHENTICATE PLAIN\r\n");
  assert.equal(await client.line(), "+ ");
  client.send("%%%\r\n");
  assert.equal(await client.line(), "b BAD Not base64");
  assert.deepEqual(await client.command("c", "LOGIN alice secret"), ["c OK Hello alice"]);
});

test("commands before login, unknown ones and APPEND are BAD, and the session goes on", async (t) => {
  const { port } = await world(t);
  const client = await greeted(t, port);
  assert.deepEqual(await client.command("a", "SELECT INBOX"), ["a BAD Log in first"]);
  assert.match((await client.command("b", "FROBNICATE")).join(), /^b BAD /);
  assert.deepEqual(await client.command("c", "APPEND INBOX {100}"), ["c BAD Log in first"]);
  assert.deepEqual(await client.command("d", "APPEND INBOX {3+}\r\nabc"), ["d BAD Log in first"]);
  assert.deepEqual(await client.command("e", "NOOP"), ["e OK NOOP completed"]);
  assert.match((await client.command("f", "LOGIN alice {100000}")).join(), /^f BAD \[TOOBIG\]/);
  assert.deepEqual(await client.command("g", "LOGOUT"), ["* BYE Good bye", "g OK Logged out"]);
  assert.equal(await client.line(), null);
});

test("wrong passwords are refused and counted", async (t) => {
  const { port, arrivals } = await world(t);
  const client = await greeted(t, port);
  for (let i = 1; i <= limits.loginAttemptsPerConnectionMax; i++)
    assert.deepEqual(await client.command("a", "LOGIN alice wrong"), [
      "a NO [AUTHENTICATIONFAILED] Invalid user name or password",
    ]);
  assert.deepEqual(await client.rest(), ["* BYE Too many failed logins"]);
  assert.equal(arrivals.length, 0);
});

test("endless errors end with BYE", async (t) => {
  const { port } = await world(t);
  const client = await greeted(t, port);
  client.send("x\r\n".repeat(limits.syntaxErrorsMax + 10));
  const lines = await client.rest();
  assert.equal(lines.length, limits.syntaxErrorsMax + 1);
  assert.equal(lines.at(-1), "* BYE Too many errors");
});

test("a line without end is answered and does not fill the memory", async (t) => {
  const { port } = await world(t);
  const client = await greeted(t, port);
  client.send("x".repeat(limits.commandLineBytesMax * 3));
  assert.match((await client.line()) ?? "", /too long/);
});

test("who takes too long hears BYE", async (t) => {
  const clock: Clock = {
    ...systemClock,
    after: (ms, run) => systemClock.after(ms === limits.preLoginTimeoutMs ? 10 : ms, run),
  };
  const { port } = await world(t, { clock });
  const client = await greeted(t, port);
  assert.deepEqual(await client.rest(), ["* BYE You took too long to log in"]);
});

test("clear-text passwords are refused where they are not allowed, until STARTTLS", async (t) => {
  const { port, arrivals } = await world(t, {
    clearTextLogin: "never",
    contexts: await selfSigned(t),
  });
  const client = await LineClient.connect(t, port);
  const greeting = (await client.line()) ?? "";
  assert.match(greeting, / STARTTLS LOGINDISABLED AUTH=SCRAM-SHA-256 AUTH=SCRAM-SHA-1\]/);
  assert.match(
    (await client.command("a", "LOGIN alice secret")).join(),
    /^a NO \[PRIVACYREQUIRED\]/,
  );
  assert.match(
    (await client.command("b", "AUTHENTICATE PLAIN")).join(),
    /^b NO \[PRIVACYREQUIRED\]/,
  );
  assert.match((await client.command("b", "AUTHENTICATE FOO")).join(), /^b NO This mechanism/);
  assert.deepEqual(await client.command("c", "STARTTLS"), ["c OK Begin TLS"]);
  await client.startTls();
  const [capability] = await client.command("d", "CAPABILITY");
  assert.match(capability ?? "", /AUTH=SCRAM-SHA-256-PLUS .*AUTH=PLAIN AUTH=LOGIN$/);
  assert.doesNotMatch(capability ?? "", /STARTTLS|LOGINDISABLED/);
  assert.match((await client.command("e", "STARTTLS")).join(), /^e BAD /);
  client.send("f LOGIN alice secret\r\n");
  assert.equal(await client.line(), "f OK Hello alice");
  assert.equal(arrivals[0]?.peer.secure, true);
});

test("a command that is pipelined behind STARTTLS is not executed", async (t) => {
  const { port, arrivals } = await world(t, { contexts: await selfSigned(t) });
  const client = await greeted(t, port);
  client.send("a STARTTLS\r\nb LOGIN alice secret\r\n");
  const lines = await client.rest();
  assert.match(lines[0] ?? "", /^a BAD /);
  assert.match(lines[1] ?? "", /^\* BYE /);
  assert.equal(lines.length, 2);
  assert.equal(arrivals.length, 0);
});

test("the hook onLogin may refuse; what else it throws is not told", async (t) => {
  const seen: string[] = [];
  const { port } = await world(t, {
    onLogin: async ({ identity, mechanism }) => {
      seen.push(`${identity.name} ${mechanism}`);
      if (seen.length === 1) throw new Refusal("CONTACTADMIN" as "LIMIT", "Not on Sundays");
      if (seen.length === 2) throw new Error("details of the inside");
    },
  });
  const client = await greeted(t, port);
  assert.deepEqual(await client.command("a", "LOGIN alice secret"), [
    "a NO [CONTACTADMIN] Not on Sundays",
  ]);
  assert.deepEqual(await client.command("b", "LOGIN alice secret"), [
    "b NO [UNAVAILABLE] Login is not possible now",
  ]);
  assert.deepEqual(await client.command("c", "LOGIN alice secret"), ["c OK Hello alice"]);
  assert.deepEqual(seen, ["alice LOGIN", "alice LOGIN", "alice LOGIN"]);
});

test("an account has a limited number of sessions, and gets room back", async (t) => {
  let release = (): void => {};
  const held = new Promise<void>((resolve) => (release = resolve));
  const { port } = await world(t, {
    users: new UserConnections(new Shutdown(), 1),
    sessions: startOnly(async ({ stream, tag }) => {
      void stream.write(utf8(`${tag} OK in\r\n`));
      await held;
    }),
  });
  const first = await greeted(t, port);
  await first.command("a", "LOGIN alice secret");
  const second = await greeted(t, port);
  assert.match((await second.command("b", "LOGIN alice secret")).join(), /^b NO \[LIMIT\]/);
  release();
  await first.rest();
  assert.deepEqual(await second.command("c", "LOGIN alice secret"), ["c OK in"]);
});

test("the real directory, SCRAM offers and a shutdown", async (t) => {
  const directory = openSqliteDirectory({
    path: ":memory:",
    clock: systemClock,
    random: systemRandom,
  });
  const passwords = new Passwords({ random: systemRandom, slow: inlineSlowHash });
  await createAccount({ directory, passwords }, { name: "bob" }, "pässword");
  const { port, listeners } = await world(t, {
    credentials: new Authenticator({
      directory,
      passwords,
      throttle: new LoginThrottle({ clock: systemClock }),
      clock: systemClock,
      random: systemRandom,
      log: silentLog,
    }),
  });
  const client = await greeted(t, port);
  client.send(`a AUTHENTICATE PLAIN ${base64("\0bob\0pässword")}\r\n`);
  assert.equal(await client.line(), "a OK Hello bob");
  const other = await greeted(t, port);
  await listeners.stop();
  assert.deepEqual(await other.rest(), ["* BYE [UNAVAILABLE] The server is going down"]);
  await directory.close();
});
