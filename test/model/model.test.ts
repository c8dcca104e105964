import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { runSeed } from "./run.ts";
import { twinCount, watchViews } from "./view-twin.ts";

const seedsPerTest = 75;
let restoreViews: () => void;

before(() => {
  restoreViews = watchViews();
});
after(() => restoreViews());

for (const first of [1, 1001, 2001, 3001])
  test(`random commands agree with the model, seeds ${first} to ${first + seedsPerTest - 1}`, async () => {
    let commands = 0;
    for (let seed = first; seed < first + seedsPerTest; seed++)
      commands += (await runSeed(seed)).commands;
    assert.ok(commands > seedsPerTest * 30);
  });

test("the same with every session frozen and thawed between every two commands", async () => {
  let commands = 0;
  for (let seed = 4001; seed < 4001 + seedsPerTest; seed++)
    commands += (await runSeed(seed, { freezing: true })).commands;
  assert.ok(commands > seedsPerTest * 30);
});

test("a frozen conversation is word for word the one that was not frozen", async () => {
  const lines = async (freezing: boolean): Promise<string[]> => {
    const said: string[] = [];
    await runSeed(23, { freezing, trace: (line) => void said.push(line) });
    return said;
  };
  assert.deepEqual(await lines(true), await lines(false));
});

test("views were thawed all the time", () => {
  assert.ok(twinCount.value > 1_000);
});

test("the same seed gives the same conversation", async () => {
  const lines = async (): Promise<string[]> => {
    const said: string[] = [];
    await runSeed(17, { trace: (line) => void said.push(line) });
    return said;
  };
  assert.deepEqual(await lines(), await lines());
});
