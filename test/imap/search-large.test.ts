import assert from "node:assert/strict";
import { test } from "node:test";
import { Refusal } from "#base/assert.ts";
import { limits } from "#base/limits.ts";
import { TestMailbox } from "./testing.ts";

const encoded = Buffer.from(`${"x ".repeat(65_000)}Needle Stack`)
  .toString("base64")
  .replace(/.{76}/g, "$&\r\n");
const large = [
  "Subject: Large",
  "Content-Type: multipart/mixed; boundary=b",
  "",
  "--b",
  "Content-Type: text/plain",
  "X-Part: inner",
  "Content-Transfer-Encoding: base64",
  "",
  encoded,
  "--b--",
  "",
].join("\r\n");

const pieceBytes = 10_000;

/** Message 1 is small; message 2 can only be read piece by piece, of which the most is counted. */
async function open(): Promise<{ mailbox: TestMailbox; held(): number }> {
  const mailbox = await TestMailbox.open();
  await mailbox.add([{ text: "Subject: Small\r\n\r\nneedle\r\n" }, { text: large }]);
  const { contents } = mailbox;
  const { body } = contents;
  let held = 0;
  const isLarge = (size: number): boolean => size > limits.searchedAtOnceBytesMax;
  contents.body = async (state, row) => {
    const bytes = await body(state, row);
    assert.ok(!isLarge(bytes.length), "A large message is not held");
    return bytes;
  };
  contents.openBody = (state, row) => {
    const size = state.messages.arrays.size[row]!;
    if (!isLarge(size)) return undefined;
    return Promise.resolve({
      size,
      async *pieces(start: number, end: number) {
        const bytes = await body(state, row);
        for (let at = start; at < end; at += pieceBytes) {
          const piece = bytes.subarray(at, Math.min(at + pieceBytes, end));
          held = Math.max(held, piece.length);
          yield piece;
        }
      },
    });
  };
  return { mailbox, held: () => held };
}

test("SEARCH reads a large message piece by piece", async () => {
  const { mailbox, held } = await open();
  const client = await mailbox.select();
  const searches: readonly [string, number[]][] = [
    ["BODY needle", [1, 2]],
    ['BODY "NEEDLE stack"', [2]],
    ["BODY inner", []],
    ["TEXT inner", [2]],
    ["NOT TEXT inner", [1]],
    ["BODY needle NOT BODY stack", [1]],
    ["OR BODY nowhere HEADER Subject large", [2]],
    ["HEADER Content-Type mixed BODY stack", [2]],
    ['BODY ""', [1, 2]],
  ];
  for (const [text, found] of searches)
    assert.deepEqual(await client.numbers("SEARCH", `SEARCH ${text}`), found, text);
  assert.equal(held(), pieceBytes);
});

test("a large message that turns out damaged is left out, and the rest is found", async () => {
  const { mailbox } = await open();
  mailbox.contents.openBody = (state, row) =>
    state.messages.arrays.size[row]! > limits.searchedAtOnceBytesMax
      ? Promise.reject(new Refusal("CORRUPTION", "Damaged"))
      : undefined;
  const client = await mailbox.select();
  const answer = await client.command("SEARCH BODY needle");
  assert.match(answer, /^\* SEARCH 1\r\n/);
});
