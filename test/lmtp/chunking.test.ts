/** BDAT in all orders. RFC 3030 §2, §3; RFC 2033 §4.3 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { LmtpTest } from "./lmtp-test.ts";

async function open(mail = "MAIL FROM:<>", ...names: string[]): Promise<LmtpTest> {
  const lmtp = new LmtpTest();
  await lmtp.hello();
  await lmtp.ask(mail);
  for (const name of names) await lmtp.ask(`RCPT TO:<${name}@example.org>`);
  return lmtp;
}

const codes = (replies: (string | null)[]): (string | undefined)[] =>
  replies.map((reply) => reply?.slice(0, 9));

test("chunks of any size make one message; the last answers for each recipient", async () => {
  const lmtp = await open("MAIL FROM:<>", "alice", "bob");
  lmtp.send("BDAT 5\r\nHelloBDAT 0\r\nBDAT 3\r\n, \rBDAT 8\r\n\nworld\r\nBDAT 0 LAST\r\n");
  assert.deepEqual(codes(await lmtp.replies(6)), Array<string>(6).fill("250 2.0.0"));
  assert.deepEqual(lmtp.deliver.bodies, ["Hello, \r\nworld\r\n"]);
});

test("a single LAST, empty or not", async () => {
  const lmtp = await open("MAIL FROM:<>", "alice");
  assert.match((await lmtp.ask("BDAT 0 LAST"))!, /^250 2\.0\.0 <alice/);
  lmtp.send("MAIL FROM:<>\r\nRCPT TO:<bob@example.org>\r\nbdat 4 last\r\n\r\n.\r");
  assert.match((await lmtp.replies(3))[2]!, /^250 2\.0\.0 <bob/);
  assert.deepEqual(lmtp.deliver.bodies, ["", "\r\n.\r"]);
});

test("octet by octet", async () => {
  const lmtp = await open("MAIL FROM:<>", "alice");
  const text = "BDAT 7\r\nab\r\n.\r\nBDAT 2 LAST\r\ncdNOOP\r\n";
  for (const octet of text) {
    lmtp.send(octet);
    await Promise.resolve();
  }
  assert.deepEqual(codes(await lmtp.replies(3)), ["250 2.0.0", "250 2.0.0", "250 2.0.0"]);
  assert.deepEqual(lmtp.deliver.bodies, ["ab\r\n.\r\ncd"]);
});

test("bare LF is mended, in a binary message it is not; binary needs BDAT", async () => {
  const lmtp = await open("MAIL FROM:<> BODY=8BITMIME", "alice");
  lmtp.send("BDAT 4\r\na\nb\rBDAT 3 LAST\r\n\nc\n");
  assert.deepEqual(codes(await lmtp.replies(2)), ["250 2.0.0", "250 2.0.0"]);
  await lmtp.ask("MAIL FROM:<> BODY=BINARYMIME");
  await lmtp.ask("RCPT TO:<bob@example.org>");
  assert.match((await lmtp.ask("DATA"))!, /^503 5\.6\.1 /);
  lmtp.send("BDAT 6 LAST\r\na\nb\rc\0");
  assert.match((await lmtp.reply())!, /^250 2\.0\.0 <bob/);
  assert.deepEqual(lmtp.deliver.bodies, ["a\r\nb\r\nc\r\n", "a\nb\rc\0"]);
});

test("outside a transaction the octets are swallowed, then refused", async () => {
  const lmtp = new LmtpTest();
  await lmtp.hello();
  lmtp.send("BDAT 6\r\nQUIT\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n");
  assert.deepEqual(codes(await lmtp.replies(3)), ["503 5.5.1", "503 5.5.1", "250 2.0.0"]);
});

test("without a good recipient each BDAT is 503, and a recipient may still come", async () => {
  const lmtp = await open("MAIL FROM:<>", "nobody");
  lmtp.send("BDAT 3\r\nabcBDAT 3 LAST\r\ndef");
  assert.deepEqual(codes(await lmtp.replies(2)), ["503 5.5.1", "503 5.5.1"]);
  await lmtp.ask("RCPT TO:<alice@example.org>");
  lmtp.send("BDAT 3 LAST\r\nghi");
  assert.match((await lmtp.reply())!, /^250 2\.0\.0 <alice/);
  assert.deepEqual(lmtp.deliver.bodies, ["ghi"]);
});

test("after the first BDAT neither MAIL, RCPT nor DATA fit; RSET drops the chunks", async () => {
  const lmtp = await open("MAIL FROM:<>", "alice");
  lmtp.send("BDAT 3\r\nabc");
  assert.match((await lmtp.reply())!, /^250 2\.0\.0 Ok/);
  for (const line of ["MAIL FROM:<>", "RCPT TO:<bob@example.org>", "DATA"])
    assert.match((await lmtp.ask(line))!, /^503 5\.5\.1 /);
  assert.match((await lmtp.ask("NOOP"))!, /^250 /);
  assert.match((await lmtp.ask("RSET"))!, /^250 /);
  assert.equal(lmtp.arriving.used, 0);
  lmtp.send("BDAT 3 LAST\r\ndef");
  assert.match((await lmtp.reply())!, /^503 /);
  assert.equal(lmtp.deliver.delivered.length, 0);
});

test("after LAST the transaction is over", async () => {
  const lmtp = await open("MAIL FROM:<>", "alice");
  lmtp.send("BDAT 1 LAST\r\naBDAT 1\r\nb");
  assert.deepEqual(codes(await lmtp.replies(2)), ["250 2.0.0", "503 5.5.1"]);
  assert.deepEqual(lmtp.deliver.bodies, ["a"]);
});

test("too much in the middle: that chunk and all after it are refused", async () => {
  const lmtp = await open("MAIL FROM:<>", "alice", "bob");
  const big = "x".repeat(60_000);
  lmtp.send(`BDAT 60000\r\n${big}BDAT 60000\r\n${big}BDAT 1\r\nxBDAT 1 LAST\r\nx`);
  assert.deepEqual(codes(await lmtp.replies(5)), [
    "250 2.0.0",
    "552 5.3.4",
    "552 5.3.4",
    "552 5.3.4",
    "552 5.3.4",
  ]);
  assert.equal(lmtp.arriving.used, 0);
  assert.equal(lmtp.deliver.delivered.length, 0);
  assert.match((await lmtp.ask("MAIL FROM:<>"))!, /^250 /);
});

test("bad arguments are 501", async () => {
  const lmtp = await open("MAIL FROM:<>", "alice");
  for (const line of ["BDAT", "BDAT x", "BDAT -1", "BDAT 1 FIRST", "BDAT 9999999999999999"])
    assert.match((await lmtp.ask(line))!, /^501 5\.5\.4 /);
});
