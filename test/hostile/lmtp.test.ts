import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { limits } from "#base/limits.ts";
import { seededRandom } from "#base/random.ts";
import { TestServer } from "../interop/server.ts";
import { Attacker, client, costsAtMost, mutated, secret, stillServes } from "./attacker.ts";

const MiB = 1024 * 1024;
const server = new TestServer();

before(async () => {
  await server.addUsers(["alice", "bob"]);
  await server.start();
});
after(() => server.remove());

async function greeted(): Promise<Attacker> {
  const attacker = await Attacker.connect(server.ports.lmtp);
  await attacker.say("LHLO x\r\n");
  await attacker.until(/^250 [^\n]*\n/m);
  return attacker;
}

async function messagesOf(user: string): Promise<number> {
  const imap = await client(server, user);
  const { untagged } = await imap.ok("STATUS INBOX (MESSAGES)");
  imap.close();
  return Number(/"MESSAGES",(\d+)/.exec(JSON.stringify(untagged))?.[1] ?? Number.NaN);
}

const opening = "MAIL FROM:<a@example.org>\r\nRCPT TO:<alice@localhost>\r\n";
const smuggled = "MAIL FROM:<evil@example.org>\r\nRCPT TO:<bob@localhost>\r\nDATA\r\nx\r\n.\r\n";

test("a second message cannot be smuggled in behind ends that are none", async () => {
  const ends = [
    "\n.\n",
    "\r.\r",
    "\n.\r\n",
    "\r\n.\n",
    "\r\n.\r",
    "\r\n\0.\r\n",
    "\n.\r",
    "\r.\r\n",
  ];
  const before = await messagesOf("alice");
  for (const end of ends) {
    const attacker = await greeted();
    await attacker.say(`${opening}DATA\r\n`);
    await attacker.until(/^354 [^\n]*\n/m);
    await attacker.say(`Subject: ${secret}\r\n\r\ntext${end}${smuggled}QUIT\r\n`);
    const answers = await attacker.end();
    assert.match(answers, /^250 [^\n]*\n221 [^\n]*\n$/m, JSON.stringify(end));
    assert.equal(answers.match(/^\d/gm)?.length, 2, JSON.stringify(end));
  }
  assert.equal(await messagesOf("alice"), before + ends.length);
  assert.equal(await messagesOf("bob"), 0);
  await stillServes(server);
});

test("BDAT that lies about its size, or comes where none may", async () => {
  const short = await greeted();
  await short.say(`${opening}BDAT 400 LAST\r\nSubject: x\r\n\r\n`);
  short.socket.end();
  assert.doesNotMatch(await short.end(), /Saved/);
  const inside = await greeted();
  await inside.say(`${opening}BDAT ${smuggled.length} LAST\r\n${smuggled}QUIT\r\n`);
  assert.equal((await inside.end()).match(/Saved/g)?.length, 1);
  const huge = await greeted();
  await huge.say(`${opening}BDAT 999999999999999 LAST\r\n`);
  await costsAtMost(server, 128 * MiB, async () => {
    const part = Buffer.alloc(MiB, "A");
    for (let i = 0; i < 96; i++) await huge.say(part);
    await stillServes(server);
  });
  huge.close();
  const orphan = await greeted();
  await orphan.say("BDAT 20\r\n01234567890123456789NOOP\r\nBDAT x\r\nBDAT -1\r\nQUIT\r\n");
  assert.match(await orphan.end(), /^503 [^\n]*\n250 [^\n]*\n501 [^\n]*\n501 [^\n]*\n221 /m);
  assert.equal(await messagesOf("bob"), 0);
});

test("a message in twenty thousand pieces of one octet", async () => {
  await costsAtMost(server, 64 * MiB, async () => {
    const attacker = await greeted();
    await attacker.say(`${opening}${"BDAT 1\r\nx".repeat(20_000)}BDAT 0 LAST\r\n`);
    await attacker.until(/^250 [^\n]*Saved/m);
    attacker.close();
  });
});

test("recipients, errors and lines beyond their limits", async () => {
  const many = await greeted();
  const recipients = "RCPT TO:<alice@localhost>\r\n".repeat(limits.lmtpRecipientsMax + 5);
  await many.say(`MAIL FROM:<>\r\n${recipients}RSET\r\nNOOP\r\nQUIT\r\n`);
  assert.equal((await many.end()).match(/^452 /gm)?.length, 5);
  const wrong = await greeted();
  await wrong.say("FOO\r\n".repeat(1_000));
  assert.match(await wrong.end(), /^421 /m);
  const line = await greeted();
  await costsAtMost(server, 128 * MiB, async () => {
    const part = Buffer.alloc(MiB, "A");
    for (let i = 0; i < 256; i++) await line.say(part);
  });
  await line.say("\r\nQUIT\r\n");
  assert.match(await line.end(), /^500 [^\n]*\n221 /m);
  const early = await greeted();
  await early.say(`STARTTLS\r\n${smuggled}`);
  assert.doesNotMatch(await early.end(), /^354 /m);
  await stillServes(server);
});

test("random octets and mutated transactions", async () => {
  const dice = seededRandom(3);
  const lines = [
    opening,
    `${opening}DATA\r\nSubject: ${secret}\r\n\r\n..\r\n.\r\n`,
    `${opening}BDAT 14\r\nSubject: x\r\n\r\nBDAT 3 LAST\r\nabc`,
    "RCPT TO:<bob+box@localhost> NOTIFY=NEVER ORCPT=rfc822;bob@localhost\r\n",
    "MAIL FROM:<\xc3\xa4@example.org> SIZE=10 BODY=8BITMIME SMTPUTF8\r\n",
    "RSET\r\nVRFY x\r\nNOOP y\r\nLHLO [127.0.0.1]\r\n",
  ];
  for (let i = 0; i < 60; i++) {
    const attacker = await greeted();
    if (i % 5 === 0) await attacker.say(dice.bytes(2_000));
    for (let n = 0; n < 8; n++) await attacker.say(mutated(dice, lines[dice.below(lines.length)]!));
    attacker.socket.end();
    await attacker.end();
  }
  await stillServes(server);
});
