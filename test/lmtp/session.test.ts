import assert from "node:assert/strict";
import { test } from "node:test";
import { Refusal } from "#base/assert.ts";
import { ByteBudget } from "#base/byte-budget.ts";
import { systemClock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { Metrics } from "#base/metrics.ts";
import { ConnectionBroken } from "#base/stream.ts";
import { DeliveryLog } from "#protocols/lmtp/index.ts";
import { memoryStreams } from "../transcripts/memory-stream.ts";
import { LmtpTest, LogLines } from "./lmtp-test.ts";

const message = "Subject: Hello\r\n\r\nText\r\n";
const start = "MAIL FROM:<sender@example.net>\r\nRCPT TO:<alice@example.org>\r\n";
const settle = async (): Promise<void> => {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
};

test("greets, says what it can, and names itself", async () => {
  const lmtp = new LmtpTest();
  assert.equal(await lmtp.reply(), "220 mx.example.org LMTP Roost ready");
  assert.equal(
    await lmtp.ask("LHLO client.example.net"),
    [
      "250-mx.example.org",
      "250-PIPELINING",
      "250-8BITMIME",
      "250-SMTPUTF8",
      "250-ENHANCEDSTATUSCODES",
      "250-SIZE 100000",
      "250-CHUNKING",
      "250 BINARYMIME",
    ].join("\n"),
  );
  assert.equal(await lmtp.ask("QUIT"), "221 2.0.0 Bye");
  assert.equal(await lmtp.reply(), null);
  await lmtp.session;
});

test("every recipient has its line in the log and is counted; content is in neither", async () => {
  const metrics = new Metrics();
  const log = new LogLines();
  const lmtp = new LmtpTest({ deliveryLog: new DeliveryLog({ clock: systemClock, log, metrics }) });
  await lmtp.hello();
  await lmtp.ask("MAIL FROM:<sender@example.net>");
  assert.match((await lmtp.ask("RCPT TO:<nobody@example.org>"))!, /^550 /);
  await lmtp.begun("alice@example.org", "bob@example.org");
  lmtp.deliver.atDelivery.set("bob@example.org", new Refusal("UNAVAILABLE", "Not now"));
  lmtp.send(`${message}.\r\n`);
  assert.match((await lmtp.reply())!, /^250 2\.0\.0 /);
  assert.match((await lmtp.reply())!, /^451 /);
  const size = message.length;
  const told = log.lines.map(({ message, fields: { transaction, ...fields } }) => {
    assert.equal(transaction, log.lines[0]!.fields["transaction"]);
    return [message, fields];
  });
  assert.deepEqual(told, [
    ["Not delivered", { size: 0, recipient: "nobody@example.org", code: 550, enhanced: "5.1.1" }],
    ["Delivered", { size, account: "alice@example.or", code: 250, enhanced: "2.0.0" }],
    ["Not delivered", { size, account: "bob@example.orga", code: 451, enhanced: "4.3.0" }],
  ]);
  const page = metrics.page();
  for (const result of ["accepted", "deferred", "refused"])
    assert.match(page, new RegExp(`^roost_lmtp_recipients_total\\{result="${result}"\\} 1$`, "m"));
  assert.match(page, /^roost_lmtp_delivery_seconds_count 1$/m);
  assert.doesNotMatch(JSON.stringify(log.lines), /Subject|Text/);
});

test("HELO and EHLO are refused, MAIL before LHLO as well", async () => {
  const lmtp = new LmtpTest();
  await lmtp.reply();
  assert.match((await lmtp.ask("EHLO client"))!, /^500 5\.5\.1 /);
  assert.match((await lmtp.ask("HELO client"))!, /^500 5\.5\.1 /);
  assert.match((await lmtp.ask("MAIL FROM:<>"))!, /^503 5\.5\.1 /);
  assert.match((await lmtp.ask(`LHLO ${"a".repeat(256)}`))!, /^501 5\.5\.4 /);
});

test("a message is delivered behind a trace field of its own", async () => {
  const lmtp = new LmtpTest();
  await lmtp.begin("alice@example.org");
  lmtp.send(`${message}.\r\n`);
  assert.equal(await lmtp.reply(), "250 2.0.0 <alice@example.org> Saved");
  assert.deepEqual(lmtp.deliver.delivered, [
    {
      sender: "sender@example.net",
      to: ["alice@example.org"],
      content:
        "Received: from client.example.net ([192.0.2.1])\r\n" +
        "\tby mx.example.org with LMTP; Fri, 02 Jan 2026 03:04:05 +0000\r\n" +
        message,
    },
  ]);
  assert.equal(lmtp.arriving.used, 0);
});

test("a pipelined group is answered in one write, its data in another", async () => {
  const lmtp = new LmtpTest();
  await lmtp.reply();
  lmtp.client.writes.length = 0;
  const to = "RCPT TO:<bob@example.org>\r\nRCPT TO:<nobody@example.org>\r\n";
  lmtp.send(`LHLO c\r\n${start}${to}DATA\r\n${message}.\r\nRSET\r\nNOOP\r\nQUIT\r\n`);
  const replies = await lmtp.replies(10);
  assert.deepEqual(
    replies.slice(1).map((reply) => reply?.slice(0, 9)),
    [
      "250 2.1.0",
      "250 2.1.5",
      "250 2.1.5",
      "550 5.1.1",
      "354 End w",
      "250 2.0.0",
      "250 2.0.0",
      "250 2.0.0",
      "250 2.0.0",
    ],
  );
  assert.equal(await lmtp.reply(), "221 2.0.0 Bye");
  assert.equal(lmtp.client.writes.length, 2);
});

test("each recipient has a reply of its own, in order", async () => {
  const lmtp = new LmtpTest();
  const { atRcpt, atDelivery } = lmtp.deliver;
  atRcpt.set("alice+full@example.org", new Refusal("OVERQUOTA", "The mailbox is full"));
  atRcpt.set("alice+huge@example.org", new Refusal("TOOBIG", "Larger than the mailbox"));
  atRcpt.set("alice+off@example.org", new Refusal("AUTHORIZATIONFAILED", "Disabled"));
  atRcpt.set("alice+down@example.org", new Refusal("UNAVAILABLE", "Not now"));
  atRcpt.set("alice+no@example.org", new Refusal("NOPERM", "Not you"));
  atRcpt.set("alice+bug@example.org", new TypeError("a secret"));
  await lmtp.hello();
  await lmtp.ask("MAIL FROM:<> SIZE=1234 BODY=8BITMIME");
  const codes: (string | undefined)[] = [];
  for (const detail of ["full", "huge", "off", "down", "no", "bug"])
    codes.push((await lmtp.ask(`RCPT TO:<alice+${detail}@example.org>`))?.slice(0, 9));
  assert.deepEqual(codes, [
    "452 4.2.2",
    "552 5.2.2",
    "550 5.2.1",
    "451 4.3.0",
    "550 5.7.1",
    "451 4.3.0",
  ]);
  assert.deepEqual(new Set(lmtp.deliver.sizes), new Set([1234]));
  assert.match((await lmtp.ask("DATA"))!, /^503 5\.5\.1 No valid recipients/);
  atDelivery.set("bob@example.org", new Refusal("OVERQUOTA", "The mailbox is full"));
  atDelivery.set("carol@example.org", new Error("a secret"));
  for (const name of ["alice", "bob", "carol", "alice"])
    assert.match((await lmtp.ask(`RCPT TO:<${name}@example.org>`))!, /^250 2\.1\.5 /);
  await lmtp.ask("DATA");
  lmtp.send(".\r\n");
  assert.deepEqual(await lmtp.replies(4), [
    "250 2.0.0 <alice@example.org> Saved",
    "452 4.2.2 The mailbox is full",
    "451 4.3.0 Internal error; try again later",
    "250 2.0.0 <alice@example.org> Saved",
  ]);
  assert.deepEqual(lmtp.deliver.bodies, [""]);
  const errors = lmtp.log.lines.filter(({ level }) => level === "error");
  assert.deepEqual(
    errors.map(({ message: text }) => text),
    ["A recipient could not be looked up", "Delivery failed"],
  );
});

test("SIZE: what is declared or comes too large is refused with 552, and only that", async () => {
  const lmtp = new LmtpTest();
  await lmtp.hello();
  assert.match((await lmtp.ask("MAIL FROM:<> SIZE=100001"))!, /^552 5\.3\.4 /);
  await lmtp.ask("MAIL FROM:<> SIZE=100000");
  await lmtp.ask("RCPT TO:<alice@example.org>");
  await lmtp.ask("RCPT TO:<bob@example.org>");
  await lmtp.ask("DATA");
  const line = `${"x".repeat(998)}\r\n`;
  lmtp.send(line.repeat(101));
  lmtp.send(".\r\n");
  const [alice, bob] = await lmtp.replies(2);
  assert.match(alice!, /^552 5\.3\.4 /);
  assert.equal(bob, alice);
  assert.equal(lmtp.arriving.used, 0);
  lmtp.send(`${start}DATA\r\n${line.repeat(100)}.\r\n`);
  assert.match((await lmtp.replies(4))[3]!, /^250 2\.0\.0 /);
  assert.equal(lmtp.deliver.bodies[0]?.length, 100_000);
});

test("SIZE counts what CRLF line ends add", async () => {
  const lmtp = new LmtpTest();
  await lmtp.begin("alice@example.org");
  lmtp.send(`${"\n".repeat(60_000)}\r\n.\r\n`);
  assert.match((await lmtp.reply())!, /^552 5\.3\.4 /);
  assert.equal(lmtp.deliver.delivered.length, 0);
});

test("more than the shared memory is 452, and the memory comes back", async () => {
  const arriving = new ByteBudget(1000);
  const [one, other] = [new LmtpTest({ arriving }), new LmtpTest({ arriving })];
  await one.begin("alice@example.org");
  await other.begin("alice@example.org");
  one.send("x".repeat(900));
  await settle();
  assert.equal(arriving.used, 900);
  other.send(`${"y".repeat(200)}\r\n.\r\n`);
  assert.match((await other.reply())!, /^452 4\.3\.1 /);
  one.client.end();
  await one.session;
  assert.equal(arriving.used, 0);
  other.send(`${start}DATA\r\n${"y".repeat(900)}\r\n.\r\n`);
  assert.match((await other.replies(4))[3]!, /^250 /);
});

test("SMTPUTF8 addresses need the parameter, and travel as UTF-8", async () => {
  const lmtp = new LmtpTest();
  await lmtp.hello();
  assert.match((await lmtp.ask("MAIL FROM:<jürgen@example.net>"))!, /^553 5\.6\.7 /);
  assert.match((await lmtp.ask("MAIL FROM:<a@example.net>"))!, /^250 /);
  assert.match((await lmtp.ask("RCPT TO:<jürgen@example.org>"))!, /^553 5\.6\.7 /);
  await lmtp.ask("RSET");
  assert.match((await lmtp.ask("MAIL FROM:<jürgen@bücher.example> SMTPUTF8"))!, /^250 /);
  assert.match((await lmtp.ask("RCPT TO:<jürgen@example.org>"))!, /^250 /);
  await lmtp.ask("DATA");
  assert.equal(await lmtp.ask("."), "250 2.0.0 <j?rgen@example.org> Saved");
  assert.equal(lmtp.deliver.delivered[0]?.sender, "jürgen@bücher.example");
  assert.match(lmtp.deliver.delivered[0]?.content ?? "", /with UTF8LMTP;/);
  assert.match((await lmtp.ask("MAIL FROM:<a@example.net>"))!, /^250 /);
  assert.match((await lmtp.ask("RCPT TO:<jürgen@example.org>"))!, /^553 /);
});

test("limits: recipients, paths, lines, errors", async () => {
  const lmtp = new LmtpTest();
  await lmtp.hello();
  const long = `${"a".repeat(limits.smtpPathBytesMax)}@example.org`;
  assert.match((await lmtp.ask(`MAIL FROM:<${long}>`))!, /^501 5\.1\.7 /);
  await lmtp.ask("MAIL FROM:<>");
  assert.match((await lmtp.ask(`RCPT TO:<${long}>`))!, /^501 5\.1\.3 /);
  const rcpt = "RCPT TO:<alice@example.org>\r\n";
  lmtp.send(rcpt.repeat(limits.lmtpRecipientsMax + 1));
  const replies = await lmtp.replies(limits.lmtpRecipientsMax + 1);
  assert.match(replies.pop()!, /^452 4\.5\.3 /);
  assert.ok(replies.every((reply) => reply?.startsWith("250 ")));
  assert.match((await lmtp.ask(`NOOP ${"x".repeat(limits.lmtpLineBytesMax)}`))!, /^500 5\.5\.2 /);
  let last: string | null = null;
  for (let i = 0; i < limits.lmtpErrorsMax - 2; i++) last = await lmtp.ask("NONSENSE");
  assert.match(last!, /^500 5\.5\.1 /);
  assert.match((await lmtp.reply())!, /^421 4\.7\.0 /);
  assert.equal(await lmtp.reply(), null);
});

test("a good transaction forgives the errors before it", async () => {
  const lmtp = new LmtpTest();
  await lmtp.hello();
  for (let i = 0; i < limits.lmtpErrorsMax * 2; i++) {
    assert.match((await lmtp.ask("DATA"))!, /^503 /);
    assert.match((await lmtp.ask("MAIL FROM:<>"))!, /^250 /);
    await lmtp.ask("RSET");
  }
});

test("commands out of order are refused and change nothing", async () => {
  const lmtp = new LmtpTest();
  await lmtp.hello();
  assert.match((await lmtp.ask("RCPT TO:<alice@example.org>"))!, /^503 5\.5\.1 /);
  assert.match((await lmtp.ask("DATA"))!, /^503 5\.5\.1 /);
  await lmtp.ask("MAIL FROM:<a@example.net>");
  assert.match((await lmtp.ask("MAIL FROM:<b@example.net>"))!, /^503 5\.5\.1 /);
  await lmtp.ask("RCPT TO:<alice@example.org>");
  assert.match((await lmtp.ask("AUTH PLAIN"))!, /^502 /);
  assert.match((await lmtp.ask("VRFY alice"))!, /^252 /);
  assert.match((await lmtp.ask("STARTTLS"))!, /^502 /);
  await lmtp.ask("DATA");
  assert.match((await lmtp.ask("."))!, /^250 /);
  assert.equal(lmtp.deliver.delivered[0]?.sender, "a@example.net");
  assert.match((await lmtp.ask("LHLO again"))!, /^250-/);
  assert.match((await lmtp.ask("DATA"))!, /^503 /);
});

test("LHLO in the middle ends the transaction, as RSET does", async () => {
  const lmtp = new LmtpTest();
  await lmtp.hello();
  await lmtp.ask("MAIL FROM:<a@example.net>");
  await lmtp.ask("LHLO again");
  assert.match((await lmtp.ask("MAIL FROM:<b@example.net>"))!, /^250 /);
});

test("silence for too long ends the connection with 421", async () => {
  const lmtp = new LmtpTest();
  await lmtp.begin("alice@example.org");
  lmtp.send("half a message\r\n");
  await settle();
  lmtp.clock.ring();
  assert.match((await lmtp.reply())!, /^421 4\.4\.2 /);
  assert.equal(await lmtp.reply(), null);
  await lmtp.session;
  assert.equal(lmtp.arriving.used, 0);
  assert.equal(lmtp.deliver.delivered.length, 0);
  assert.equal(lmtp.clock.timers.size, 0);
});

test("a client that stops reading is given up", async () => {
  const lmtp = new LmtpTest();
  await lmtp.hello();
  lmtp.client.stalled = true;
  lmtp.send("NOOP\r\n");
  await settle();
  lmtp.send("NOOP\r\n");
  await settle();
  assert.equal(lmtp.clock.timers.size, 1);
  lmtp.clock.ring();
  await lmtp.session;
  assert.equal(lmtp.clock.timers.size, 0);
});

test("a connection that breaks in the middle leaves nothing behind", async () => {
  const lmtp = new LmtpTest({
    wrap: (stream) => ({
      read: async () => {
        const bytes = await stream.read();
        if (bytes === null) throw new ConnectionBroken("Reset");
        return bytes;
      },
      write: (bytes) => stream.write(bytes),
      end: () => stream.end(),
      destroy: () => stream.destroy(),
    }),
  });
  await lmtp.begin("alice@example.org");
  lmtp.send("half a message\r\n");
  await settle();
  lmtp.client.end();
  await lmtp.session;
  assert.equal(lmtp.arriving.used, 0);
  assert.equal(lmtp.deliver.delivered.length, 0);
  assert.equal(lmtp.clock.timers.size, 0);
  assert.ok(lmtp.log.lines.every(({ level }) => level === "debug"));
});

test("the client goes away while its message is delivered: it is delivered", async () => {
  const lmtp = new LmtpTest();
  const gate = Promise.withResolvers<void>();
  lmtp.deliver.gate = gate.promise;
  await lmtp.begin("alice@example.org");
  lmtp.send(`${message}.\r\n`);
  await settle();
  lmtp.client.destroy();
  gate.resolve();
  await lmtp.session;
  assert.deepEqual(lmtp.deliver.bodies, [message]);
  assert.equal(lmtp.arriving.used, 0);
});

test("an end of input after DATA began delivers nothing", async () => {
  const lmtp = new LmtpTest();
  await lmtp.begin("alice@example.org");
  lmtp.send(`${message}.`);
  assert.deepEqual(await lmtp.rest(), []);
  assert.equal(lmtp.deliver.delivered.length, 0);
});

test("what is refused is not swallowed for ever", async () => {
  const lmtp = new LmtpTest();
  await lmtp.hello();
  lmtp.send("BDAT 999999999999 LAST\r\n");
  const megabytes = new Uint8Array(16 * 1024 * 1024);
  for (let sent = 0; sent <= limits.swallowBytesMax; sent += megabytes.length) {
    lmtp.send(megabytes);
    await settle();
  }
  assert.match((await lmtp.reply())!, /^421 4\.7\.0 /);
  await lmtp.session;
});

test("a shutdown: idle sessions say 421 at once, a message under way is finished", async () => {
  const idle = new LmtpTest();
  await idle.hello();
  await idle.ask("MAIL FROM:<a@example.net>");
  idle.shutdown.begin();
  assert.match((await idle.reply())!, /^421 4\.3\.2 /);
  assert.equal(await idle.reply(), null);
  await idle.session;

  const busy = new LmtpTest();
  await busy.begin("alice@example.org");
  busy.send("half ");
  await settle();
  busy.shutdown.begin();
  await settle();
  busy.send("a message\r\n.\r\n");
  assert.equal(await busy.reply(), "250 2.0.0 <alice@example.org> Saved");
  assert.match((await busy.reply())!, /^421 4\.3\.2 /);
  await busy.session;
  assert.deepEqual(busy.deliver.bodies, ["half a message\r\n"]);
});

test("a shutdown during a look-up or a delivery: answers first, then 421", async () => {
  const lmtp = new LmtpTest();
  const rcpt = Promise.withResolvers<void>();
  lmtp.deliver.rcptGate = rcpt.promise;
  await lmtp.hello();
  lmtp.send(start);
  await settle();
  lmtp.shutdown.begin();
  rcpt.resolve();
  assert.match((await lmtp.reply())!, /^250 2\.1\.0 /);
  assert.match((await lmtp.reply())!, /^250 2\.1\.5 /);
  assert.match((await lmtp.reply())!, /^421 4\.3\.2 /);
  await lmtp.session;

  const other = new LmtpTest();
  const gate = Promise.withResolvers<void>();
  other.deliver.gate = gate.promise;
  await other.begin("alice@example.org");
  other.send(`${message}.\r\n`);
  await settle();
  other.shutdown.begin();
  gate.resolve();
  assert.match((await other.reply())!, /^250 2\.0\.0 /);
  assert.match((await other.reply())!, /^421 4\.3\.2 /);
  await other.session;
});

test("a shutdown right after the greeting", async () => {
  const lmtp = new LmtpTest();
  lmtp.shutdown.begin();
  assert.match((await lmtp.reply())!, /^220 /);
  assert.match((await lmtp.reply())!, /^421 /);
  await lmtp.session;
});

test("STARTTLS starts anew; what came ahead of the handshake ends the connection", async () => {
  const [secureClient, secureServer] = memoryStreams();
  const lmtp = new LmtpTest({ upgrade: () => Promise.resolve(secureServer) });
  assert.match((await lmtp.hello())!, /\n250 STARTTLS$/);
  await lmtp.ask("MAIL FROM:<a@example.net>");
  assert.equal(await lmtp.ask("STARTTLS"), "220 2.0.0 Go ahead");
  await settle();
  void secureClient.write(
    Buffer.from("MAIL FROM:<b@example.net>\r\nLHLO c\r\nSTARTTLS\r\nQUIT\r\n"),
  );
  await settle();
  const secure = Buffer.from((await secureClient.read())!).toString();
  assert.match(secure, /^503 5\.5\.1 Say LHLO first\r\n250-[^]*250 BINARYMIME\r\n502 [^]*\r\n221 /);
  await lmtp.session;

  const injected = new LmtpTest({ upgrade: () => assert.fail("No handshake") });
  await injected.hello();
  injected.send(`STARTTLS\r\n${start}`);
  assert.match((await injected.reply())!, /^421 5\.5\.1 /);
  assert.equal(await injected.reply(), null);
  await injected.session;
  assert.equal(injected.deliver.sizes.length, 0);
});

test("a failed handshake ends the session quietly", async () => {
  const lmtp = new LmtpTest({ upgrade: () => Promise.reject(new ConnectionBroken("No cipher")) });
  await lmtp.hello();
  assert.match((await lmtp.ask("STARTTLS"))!, /^220 /);
  assert.equal(await lmtp.reply(), null);
  await lmtp.session;
});

test("an error of ours in the middle is 451 and does not end the session", async () => {
  const lmtp = new LmtpTest();
  lmtp.deliver.deliver = () => Promise.reject(new Error("a secret"));
  await lmtp.begin("alice@example.org");
  assert.match((await lmtp.ask("."))!, /^451 4\.3\.0 /);
  assert.match((await lmtp.ask("MAIL FROM:<>"))!, /^250 /);
});
