import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "#base/clock.ts";
import { utf8 } from "#base/bytes.ts";
import { MemoryServer } from "../transcripts/memory-server.ts";
import { TestMailbox } from "./testing.ts";

const count = 1_000;

/** A mailbox whose commands pause all the time. */
async function slowMailbox(): Promise<TestMailbox> {
  let ms = 0;
  const clock = { ...systemClock, monotonic: () => (ms += 1) };
  const mailbox = await TestMailbox.open(new MemoryServer({ clock }));
  await mailbox.add(
    Array.from({ length: count }, (_, i) => ({ text: `Subject: S ${i}\r\n\r\nText ${i}\r\n` })),
  );
  return mailbox;
}

for (const [command, kind] of [
  ["SEARCH BODY nothing", "body"],
  ["SEARCH FROM nobody", "fields"],
  ["SORT (SUBJECT) UTF-8 ALL", "fields"],
] as const)
  test(`${command} stops soon after its client has gone`, async () => {
    const mailbox = await slowMailbox();
    const client = await mailbox.select();
    const read = mailbox.contents[kind];
    let reads = 0;
    mailbox.contents[kind] = (state, row) => {
      if (++reads === 50) client.stream.destroy();
      return read(state, row);
    };
    await client.stream.write(utf8(`a ${command}\r\n`));
    await Promise.all(mailbox.server.sessions);
    assert.ok(reads >= 50 && reads < 150, `${reads} reads`);
  });

test("what a client sends during a long command is answered behind it", async () => {
  const mailbox = await slowMailbox();
  const client = await mailbox.select();
  const read = mailbox.contents.body;
  let reads = 0;
  mailbox.contents.body = (state, row) => {
    reads++;
    if (reads === 20) void client.stream.write(utf8("b NO"));
    if (reads === 200) void client.stream.write(utf8("OP\r\nc LOGOUT\r\n"));
    return read(state, row);
  };
  await client.stream.write(utf8("a SEARCH BODY nothing\r\n"));
  let answer = "";
  for (;;) {
    const bytes = await client.stream.read();
    if (bytes === null) break;
    answer += Buffer.from(bytes).toString("latin1");
  }
  assert.match(answer, /^\* SEARCH\r\na OK[^]*\r\nb OK[^]*\r\nc OK [^\r]*\r\n$/);
  assert.equal(reads, count);
});

test("COMPRESS that is sent during a long command works", async () => {
  const mailbox = await slowMailbox();
  const client = await mailbox.select();
  const read = mailbox.contents.body;
  let reads = 0;
  mailbox.contents.body = (state, row) => {
    if (++reads === 20) void client.stream.write(utf8("b COMPRESS DEFLATE\r\n"));
    return read(state, row);
  };
  const { peer } = client.stream;
  await client.stream.write(utf8("a SEARCH BODY nothing\r\n"));
  let answer = "";
  while (!answer.includes("b OK"))
    answer += Buffer.from((await client.stream.read()) ?? []).toString("latin1");
  await client.stream.write(utf8("c LOGOUT\r\n"));
  await Promise.all(mailbox.server.sessions);
  assert.ok(peer.compressed);
});
