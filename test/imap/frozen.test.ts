import assert from "node:assert/strict";
import { test } from "node:test";
import { limits } from "#base/limits.ts";
import { MemoryServer } from "../transcripts/memory-server.ts";
import { answer, login, read, say, settle, TestClock } from "./dialogue.ts";

const message = "Subject: x\r\n\r\nbody\r\n";
const append = `x APPEND INBOX {${message.length}+}\r\n${message}\r\n`;

test("A frozen IDLE is told of new messages, and goes on", async () => {
  const server = new MemoryServer({ freezeAfterMs: 0 });
  const client = await login(server);
  const other = await login(server);
  say(client, "a SELECT INBOX\r\n");
  assert.match(await answer(client, "a"), /a OK /);
  say(client, "b IDLE\r\n");
  assert.match(await read(client), /^\+ /);
  for (let count = 1; count < 4; count++) {
    await settle();
    say(other, append);
    assert.match(await answer(other, "x"), /x OK /);
    assert.match(await read(client), new RegExp(`^\\* ${count} EXISTS\r\n`));
  }
  say(other, "y CREATE elsewhere\r\n");
  await answer(other, "y");
  await settle();
  say(client, "DONE\r\n");
  assert.match(await answer(client, "b"), /^b OK /);
  say(client, "c FETCH 3 UID\r\n");
  assert.match(await answer(client, "c"), /^\* 3 FETCH \(UID 3\)\r\nc OK /);
});

test("A session is frozen after some silence, but not in the middle of a command", async () => {
  const clock = new TestClock();
  const server = new MemoryServer({ clock, freezeAfterMs: 5_000 });
  const client = await login(server);
  say(client, "a NOO");
  await settle();
  await clock.advance(5_000);
  await clock.advance(5_000);
  say(client, "P\r\n");
  assert.match(await answer(client, "a"), /^a OK NOOP/);
  await clock.advance(5_000);
  say(client, "b LOGIN {5}\r\n");
  assert.match(await read(client), /^\+ /);
  await clock.advance(5_000);
  say(client, "alice secret\r\n");
  assert.match(await answer(client, "b"), /^b BAD /);
  await clock.advance(5_000);
  say(client, "c SELECT INBOX\r\n");
  assert.match(await answer(client, "c"), /c OK /);
});

test("Silence ends a frozen session, in IDLE too, with signs of life before", async () => {
  for (const freezeAfterMs of [0, 5_000]) {
    const clock = new TestClock();
    const server = new MemoryServer({ clock, freezeAfterMs });
    const client = await login(server);
    say(client, "a IDLE\r\n");
    assert.match(await read(client), /^\+ /);
    await clock.advance(freezeAfterMs);
    await clock.advance(limits.idleKeepAliveMs);
    assert.equal(await read(client), "* OK Still here\r\n");
    await clock.advance(limits.imapIdleTimeoutMs);
    await clock.advance(1);
    assert.match(await answer(client, "never"), /\* BYE [^\r]*\r\n<closed>$/);
    await Promise.all(server.sessions);
  }
});

test("A shutdown is told to frozen sessions", async () => {
  const server = new MemoryServer({ freezeAfterMs: 0 });
  const client = await login(server);
  const idle = await login(server);
  say(idle, "a IDLE\r\n");
  await read(idle);
  await settle();
  server.shutdown.begin();
  assert.match(await answer(client, "never"), /^\* BYE \[UNAVAILABLE\] [^\r]*\r\n<closed>$/);
  assert.match(await answer(idle, "never"), /^\* BYE \[UNAVAILABLE\] [^\r]*\r\n<closed>$/);
  await Promise.all(server.sessions);
});

test("A frozen session whose mailbox was deleted gets BYE, at once in IDLE", async () => {
  const server = new MemoryServer({ freezeAfterMs: 0 });
  const [client, idle, other] = [await login(server), await login(server), await login(server)];
  say(other, "a CREATE box\r\n");
  await answer(other, "a");
  for (const session of [client, idle]) {
    say(session, "a SELECT box\r\n");
    await answer(session, "a");
  }
  say(idle, "b IDLE\r\n");
  await read(idle);
  await settle();
  say(other, "b DELETE box\r\n");
  assert.match(await answer(other, "b"), /b OK /);
  assert.match(await answer(idle, "never"), /^\* BYE [^\r]*\r\n<closed>$/);
  say(client, "c NOOP\r\n");
  assert.match(await answer(client, "never"), /^\* BYE [^\r]*\r\n<closed>$/);
});

test("A frozen session whose expunges are forgotten gets BYE", async () => {
  const server = new MemoryServer({ freezeAfterMs: 0 });
  const [client, other] = [await login(server), await login(server)];
  for (let i = 0; i < 3; i++) {
    say(other, append);
    await answer(other, "x");
  }
  for (const session of [client, other]) {
    say(session, "a SELECT INBOX\r\n");
    await answer(session, "a");
  }
  say(other, "b STORE 1 +FLAGS.SILENT (\\Deleted)\r\n");
  await answer(other, "b");
  say(other, "c EXPUNGE\r\n");
  await answer(other, "c");
  const { state } = await server.openAccount();
  const [inbox] = state.mailboxes.values();
  inbox!.historyFloor = inbox!.highestModseq;
  inbox!.history.count = 0;
  say(client, "d NOOP\r\n");
  assert.match(
    await answer(client, "never"),
    /^\* BYE \[UNAVAILABLE\] Too much [^\r]*\r\n<closed>$/,
  );
});

test("A client that leaves while its session is frozen ends it", async () => {
  const server = new MemoryServer({ freezeAfterMs: 0 });
  const client = await login(server);
  await settle();
  client.end();
  await Promise.all(server.sessions);
});
