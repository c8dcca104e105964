import assert from "node:assert/strict";
import { test } from "node:test";
import { Refusal } from "#base/assert.ts";
import { latin1 } from "#base/bytes.ts";
import { systemClock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import type { Log, LogFields } from "#base/log.ts";
import { accountId, MemoryServer } from "../transcripts/memory-server.ts";
import { answer, login, read, say, settle, soon, TestClock } from "./dialogue.ts";
import { ArrivingBytes } from "#protocols/imap/index.ts";

class TestLog implements Log {
  readonly errors: [LogFields, string][] = [];
  debug(): void {}
  info(): void {}
  warn(): void {}
  error(fields: LogFields, message: string): void {
    this.errors.push([fields, message]);
  }
  child(): Log {
    return this;
  }
}

const message = "Subject: x\r\n\r\nbody\r\n";

test("Responses of a pipelined burst leave in one write", async () => {
  const client = await login(new MemoryServer());
  say(client, 'a NOOP\r\nb CAPABILITY\r\nc LIST "" *\r\nd NOOP\r\n');
  await answer(client, "d");
  assert.equal(client.writes.length, 1);
});

test("Nothing is told before it is durable", async () => {
  const server = new MemoryServer();
  const client = await login(server);
  const gate = Promise.withResolvers<void>();
  server.journal.gate = gate.promise;
  say(client, "a CREATE x\r\nb NOOP\r\n");
  await settle();
  assert.equal(client.writes.length, 0);
  // Nor by another session that has seen it.
  const other = server.serve();
  await settle();
  say(other, 'a LIST "" *\r\n');
  await settle();
  assert.ok(!other.writes.some((bytes) => latin1(bytes).includes("a OK")));
  gate.resolve();
  assert.match(await answer(client, "b"), /^a OK .*\r\nb OK/);
  assert.match(await answer(other, "a"), /LIST \(\\HasNoChildren\) "\/" x/);
});

test("When a record is lost the session ends and says nothing of it", async () => {
  const server = new MemoryServer();
  const client = await login(server);
  const idle = await login(server);
  server.journal.failure = new Error("No space left on device");
  say(client, "a CREATE x\r\n");
  const text = await answer(client, "never");
  assert.match(text, /^\* BYE \[UNAVAILABLE\] [^\r]*\r\n<closed>$/);
  assert.match(await answer(idle, "never"), /^\* BYE \[UNAVAILABLE\] [^\r]*\r\n<closed>$/);
  await Promise.all(server.sessions);
  // The next one finds the mail store as it was.
  server.journal.failure = undefined;
  const again = await login(server);
  say(again, 'a LIST "" *\r\n');
  assert.doesNotMatch(await answer(again, "a"), / x\r\n/);
});

test("A store that cannot be opened refuses the login", async () => {
  const server = new MemoryServer();
  server.store.open = () => Promise.reject(new Refusal("CORRUPTION", "It is damaged"));
  const client = server.serve();
  assert.match(
    await answer(client, "never"),
    /^login NO \[CORRUPTION\] It is damaged\r\n\* BYE \[UNAVAILABLE\].*<closed>$/s,
  );
});

test("A bug is answered, logged with its cause, and does not end the session", async () => {
  const log = new TestLog();
  const server = new MemoryServer({ log });
  const client = await login(server);
  const account = await server.openAccount();
  account.subscribe = () => {
    throw new TypeError("undefined is not a mailbox");
  };
  say(client, "a SUBSCRIBE x\r\n");
  assert.match(await answer(client, "a"), /^a NO \[SERVERBUG\] /);
  assert.equal(log.errors.length, 1);
  assert.match(JSON.stringify(log.errors[0]), /undefined is not a mailbox/);
  say(client, "b NOOP\r\n");
  assert.match(await answer(client, "b"), /^b OK/);
});

test("Too many errors in a row end the session", async () => {
  const client = await login(new MemoryServer());
  say(client, "x FROB\r\n".repeat(limits.syntaxErrorsMax - 1) + "y NOOP\r\n");
  assert.match(await answer(client, "y"), /y OK/);
  say(client, "x FROB\r\n".repeat(limits.syntaxErrorsMax) + "y NOOP\r\n");
  assert.match(await answer(client, "never"), /\* BYE Too many errors\r\n<closed>$/);
});

test("Silence ends the session, in IDLE too, with signs of life before", async () => {
  const clock = new TestClock();
  const server = new MemoryServer({ clock });
  const client = await login(server);
  say(client, "a IDLE\r\n");
  assert.match(await read(client), /^\+ /);
  await clock.advance(limits.idleKeepAliveMs);
  assert.equal(await read(client), "* OK Still here\r\n");
  await clock.advance(limits.idleKeepAliveMs - 1);
  await clock.advance(1);
  assert.equal(await read(client), "* OK Still here\r\n");
  await clock.advance(limits.imapIdleTimeoutMs);
  await clock.advance(1);
  assert.match(await answer(client, "never"), /\* BYE [^\r]*\r\n<closed>$/);
  await Promise.all(server.sessions);
});

test("A shutdown is told to everybody", async () => {
  const server = new MemoryServer();
  const client = await login(server);
  const idle = await login(server);
  say(idle, "a IDLE\r\n");
  await read(idle);
  server.shutdown.begin();
  assert.match(await answer(client, "never"), /^\* BYE \[UNAVAILABLE\] [^\r]*\r\n<closed>$/);
  assert.match(await answer(idle, "never"), /^\* BYE \[UNAVAILABLE\] [^\r]*\r\n<closed>$/);
  await Promise.all(server.sessions);
});

test("A client that stops reading costs one buffer", async () => {
  const server = new MemoryServer();
  const account = await server.openAccount();
  for (let i = 0; i < 3_000; i++) account.createMailbox(`mailbox number ${i}`);
  await account.durable();
  const client = await login(server);
  client.stalled = true;
  say(client, 'a LIST "" *\r\n'.repeat(20));
  await settle(100);
  const sent = client.writes.reduce((sum, bytes) => sum + bytes.length, 0);
  assert.ok(sent >= limits.outputBufferBytes && sent < 3 * limits.outputBufferBytes, String(sent));
  client.resume();
  client.end();
  await Promise.all(server.sessions);
});

test("A client that goes away in the middle leaves nothing behind", async () => {
  const server = new MemoryServer();
  for (const text of [
    "a NOO",
    "a APPEND INBOX {1000+}\r\nabc",
    "a APPEND INBOX {10}\r\n",
    "a IDLE\r\n",
    "",
  ]) {
    const client = await login(server);
    say(client, text);
    await settle();
    client.end();
  }
  await Promise.all(server.sessions);
  assert.equal(server.services.arrivingBytes.used, 0);
});

test("COMPRESS switches after its answer, and once", async () => {
  const server = new MemoryServer();
  const client = await login(server);
  say(client, "a COMPRESS DEFLATE\r\n");
  assert.match(await answer(client, "a"), /^a OK/);
  assert.equal(client.peer.compressed, true);
  say(client, "b COMPRESS DEFLATE\r\nc CAPABILITY\r\n");
  const text = await answer(client, "c");
  assert.match(text, /^b NO \[COMPRESSIONACTIVE\]/);
  assert.doesNotMatch(text, /COMPRESS=/);
});

test("What follows COMPRESS too early ends the session", async () => {
  const client = await login(new MemoryServer());
  say(client, "a COMPRESS DEFLATE\r\nb NOOP\r\n");
  assert.match(await answer(client, "never"), /^\* BYE [^\r]*\r\n<closed>$/);
});

test("APPEND waits for memory, and gives it back", async () => {
  const clock = new TestClock();
  const server = new MemoryServer({ clock });
  const arrivingBytes = new ArrivingBytes(100);
  Object.assign(server.services, { arrivingBytes });
  const first = await login(server);
  const second = await login(server);
  const third = await login(server);
  say(first, "a APPEND INBOX {90}\r\n");
  assert.equal(await read(first), "+ OK\r\n");
  say(second, `a APPEND INBOX {${message.length}}\r\n`);
  say(third, `a APPEND INBOX {${message.length}+}\r\n${message}\r\n`);
  await settle();
  assert.equal(second.writes.length + third.writes.length, 0);
  await clock.advance(limits.arrivingWaitMs);
  assert.match(await answer(second, "a"), /^a NO \[LIMIT\]/);
  assert.match(await answer(third, "a"), /^a NO \[LIMIT\]/);
  say(second, `b APPEND INBOX {${message.length}}\r\n`);
  await settle();
  first.end();
  assert.equal(await read(second), "+ OK\r\n");
  say(second, `${message}\r\n`);
  assert.match(await answer(second, "b"), /^b OK \[APPENDUID /);
  assert.equal(arrivingBytes.used, 0);
  // Somebody who has some already does not wait for more.
  say(third, `b APPEND INBOX {50}\r\n`);
  assert.equal(await read(third), "+ OK\r\n");
  say(third, `${"x".repeat(50)} {60}\r\n`);
  assert.match(await answer(third, "b"), /^b NO \[LIMIT\]/);
  assert.equal(arrivingBytes.used, 0);
});

test("An append in pieces of one byte is the same append", async () => {
  const server = new MemoryServer();
  const client = await login(server);
  const text = `a APPEND INBOX (\\Seen) {${message.length}+}\r\n${message} {${message.length}+}\r\n${message}\r\nb NOOP\r\n`;
  for (const char of text) {
    say(client, char);
    await soon();
  }
  assert.match(await answer(client, "b"), /^a OK \[APPENDUID \d+ 1:2\][^\r]*\r\nb OK/);
  const account = await server.openAccount();
  assert.deepEqual(latin1(await account.body(0)), message);
});

test("Bare LF is made CRLF when a message arrives", async () => {
  const server = new MemoryServer();
  const client = await login(server);
  say(client, "a APPEND INBOX {15+}\r\nSubject: x\n\nyz\n\r\n");
  assert.match(await answer(client, "a"), /^a OK/);
  const account = await server.openAccount();
  assert.deepEqual(latin1(await account.body(0)), "Subject: x\r\n\r\nyz\r\n");
});

test("Another user's account is not opened", async () => {
  const server = new MemoryServer();
  const error = await server.store
    .open("bbbbbbbbbbbbbbbb" as typeof accountId, { accountId })
    .catch((error: unknown) => error);
  assert.ok(error instanceof Refusal && error.code === "NOPERM");
});

test("Garbage never ends more than its own session", async () => {
  const server = new MemoryServer({ clock: systemClock });
  const { seededRandom } = await import("#base/random.ts");
  const random = seededRandom(77);
  const words = [
    "a",
    "UID",
    "SELECT",
    "INBOX",
    "STORE",
    "1:*",
    "FLAGS",
    "(\\Seen)",
    "APPEND",
    "{5+}\r\nab\n",
    "{3}",
    "LIST",
    '"',
    "*",
    "%",
    "(",
    ")",
    "$",
    "MOVE",
    "COPY",
    "EXPUNGE",
    "IDLE",
    "DONE",
    "STATUS",
    "(MESSAGES)",
    "RENAME",
    "x/y",
    "CREATE",
    "DELETE",
    "ENABLE",
    "QRESYNC",
    "CLOSE",
    "~{2+}\r\n",
    "\0",
    "\u00ff",
    "SUBSCRIBE",
    "LSUB",
    "GETQUOTA",
  ];
  for (let round = 0; round < 60; round++) {
    const client = server.serve();
    let text = "";
    for (let i = 0; i < 150; i++)
      text += words[random.below(words.length)]! + (random.below(5) === 0 ? "\r\n" : " ");
    void client.write(Buffer.from(text, "latin1"));
    await settle(3);
    client.end();
  }
  await Promise.all(server.sessions);
  const client = await login(server);
  say(client, "a NOOP\r\n");
  assert.match(await answer(client, "a"), /^a OK/);
});

test("A client that takes nothing for too long is given up", async () => {
  const clock = new TestClock();
  const server = new MemoryServer({ clock });
  const account = await server.openAccount();
  for (let i = 0; i < 3_000; i++) account.createMailbox(`mailbox number ${i}`);
  await account.durable();
  const client = await login(server);
  client.stalled = true;
  say(client, 'a LIST "" *\r\n');
  await settle(100);
  await clock.advance(limits.imapIdleTimeoutMs);
  await Promise.all(server.sessions);
});

test("Where nothing can be stored, mail can still be read", async () => {
  const server = new MemoryServer();
  const client = await login(server);
  say(client, `a APPEND INBOX {${message.length}+}\r\n${message}\r\n`);
  assert.match(await answer(client, "a"), /a OK/);
  server.store.requireWritable = () => {
    throw new Refusal("UNAVAILABLE", "No space left");
  };
  say(client, "b SELECT INBOX\r\n");
  assert.match(await answer(client, "b"), /\* 1 RECENT\r\n[^]*b OK \[READ-WRITE\]/);
  say(client, "c FETCH 1 (BODY.PEEK[])\r\n");
  assert.match(await answer(client, "c"), /body\r\n\)\r\nc OK/);
  say(client, "d STORE 1 +FLAGS (\\Seen)\r\n");
  assert.match(await answer(client, "d"), /^d NO \[UNAVAILABLE\] No space left/);
  say(client, `e APPEND INBOX {${message.length}}\r\n`);
  assert.match(await answer(client, "e"), /^e NO \[UNAVAILABLE\]/);
  say(client, "f NOOP\r\n");
  assert.match(await answer(client, "f"), /^f OK/);
});
