import assert from "node:assert/strict";
import { test } from "node:test";
import { killLoop } from "./kill-loop.ts";

/** `ROOST_KILL_ROUNDS=100` for a long run. */
const rounds = Number(process.env["ROOST_KILL_ROUNDS"] ?? "5");

test(`kill -9 under load, ${rounds} times: every promise is kept`, async (t) => {
  const seed = Date.now() % 1_000_000;
  const { messages } = await killLoop({ rounds, seed, say: (text) => t.diagnostic(text) });
  assert.ok(messages > rounds, "There was load");
});
