/** POP3 sessions beside other programs, slow clients and failing disks. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { concatBytes, fromLatin1, latin1, utf8 } from "#base/bytes.ts";
import { type Clock, systemClock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { seededRandom } from "#base/random.ts";
import type { MemoryStream } from "#base/testing.ts";
import { freeze, Maildrop, thaw } from "#protocols/pop3/index.ts";
import { type Account, type BodyReader, prepareMessage } from "#store/index.ts";
import { Pop3Client } from "../client/pop3-client.ts";
import { Pop3MemoryServer } from "../transcripts/pop3-server.ts";

const flags = { bits: 0, keywords: [] };

async function enter(
  server: Pop3MemoryServer,
  options: { utf8?: boolean } = {},
): Promise<Pop3Client & { stream: MemoryStream }> {
  const stream = server.serve(options);
  const client = Object.assign(new Pop3Client(stream), { stream });
  const { ok, text } = await client.response();
  assert.ok(ok, text);
  return client;
}

async function inboxOf(server: Pop3MemoryServer): Promise<{ account: Account; uids: number[] }> {
  const account = await server.mail.openAccount();
  const { rows } = account.mailbox("INBOX");
  return { account, uids: [...rows.arrays.uid.slice(0, rows.count)] };
}

/** Where the store reads large bodies. */
interface Bodies {
  openBody?: (state: unknown, row: number) => Promise<BodyReader>;
  fields: () => Uint8Array;
}

/** Waits until the session's server side has ended. */
const ended = (server: Pop3MemoryServer): Promise<unknown> => Promise.all(server.sessions);

test("new arrivals are not shown, and what others expunge is gone under its number", async () => {
  const server = new Pop3MemoryServer();
  await server.deliver("one\r\n", "two\r\n", "three\r\n");
  const client = await enter(server);
  await server.deliver("four\r\n");
  assert.equal(await client.ok("STAT"), "3 17");
  const { account } = await inboxOf(server);
  const inbox = account.mailbox("INBOX");
  account.removeMessages(inbox.number, Uint32Array.of(2, 2));
  assert.equal(await client.ok("STAT"), "2 12");
  assert.deepEqual([...(await client.listing("LIST")).keys()], [1, 3]);
  for (const command of ["RETR 2", "TOP 2 0", "LIST 2", "UIDL 2", "DELE 2"]) {
    const { ok, text } = await client.ask(command);
    assert.ok(!ok, command);
    assert.equal(text, "Message 2 was removed by another program");
  }
  assert.equal(await client.content("RETR 3"), "three\r\n");
  await client.ok("DELE 1");
  await client.ok("QUIT");
  await ended(server);
  assert.deepEqual((await inboxOf(server)).uids, [3, 4]);
});

test("RETR and TOP change nothing; QUIT removes in one change", async () => {
  const server = new Pop3MemoryServer();
  await server.deliver("one\r\n", "two\r\n", "three\r\n", "four\r\n");
  const { account } = await inboxOf(server);
  const before = account.state.modseq;
  const client = await enter(server);
  await client.content("RETR 1");
  await client.content("TOP 2 5");
  for (const number of [1, 2, 4]) await client.ok(`DELE ${number}`);
  assert.equal(account.state.modseq, before);
  await client.ok("QUIT");
  assert.equal(account.state.modseq, before + 1);
  assert.deepEqual((await inboxOf(server)).uids, [3]);
});

test("unique ids that were imported are kept; those that cannot be said are replaced", async () => {
  const server = new Pop3MemoryServer();
  await server.deliver("one\r\n", "two\r\n");
  const { account } = await inboxOf(server);
  const inbox = account.mailbox("INBOX");
  inbox.uidls.set(1, "000000014d5e");
  inbox.uidls.set(2, "not allowed");
  const client = await enter(server);
  const validity = inbox.uidValidity.toString(16).padStart(8, "0");
  assert.deepEqual([...(await client.listing("UIDL")).values()], ["000000014d5e", `${validity}.2`]);
});

