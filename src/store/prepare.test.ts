import assert from "node:assert/strict";
import { test } from "node:test";
import { asBuffer, fromUtf8, utf8 } from "#base/bytes.ts";
import { systemClock } from "#base/clock.ts";
import { crc32 } from "#base/crc.ts";
import { limits } from "#base/limits.ts";
import { CachedFields } from "#message/index.ts";
import { messageIdHash, prepareInSlices, prepareMessage } from "./prepare.ts";

const message = [
  "Message-ID: <a1@example.org>",
  "In-Reply-To: <p1@example.org>",
  "References: <root@example.org> <p1@example.org>",
  "Date: Sat, 22 Nov 2025 15:00:00 +0100",
  "Subject: Hello",
  "",
  "Text",
  "",
];

test("a message is prepared with CRLF line ends, hashes and checksums", () => {
  const prepared = prepareMessage(utf8(message.join("\n")));
  assert.equal(fromUtf8(prepared.body), message.join("\r\n"));
  assert.equal(prepared.bodyCrc, crc32(prepared.body));
  assert.equal(prepared.fieldsCrc, crc32(prepared.fields));
  assert.equal(prepared.sentDate, Date.UTC(2025, 10, 22, 14));
  assert.equal(prepared.messageIdHash, messageIdHash("a1@example.org"));
  assert.deepEqual(prepared.referenceHashes, [
    messageIdHash("p1@example.org"),
    messageIdHash("root@example.org"),
  ]);
  assert.equal(new CachedFields(prepared.fields).messageBytes, prepared.body.length);
});

test("a message without any header has no date and no hashes", () => {
  const prepared = prepareMessage(utf8("\r\n"));
  assert.equal(prepared.messageIdHash, 0);
  assert.ok(Number.isNaN(prepared.sentDate));
  assert.deepEqual(prepared.referenceHashes, []);
});

test("binary messages keep their line ends", () => {
  const bytes = utf8("Subject: x\n\na\nb");
  assert.equal(prepareMessage(bytes, { binary: true }).body, bytes);
});

test("hashes are integers of 52 bits that are never 0", () => {
  for (let i = 0; i < 1000; i++) {
    const value = messageIdHash(`${i}@example.org`);
    assert.ok(Number.isSafeInteger(value) && value > 0 && value < 2 ** 52);
  }
});

test("a large message is prepared in slices like at once", async () => {
  const part = "--b\nContent-Type: text/plain\r\n\nText\r\nMore\n";
  const text = `Content-Type: multipart/mixed; boundary=b\n\n${part.repeat(40_000)}--b--\n`;
  const large = utf8(text);
  assert(large.length > limits.preparedAtOnceBytesMax);
  for (const binary of [false, true]) {
    const inSlices = prepareInSlices(large, { binary, clock: systemClock });
    assert(inSlices instanceof Promise);
    const { body, contents, ...rest } = await inSlices;
    const whole = prepareMessage(large, { binary });
    const { body: expectedBody, contents: expectedContents, ...expected } = whole;
    assert(asBuffer(expectedBody).equals(body));
    assert.deepEqual(contents, [rest.fields, body]);
    assert.deepEqual(expectedContents, [expected.fields, expectedBody]);
    assert.deepEqual(rest, expected);
  }
});
