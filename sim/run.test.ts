import assert from "node:assert/strict";
import { test } from "node:test";
import { runSeed } from "./run.ts";

test("a seed is the same story every time", async () => {
  for (const seed of [1, 2, 3, 4, 5]) {
    const first = await runSeed(seed);
    const second = await runSeed(seed);
    assert.deepEqual(second, first);
    assert.ok(first.crashes >= 2 && first.events > 100);
  }
});

test("different seeds are different stories", async () => {
  const stories = new Set<string>();
  for (let seed = 10; seed < 15; seed++) {
    const { events, time, deliveries } = await runSeed(seed);
    stories.add(`${events} ${time} ${deliveries}`);
  }
  assert.equal(stories.size, 5);
});