const header = (line: string): string => `${line}\r\n\r\n`;
const multipart = (partHeader: string): string =>
  `${header("Content-Type: multipart/mixed; boundary=b")}--b\r\n${header(partHeader)}x\r\n--b--\r\n`;

test("a header in UTF-8 is for clients that said UTF8, 8-bit text for everybody", async () => {
  const server = new Pop3MemoryServer();
  const needy = [
    `${header("Subject: größer")}text\r\n`,
    multipart("Content-Description: größer"),
    multipart("Content-Type: message/global\r\n\r\nSubject: größer"),
    `${header("Subject: \u00e9 und")}x`,
  ];
  const others = [
    `${header("Subject: x\r\nContent-Transfer-Encoding: 8bit")}größer\r\n`,
    multipart("Content-Transfer-Encoding: 8bit\r\n\r\ngrößer"),
  ];
  await server.deliver(...needy, ...others);
  // Octets that are no UTF-8 were never meant for UTF8.
  const broken = fromLatin1(`${header("Subject: gr\u00f6\u00dfer")}x\r\n`);
  await server.deliverBytes(broken);
  const client = await enter(server);
  assert.equal((await client.listing("LIST")).size, 7);
  for (let number = 1; number <= needy.length; number++)
    for (const command of [`RETR ${number}`, `TOP ${number} 0`]) {
      const { ok, code } = await client.ask(command);
      assert.ok(!ok, command);
      assert.equal(code, "UTF8", command);
    }
  for (const [index, message] of others.entries())
    assert.equal(await client.content(`RETR ${needy.length + index + 1}`), latin1(utf8(message)));
  assert.equal(await client.content("RETR 7"), latin1(broken));
  await client.ok("DELE 1");
  await client.ok("QUIT");
  await ended(server);
  const modern = await enter(server, { utf8: true });
  assert.equal(await modern.content("RETR 1"), latin1(utf8(needy[1]!)));
});

test("bare LFs of a binary message are CRLF here: nothing ends a response early", async () => {
  const server = new Pop3MemoryServer();
  const { account } = await inboxOf(server);
  const message = "Subject: x\r\n\r\na\n.\n+OK not yet\r\n.\rb\n";
  const prepared = prepareMessage(utf8(message), { binary: true });
  await account.addMessages(account.mailbox("INBOX").number, [
    { prepared, flags, internalDate: 0 },
  ]);
  const client = await enter(server);
  const sent = "Subject: x\r\n\r\na\r\n.\r\n+OK not yet\r\n.\rb\r\n";
  assert.equal(await client.content("RETR 1"), sent);
  assert.equal(await client.content("TOP 1 2"), sent.slice(0, sent.indexOf("+OK")));
});

test("large messages are looked through for UTF-8 too, and damaged fields do not matter", async () => {
  const server = new Pop3MemoryServer();
  await server.deliver(`${header("Subject: größer")}text\r\n`, "Subject: x\r\n\r\ntext ß\r\n");
  const contents = server.mail.store.contents as unknown as Bodies;
  const { account } = await inboxOf(server);
  contents.openBody = async (_, row) => {
    const body = await account.body(row);
    return {
      size: body.length,
      async *pieces(start, end) {
        for (let at = start; at < end; at++) yield body.subarray(at, at + 1);
      },
    };
  };
  const client = await enter(server);
  assert.equal((await client.ask("RETR 1")).code, "UTF8");
  const whole = "Subject: x\r\n\r\ntext ß\r\n";
  assert.equal(await client.content("RETR 2"), latin1(utf8(whole)));
  contents.fields = () => utf8("damaged");
  assert.equal((await client.ask("RETR 1")).code, "UTF8");
  assert.equal(await client.content("RETR 2"), latin1(utf8(whole)));
});

