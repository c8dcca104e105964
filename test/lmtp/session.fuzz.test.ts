/** Random input never ends a session with an error, nor leaves memory taken. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Refusal } from "#base/assert.ts";
import { concatBytes, fromLatin1 } from "#base/bytes.ts";
import { type Random, seededRandom } from "#base/random.ts";
import { LmtpTest } from "./lmtp-test.ts";

const words = [
  "LHLO client\r\n",
  "MAIL FROM:<a@example.net>\r\n",
  "MAIL FROM:<> SIZE=10 BODY=BINARYMIME SMTPUTF8\r\n",
  "RCPT TO:<alice@example.org>\r\n",
  "RCPT TO:<bob@example.org>\r\n",
  "RCPT TO:<carol@example.org>\r\n",
  "RCPT TO:<nobody@example.org>\r\n",
  "DATA\r\n",
  "BDAT 3\r\n",
  "BDAT 3 LAST\r\n",
  "BDAT 200000\r\n",
  "RSET\r\n",
  "NOOP\r\n",
  "VRFY x\r\n",
  "STARTTLS\r\n",
  "\r\n.\r\n",
  ".\r\n",
  "..\r\n",
  "\n.\n",
  "\r",
  "\n",
  "text\r\n",
  "\0\xff",
];

function input(random: Random): Uint8Array {
  const pieces: Uint8Array[] = [];
  for (let i = random.below(60); i >= 0; i--)
    pieces.push(
      random.below(12) === 0
        ? random.bytes(random.below(50))
        : fromLatin1(words[random.below(words.length)]!),
    );
  return concatBytes(pieces);
}

async function run(random: Random): Promise<void> {
  const lmtp = new LmtpTest({
    ...(random.below(2) === 0 ? {} : { upgrade: (stream) => Promise.resolve(stream) }),
    messageBytesMax: 100,
  });
  lmtp.deliver.atDelivery.set("bob@example.org", new Refusal("OVERQUOTA", "Full"));
  lmtp.deliver.atRcpt.set("carol@example.org", new Error("A bug"));
  const bytes = input(random);
  for (let at = 0; at < bytes.length;) {
    const size = 1 + random.below(random.below(2) === 0 ? 3 : 200);
    lmtp.send(bytes.subarray(at, at + size));
    at += size;
    if (random.below(3) === 0) await new Promise((resolve) => setImmediate(resolve));
    if (random.below(500) === 0) lmtp.shutdown.begin();
    if (random.below(500) === 0) lmtp.clock.ring();
  }
  for (const reply of await lmtp.rest()) assert.match(reply, /^(?:\d{3}-[^\n]*\n)*\d{3} /);
  assert.equal(lmtp.arriving.used, 0);
  assert.equal(lmtp.clock.timers.size, 0);
  for (const { content } of lmtp.deliver.delivered) assert.ok(content.length < 300);
}

test("a session survives random input", async () => {
  const seed = 20_260_102;
  const random = seededRandom(seed);
  for (let round = 0; round < 600; round++)
    await run(random).catch((error: unknown) => {
      throw new Error(`Seed ${seed}, round ${round}`, { cause: error });
    });
});
