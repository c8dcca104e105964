/** Sessions that are parked at every rest, against a real server. */
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { LineClient } from "#proxy/testing.ts";
import { password, TestServer } from "./server.ts";

const sessions = 60;

type Under = "plain" | "TLS 1.3" | "STARTTLS";

async function open(t: TestContext, server: TestServer, under: Under): Promise<LineClient> {
  if (under === "TLS 1.3") {
    const client = await LineClient.connectTls(t, server.ports.imaps);
    await client.line();
    return client;
  }
  const client = await LineClient.connect(t, server.ports.imap);
  await client.line();
  if (under === "STARTTLS") {
    await client.command("t", "STARTTLS");
    await client.startTls();
  }
  return client;
}

async function login(
  t: TestContext,
  server: TestServer,
  who: { readonly user: string; readonly under: Under },
): Promise<LineClient> {
  const client = await open(t, server, who.under);
  const { user } = who;
  assert.match((await client.command("l", `LOGIN ${user} "${password}"`)).at(-1)!, /^l OK/);
  return client;
}

const skip = process.platform !== "linux" && "needs epoll";
for (const under of ["plain", "TLS 1.3", "STARTTLS"] as const)
  test(`parked sessions, ${under}`, { skip }, (t) => parkedSessions(t, under));

async function parkedSessions(t: TestContext, under: Under): Promise<void> {
  const users = ["alice", "bob"];
  const server = await TestServer.start(t, { users });
  const stats = async (): Promise<{ parked: number; connections: number }> =>
    (JSON.parse(await server.roost("stats", "--json")) as { server: never }).server;
  const until = async (parked: number): Promise<void> => {
    while ((await stats()).parked !== parked) await new Promise((done) => setTimeout(done, 50));
  };

  const idle: LineClient[] = [];
  await t.test("are told of a change, and only those that wait for it", async () => {
    for (let i = 0; i < 20; i++) {
      const client = await login(t, server, { user: users[i % 2]!, under });
      await client.command("s", "SELECT INBOX");
      client.send("i IDLE\r\n");
      assert.match((await client.line())!, /^\+ /);
      idle.push(client);
    }
    await until(20);
    assert.equal((await stats()).connections, 0);
    const who = JSON.parse(await server.roost("who", "--name", "bob", "--json")) as {
      state: string;
    }[];
    assert.deepEqual(
      who.map(({ state }) => state),
      Array.from({ length: 10 }, () => "idle"),
    );
    await server.roost("deliver", "--to", "alice@localhost", new URL(import.meta.url).pathname);
    for (const [i, client] of idle.entries())
      if (i % 2 === 0) assert.match((await client.line())!, /^\* 1 EXISTS/);
    await until(20);
    for (const [i, client] of idle.entries()) {
      client.send("DONE\r\n");
      if (i % 2 === 0) assert.match((await client.line())!, /^\* 1 RECENT/);
      assert.match((await client.line())!, /^i OK/);
    }
  });

  await t.test("answer what comes in any pieces at any time", async () => {
    const work = async (client: LineClient, number: number): Promise<void> => {
      for (let i = 0; i < 40; i++) {
        const text = `${number}x${i} STATUS INBOX (MESSAGES)\r\n`;
        const cut = (number * 7 + i * 3) % text.length;
        client.send(text.slice(0, cut));
        if (i % 3 === 0) await new Promise((done) => setTimeout(done, (i * number) % 5));
        client.send(text.slice(cut));
        assert.match((await client.line())!, /^\* STATUS INBOX \(MESSAGES \d\)/);
        assert.match((await client.line())!, new RegExp(`^${number}x${i} OK`));
      }
    };
    await Promise.all(idle.map(work));
    await until(20);
  });

  await t.test("count for the limit of their account, and end when it is disabled", async () => {
    const clients: LineClient[] = [];
    for (let i = 0; i < sessions; i++) {
      const client = await open(t, server, under);
      const answer = (await client.command("l", `LOGIN bob "${password}"`)).at(-1)!;
      if (answer.startsWith("l NO [LIMIT]")) break;
      clients.push(client);
    }
    assert.ok(clients.length < sessions);
    await server.roost("user", "disable", "bob");
    for (const client of [...clients, ...idle.filter((_, i) => i % 2 === 1)])
      assert.match((await client.rest()).at(-1)!, /^\* BYE \[CONTACTADMIN\]/);
    await until(10);
  });

  await t.test("hear of the server's end", async () => {
    const [code] = await Promise.all([
      server.end("SIGTERM"),
      ...idle
        .filter((_, i) => i % 2 === 0)
        .map(async (client) =>
          assert.match((await client.rest()).at(-1)!, /^\* BYE \[UNAVAILABLE\]/),
        ),
    ]);
    assert.equal(code, 0);
  });
}