test("QUIT is answered when what it removed is durable, and not before", async () => {
  const server = new Pop3MemoryServer();
  await server.deliver("one\r\n");
  const client = await enter(server);
  await client.ok("DELE 1");
  let open = (): void => {};
  server.mail.journal.gate = new Promise((resolve) => (open = resolve));
  let answered = false;
  const quit = client.ok("QUIT").then(() => (answered = true));
  for (let i = 0; i < 20; i++) await systemClock.yield();
  assert.ok(!answered);
  open();
  await quit;
});

test("where the disk fails, QUIT says so and everything is still there", async () => {
  const server = new Pop3MemoryServer();
  await server.deliver("one\r\n");
  const client = await enter(server);
  await client.ok("DELE 1");
  server.mail.journal.failure = new Error("no disk");
  const { ok, code } = await client.ask("QUIT");
  assert.ok(!ok);
  assert.equal(code, "SYS/TEMP");
  await ended(server);
});

test("a client that goes away gives the maildrop back, and nothing is removed", async () => {
  const server = new Pop3MemoryServer();
  await server.deliver("one\r\n");
  const client = await enter(server);
  await client.ok("DELE 1");
  client.close();
  await ended(server);
  const again = await enter(server);
  assert.equal(await again.ok("STAT"), "1 5");
});

test("silence ends without a word, the end of the server with one; nothing is removed", async () => {
  const timers: [ms: number, run: () => void][] = [];
  const clock: Clock = {
    ...systemClock,
    after: (ms, run) => {
      timers.push([ms, run]);
      return { cancel: () => {} };
    },
  };
  const server = new Pop3MemoryServer({ clock });
  await server.deliver("one\r\n");
  const silent = await enter(server);
  await silent.ok("DELE 1");
  await systemClock.yield();
  const [ms, run] = timers.at(-1)!;
  assert.ok(ms >= 10 * 60 * 1000);
  run();
  assert.equal(await silent.stream.read(), null);
  await ended(server);
  const client = await enter(server);
  assert.equal(await client.ok("STAT"), "1 5");
  server.mail.shutdown.begin();
  const { ok, code } = await client.response();
  assert.ok(!ok);
  assert.equal(code, "SYS/TEMP");
  assert.equal(await client.stream.read(), null);
});

test("endless errors end the session", async () => {
  const server = new Pop3MemoryServer();
  const client = await enter(server);
  for (let i = 0; i < limits.pop3ErrorsMax; i++) assert.ok(!(await client.ask("HELO")).ok);
  assert.equal((await client.response()).text, "Too many errors");
  assert.equal(await client.stream.read(), null);
});

test("a maildrop of many messages is listed piece by piece", async () => {
  const server = new Pop3MemoryServer();
  const count = limits.pop3BlockMessages * 2 + 7;
  const { account } = await inboxOf(server);
  const { number } = account.mailbox("INBOX");
  const message = { prepared: prepareMessage(utf8("x\r\n")), flags, internalDate: 0 };
  const batch = Array.from({ length: 500 }, () => message);
  for (let left = count; left > 0; left -= 500)
    await account.addMessages(number, batch.slice(0, left));
  account.removeMessages(number, Uint32Array.of(5, 5, 2_000, 2_003));
  await account.durable();
  const client = await enter(server);
  const listed = await client.listing("LIST");
  assert.equal(listed.size, count - 5);
  assert.deepEqual([...listed.keys()].at(-1), count - 5);
  assert.equal(new Set((await client.listing("UIDL")).values()).size, count - 5);
  assert.equal(await client.ok("STAT"), `${count - 5} ${3 * (count - 5)}`);
});

