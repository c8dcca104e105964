import assert from "node:assert/strict";
import { test } from "node:test";
import { Bug } from "#base/assert.ts";
import { seededRandom } from "#base/random.ts";
import { KeptInput } from "./kept-input.ts";

test("what is beyond the consumed offset is given as it came, however it is cut", () => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = seededRandom(seed);
    const all = random.bytes(5_000);
    const input = new KeptInput(2_000);
    let dropped = 0;
    while (input.end < all.length) {
      const pieces = random.below(600);
      for (let i = 0; i < pieces; i++) {
        const next = input.end + random.below(4);
        input.append(all.subarray(input.end, next), seed);
      }
      if (random.below(3) > 0)
        input.consume(input.consumed + random.below(input.end - input.consumed + 1));
      // Everything was sent: only so much of it is kept.
      input.shrink(input.end);
      dropped = Math.max(dropped, input.consumed, input.end - 2_000);
      assert.equal(input.complete, dropped <= input.consumed);
      const from = dropped + random.below(input.end - dropped + 1);
      const got: number[] = [];
      for (let at = from; at < input.end;) {
        const bytes = input.from(at)!;
        got.push(...bytes);
        at += bytes.length;
      }
      assert.deepEqual(got, [...all.subarray(from, input.end)], `seed ${seed}`);
      assert.equal(input.from(input.end), undefined);
    }
  }
});

test("what was not sent is never let go", () => {
  const input = new KeptInput(10);
  input.append(new Uint8Array(100), 1);
  input.shrink(30);
  assert.equal(input.from(30)!.length, 70);
  assert.throws(() => input.from(29), Bug);
  assert.ok(!input.complete);
});

test("an impossible consumed offset is a bug", () => {
  const input = new KeptInput(10);
  input.append(new Uint8Array(5), 1);
  input.consume(3);
  assert.throws(() => input.consume(6), Bug);
  assert.throws(() => input.consume(2), Bug);
});
