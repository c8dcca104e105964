import assert from "node:assert/strict";
import { test } from "node:test";
import type { Clock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { collectWhenIdle } from "./idle-collection.ts";

/** A process whose CPU time and heap are set, and a clock that is moved on look by look. */
function fixture() {
  const state = { cpuMs: 300, heapBytes: 10_000_000, collections: 0 };
  let due: (() => void) | undefined;
  const clock: Pick<Clock, "after"> = {
    after(ms, run) {
      assert.equal(ms, limits.idleLookMs);
      due = run;
      return { cancel: () => (due = undefined) };
    },
  };
  const timer = collectWhenIdle(clock as Clock, {
    cpuMs: () => state.cpuMs,
    heapBytes: () => state.heapBytes,
    collect: () => void state.collections++,
  });
  /** One look later, in which the process worked so long. */
  const pass = (workedMs: number): number => {
    state.cpuMs += workedMs;
    const run = due;
    due = undefined;
    run?.();
    return state.collections;
  };
  return { state, pass, timer };
}

test("what the start left is collected once", () => {
  const { pass } = fixture();
  assert.equal(pass(1), 1);
  for (let i = 0; i < 10; i++) assert.equal(pass(1), 1);
});

test("nothing is collected during work, and once after it", () => {
  const { pass } = fixture();
  assert.equal(pass(0), 1);
  for (let i = 0; i < 5; i++) assert.equal(pass(1_000), 1);
  assert.equal(pass(0), 2);
  assert.equal(pass(0), 2);
});

test("a large heap is left alone", () => {
  const { pass, state } = fixture();
  state.heapBytes = limits.collectedHeapBytesMax + 1;
  assert.equal(pass(0), 0);
  state.heapBytes = limits.collectedHeapBytesMax;
  assert.equal(pass(0), 1);
});

test("a heap in which much is alive is collected once, and left alone then", () => {
  const { pass, state } = fixture();
  state.heapBytes = limits.collectedLiveBytesMax + 1;
  assert.equal(pass(0), 1);
  pass(1_000);
  assert.equal(pass(0), 1);
});

test("cancelled, it looks no more", () => {
  const { pass, timer } = fixture();
  timer.cancel();
  assert.equal(pass(0), 0);
});