test("a large message is sent in pieces, as fast as the client takes them", async () => {
  const server = new Pop3MemoryServer();
  await server.deliver("Subject: large\r\n\r\nbody\r\n");
  const line = `.${"x".repeat(70)}\r\n`;
  const piece = utf8(line.repeat(1_000));
  const pieces = 50;
  let read = 0;
  const reader: BodyReader = {
    size: piece.length * pieces,
    async *pieces(start, end) {
      if (end <= piece.length) yield piece.subarray(start, end);
      else for (; read < pieces; read++) yield piece;
    },
  };
  const contents = server.mail.store.contents as unknown as Bodies;
  contents.openBody = () => Promise.resolve(reader);
  const client = await enter(server);
  client.stream.stalled = true;
  const arriving = client.content("RETR 1");
  for (let i = 0; i < 50; i++) await systemClock.yield();
  assert.ok(read < 5, `${read} pieces were read for a client that takes none`);
  client.stream.resume();
  assert.equal((await arriving).length, reader.size);
  read = 0;
  assert.equal(await client.content("TOP 1 3"), line.repeat(pieces * 1_000));
});

test("a message that fails half-way breaks the connection; before that it is refused", async () => {
  const server = new Pop3MemoryServer();
  await server.deliver("one\r\n");
  const contents = server.mail.store.contents as unknown as Bodies;
  contents.openBody = () => Promise.reject(new Error("not to be read"));
  const client = await enter(server);
  const { ok, code } = await client.ask("RETR 1");
  assert.ok(!ok);
  assert.equal(code, "SYS/TEMP");
  contents.openBody = () =>
    Promise.resolve({
      size: 1_000_000,
      async *pieces(start, end) {
        // The header can be read.
        if (end - start < 100) return yield utf8("x".repeat(end - start));
        yield utf8("x".repeat(limits.outputBufferBytes));
        throw new Error("damaged");
      },
    });
  await assert.rejects(client.content("RETR 1"), /ended/);
  await ended(server);
});

const seed = 20_263;

test(`a dialogue is the same however it is cut (seed ${seed})`, async () => {
  const random = seededRandom(seed);
  const dialogue = utf8(
    "STAT\r\nLIST\r\nUIDL\r\nRETR 1\r\nTOP 2 1\r\nDELE 1\r\nLIST\r\nRSET\r\nLANG\r\nQUIT\r\n",
  );
  const run = async (cut: () => number): Promise<string> => {
    const server = new Pop3MemoryServer();
    await server.deliver("Subject: a\r\n\r\n.b\r\n", "c\r\n");
    const { account } = await inboxOf(server);
    const { uidValidity } = account.mailbox("INBOX");
    const stream = server.serve();
    for (let at = 0; at < dialogue.length;) {
      const length = cut();
      void stream.write(dialogue.subarray(at, at + length));
      at += length;
      if (random.below(3) === 0) await systemClock.yield();
    }
    const said: Uint8Array[] = [];
    for (let bytes = await stream.read(); bytes !== null; bytes = await stream.read())
      said.push(Uint8Array.from(bytes));
    return latin1(concatBytes(said)).replaceAll(uidValidity.toString(16).padStart(8, "0"), "V");
  };
  const whole = await run(() => dialogue.length);
  assert.match(whole, /\r\n\+OK Good bye\r\n$/);
  assert.equal(await run(() => 1), whole);
  for (let round = 0; round < 30; round++)
    assert.equal(await run(() => 1 + random.below(9)), whole);
});

