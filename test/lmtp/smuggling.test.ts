/** Only CRLF.CRLF ends a message, whatever else looks like an end. RFC 5321 §4.1.1.4 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { LmtpTest } from "./lmtp-test.ts";

const second = "MAIL FROM:<evil@example.net>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\nGotcha\r\n";

/** What a sloppy receiver might take for the end of a message. */
const falseEnds = [
  "\n.\n",
  "\n.\r\n",
  "\r\n.\n",
  "\r.\r",
  "\r\n.\r",
  "\r.\r\n",
  "\n.\r",
  "\r\n\r.\r\n",
  "\n\r\n\x00.\r\n",
  "\r\n.\x00\r\n",
  "\r\n.\r\r\n",
  "\r\n. \r\n",
  "\r\n.\t\r\n",
  "\n\n.\r\n",
  "\r\r\n.\r.\r\n",
  "\u0085.\u0085",
];

/** What the content is stored as: dots taken out, bare LF mended. */
function stored(sent: string): string {
  return sent.replace(/(^|\r\n)\./g, "$1").replace(/\r?\n/g, "\r\n");
}

for (const falseEnd of falseEnds)
  test(`${JSON.stringify(falseEnd)} ends no message`, async () => {
    const sent = `Subject: one\r\n\r\nText${falseEnd}${second}`;
    for (const step of [sent.length, 1, 3]) {
      const lmtp = new LmtpTest();
      await lmtp.begin("alice@example.org");
      for (let at = 0; at < sent.length; at += step) {
        lmtp.send(sent.slice(at, at + step));
        if (at % 16 === 0) await Promise.resolve();
      }
      lmtp.send(".\r\n");
      assert.equal(await lmtp.reply(), "250 2.0.0 <alice@example.org> Saved");
      assert.deepEqual(await lmtp.rest(), []);
      assert.equal(lmtp.deliver.delivered.length, 1);
      assert.deepEqual(lmtp.deliver.delivered[0]?.to, ["alice@example.org"]);
      assert.deepEqual(lmtp.deliver.bodies, [stored(sent)]);
    }
  });

test("what was octets of a BDAT is never a command", async () => {
  const lmtp = new LmtpTest();
  await lmtp.hello();
  const inner = `x\r\n.\r\n${second}.\r\nQUIT\r\n`;
  lmtp.send(
    `MAIL FROM:<>\r\nRCPT TO:<alice@example.org>\r\nBDAT ${inner.length} LAST\r\n${inner}NOOP\r\n`,
  );
  assert.deepEqual(await lmtp.replies(4), [
    "250 2.1.0 Ok",
    "250 2.1.5 Ok",
    "250 2.0.0 <alice@example.org> Saved",
    "250 2.0.0 Ok",
  ]);
  assert.deepEqual(lmtp.deliver.bodies, [inner]);
});

test("a command line with a bare LF or CR is refused, whole", async () => {
  const lmtp = new LmtpTest();
  await lmtp.hello();
  assert.match((await lmtp.ask("MAIL FROM:<a@example.net>\rRCPT TO:<b@example.net>"))!, /^500 /);
  lmtp.send("MAIL FROM:<a@example.net>\nRCPT TO:<alice@example.org>\r\n");
  assert.match((await lmtp.reply())!, /^500 5\.5\.2 /);
  assert.match((await lmtp.reply())!, /^503 /);
  assert.match((await lmtp.ask("DATA"))!, /^503 /);
});

test("a command line too long is one error, and none of it a command", async () => {
  const lmtp = new LmtpTest();
  await lmtp.hello();
  lmtp.send(`NOOP ${"x".repeat(10_000)}`);
  lmtp.send(`${"QUIT ".repeat(2000)}\r\nNOOP\r\n`);
  assert.match((await lmtp.reply())!, /^500 5\.5\.2 /);
  assert.match((await lmtp.reply())!, /^250 /);
});
