import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteBudget } from "#base/byte-budget.ts";
import { concatBytes, noBytes, utf8 } from "#base/bytes.ts";
import { seededRandom } from "#base/random.ts";
import { ArrivingMessage } from "./arriving-message.ts";

test("pieces of any size make the message", () => {
  const random = seededRandom(7);
  for (let round = 0; round < 30; round++) {
    const budget = new ByteBudget(10_000_000);
    const message = new ArrivingMessage(budget, 10_000_000);
    const pieces: Uint8Array[] = [];
    for (let i = random.below(80); i >= 0; i--)
      pieces.push(random.bytes(random.below([3, 300, 40_000][random.below(3)]!)));
    for (const piece of pieces) assert.equal(message.add(piece), true);
    const sent = concatBytes([utf8("head"), ...pieces, noBytes]);
    assert.equal(budget.used, sent.length - 4);
    assert.ok(Buffer.from(message.whole(utf8("head"))).equals(sent));
    message.release();
    message.release();
    assert.equal(budget.used, 0);
  }
});

test("a message in tiny pieces costs little more than its octets", () => {
  const message = new ArrivingMessage(new ByteBudget(1e9), 1e9);
  const octet = Uint8Array.of(120);
  globalThis.gc?.();
  const before = process.memoryUsage();
  for (let i = 0; i < 2_000_000; i++) message.add(octet);
  const after = process.memoryUsage();
  const cost = after.arrayBuffers - before.arrayBuffers;
  assert.ok(cost < 8_000_000, `${cost} bytes of buffers`);
  assert.equal(message.whole(noBytes).length, 2_000_000);
});