test(`a session that is frozen and thawed all the time is the same session (seed ${seed})`, async () => {
  const random = seededRandom(seed);
  for (let round = 0; round < 20; round++) {
    const server = new Pop3MemoryServer();
    await server.deliver(...Array.from({ length: 12 }, (_, i) => `${"x".repeat(i)}\r\n`));
    const { account } = await inboxOf(server);
    const { number } = account.mailbox("INBOX");
    const live = Maildrop.open(account);
    let other = Maildrop.open(account);
    const attempt = (maildrop: Maildrop, message: number): string => {
      try {
        maildrop.markDeleted(message);
        return "marked";
      } catch (error) {
        return String(error);
      }
    };
    for (let step = 0; step < 30; step++) {
      const message = 1 + random.below(14);
      const action = random.below(10);
      if (action === 0) await server.deliver("new\r\n");
      else if (action === 1) account.removeMessages(number, Uint32Array.of(message, message));
      else if (action === 2) for (const maildrop of [live, other]) maildrop.reset();
      else assert.equal(attempt(other, message), attempt(live, message));
      const bytes = freeze(other, account);
      assert.ok(bytes.length <= 60, `${bytes.length} bytes`);
      const thawed = thaw(bytes, account);
      assert.ok(thawed instanceof Maildrop);
      other = thawed;
      const seen = (maildrop: Maildrop): unknown[] => {
        const out: unknown[] = [];
        maildrop.forEach(1, maildrop.count + 1, (n, row) =>
          out.push([n, maildrop.sizeOf(row), maildrop.uidlOf(n)]),
        );
        return [out, [...maildrop.marked]];
      };
      assert.deepEqual(seen(other), seen(live));
    }
  }
});

test("a thawed session goes on without a greeting, or says why it cannot", async () => {
  const server = new Pop3MemoryServer();
  await server.deliver("one\r\n", "two\r\n");
  const { account } = await inboxOf(server);
  const maildrop = Maildrop.open(account);
  maildrop.markDeleted(1);
  const frozen = freeze(maildrop, account);
  const client = new Pop3Client(server.serve({ frozen }));
  assert.equal(await client.ok("STAT"), "1 5");
  await client.ok("QUIT");
  assert.deepEqual((await inboxOf(server)).uids, [2]);
  await ended(server);
  const { uidValidity } = account.mailbox("INBOX");
  account.mailbox("INBOX").uidValidity++;
  assert.equal(thaw(frozen, account), "gone");
  const refused = await new Pop3Client(server.serve({ frozen })).response();
  assert.equal(refused.code, "SYS/TEMP");
  account.mailbox("INBOX").uidValidity = uidValidity;
  const { modseq } = account.state;
  account.state.modseq = 1;
  assert.equal(thaw(frozen, account), "stale");
  account.state.modseq = modseq;
  account.mailbox("INBOX").uidNext = 2;
  assert.equal(thaw(frozen, account), "stale");
});

test(`hostile bytes are no session, or a harmless one (seed ${seed})`, async () => {
  const random = seededRandom(seed);
  const server = new Pop3MemoryServer();
  await server.deliver(..."abcdefgh".split("").map((text) => `${text}\r\n`));
  const { account } = await inboxOf(server);
  account.removeMessages(account.mailbox("INBOX").number, Uint32Array.of(3, 3));
  const maildrop = Maildrop.open(account);
  maildrop.markDeleted(2);
  maildrop.markDeleted(5);
  const sound = freeze(maildrop, account);
  assert.throws(() => thaw(sound.subarray(0, -1), account), { name: "FormatError" });
  assert.throws(() => thaw(concatBytes([sound, utf8("x")]), account), { name: "FormatError" });
  assert.throws(() => thaw(Uint8Array.of(2, ...sound.subarray(1)), account), /version 2/);
  // One range of all uids there can be.
  const huge = Uint8Array.of(...sound.subarray(0, 7), 1, 0, 0xfe, 0xff, 0xff, 0xff, 0x0f, 0);
  assert.throws(() => thaw(huge, account), { name: "FormatError" });
  for (let round = 0; round < 20_000; round++) {
    const bytes = Uint8Array.from(sound);
    for (let edits = 1 + random.below(3); edits > 0; edits--)
      bytes[random.below(bytes.length)] = random.below(256);
    try {
      const thawed = thaw(bytes.subarray(0, bytes.length - random.below(2)), account);
      if (typeof thawed === "string") continue;
      assert.ok(thawed.count < account.mailbox("INBOX").uidNext);
      thawed.forEach(1, thawed.count + 1, (number) => thawed.uidlOf(number));
    } catch (error) {
      assert.equal((error as Error).name, "FormatError", `round ${round}: ${String(error)}`);
    }
  }
});
