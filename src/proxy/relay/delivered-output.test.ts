import assert from "node:assert/strict";
import { test } from "node:test";
import { noBytes } from "#base/bytes.ts";
import { crc32 } from "#base/crc.ts";
import { type Random, seededRandom } from "#base/random.ts";
import type { OutputPart } from "#hop/index.ts";
import { DeliveredOutput } from "./delivered-output.ts";

/** What one backend says from `from` on: it may stop at any state, and dies somewhere. */
function* said(
  random: Random,
  output: Uint8Array,
  { from, states }: { readonly from: number; readonly states: ReadonlySet<number> },
): Generator<OutputPart, void, void> {
  let hash: number | undefined;
  let at = from;
  while (at < output.length && random.below(6) > 0) {
    const part = output.subarray(at, at + random.below(30));
    const offset = at;
    at += part.length;
    const done = states.has(at) && random.below(3) > 0;
    hash = done ? undefined : crc32(part, hash ?? 0);
    yield { offset, bytes: part, hash, done: done ? { consumed: 0, state: noBytes } : undefined };
  }
}

test("whatever is said again, and however it is cut, the client gets every byte once", () => {
  for (let seed = 1; seed <= 3_000; seed++) {
    const random = seededRandom(seed);
    const output = random.bytes(300);
    const states = new Set(Array.from({ length: 200 }, () => random.below(300)));
    const delivered = new DeliveredOutput();
    const got: number[] = [];
    for (let backend = 0; backend < 20; backend++) {
      delivered.beginAgain();
      for (const part of said(random, output, { from: delivered.state, states })) {
        const fresh = delivered.next(part);
        assert.ok(fresh !== undefined, `seed ${seed}`);
        got.push(...fresh);
        assert.equal(delivered.halfSent, got.length > delivered.state);
      }
    }
    assert.deepEqual(got, [...output.subarray(0, got.length)], `seed ${seed}`);
  }
});

test("other bytes than before are found out before anything follows them", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = seededRandom(seed);
    const output = random.bytes(100);
    const hash = crc32(output);
    const delivered = new DeliveredOutput();
    delivered.beginAgain();
    delivered.next({ offset: 0, bytes: output, hash, done: undefined });
    const other = Uint8Array.from(output);
    other[random.below(100)]! ^= 1 + random.below(255);
    delivered.beginAgain();
    const cut = random.below(100);
    const done = { consumed: 0, state: noBytes };
    const first = { offset: 0, bytes: other.subarray(0, cut), hash: undefined, done };
    assert.equal(delivered.next(first)?.length, 0);
    const rest = Buffer.concat([other.subarray(cut), Buffer.from("new")]);
    assert.equal(delivered.next({ offset: cut, bytes: rest, hash: undefined, done }), undefined);
  }
});

test("a gap in the output is found out", () => {
  const delivered = new DeliveredOutput();
  const done = { consumed: 0, state: undefined };
  assert.equal(delivered.next({ offset: 1, bytes: noBytes, hash: undefined, done }), undefined);
});
