import assert from "node:assert/strict";
import { test } from "node:test";
import type { AccountId, Epoch, Shard } from "#base/brand.ts";
import { BatchQueue } from "./batch-queue.ts";

const settle = { resolve() {}, reject() {} };

function add(queue: BatchQueue, account: string, byte: number, exempt = false): void {
  const entry = {
    shard: 0 as Shard,
    epoch: 1 as Epoch,
    account: account as AccountId,
    payload: Uint8Array.of(byte),
    exempt,
  };
  queue.add(entry, settle);
}

function bytesOf(appends: ReturnType<BatchQueue["take"]>): number[] {
  return appends.map(({ entry }) => (entry.payload as Uint8Array)[0]!);
}

test("exempt appends pass with what waits before them for their account, and nothing else", () => {
  const queue = new BatchQueue();
  add(queue, "a", 1);
  add(queue, "b", 2);
  add(queue, "b", 3, true);
  add(queue, "b", 4);
  add(queue, "c", 5);
  add(queue, "d", 6, true);
  assert.ok(queue.hasExempt);
  assert.deepEqual(bytesOf(queue.takeExempt(1e6, 100)), [2, 3, 6]);
  assert.ok(!queue.hasExempt);
  assert.equal(queue.entries, 3);
  assert.deepEqual(bytesOf(queue.takeExempt(1e6, 100)), []);
  assert.deepEqual(bytesOf(queue.take(1e6, 100)), [1, 4, 5]);
  assert.equal(queue.bytes, 0);
});

test("what does not fit stays, in order", () => {
  const queue = new BatchQueue();
  for (let i = 0; i < 5; i++) add(queue, "a", i, i === 4);
  assert.deepEqual(bytesOf(queue.takeExempt(1e6, 2)), [0, 1]);
  assert.ok(queue.hasExempt);
  assert.deepEqual(bytesOf(queue.takeExempt(1e6, 100)), [2, 3, 4]);
});
