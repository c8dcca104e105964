import assert from "node:assert/strict";
import { test } from "node:test";
import { Refusal } from "#base/assert.ts";
import { utf8 } from "#base/bytes.ts";
import { systemClock } from "#base/clock.ts";
import { derive } from "./derive.ts";
import type { SlowWork } from "./derive.ts";
import { PasswordThreads } from "./threads.ts";

const quick: SlowWork = {
  kind: "pbkdf2",
  algorithm: "sha1",
  salt: utf8("salt"),
  rounds: 10,
  length: 20,
};
const isUnavailable = (error: unknown): boolean =>
  error instanceof Refusal && error.code === "UNAVAILABLE";

test("threads give what the work gives, in a bounded queue", async () => {
  const threads = new PasswordThreads({ clock: systemClock, threads: 2, queueMax: 3 });
  const password = utf8("secret");
  const jobs = Array.from({ length: 5 }, () => threads.derive(quick, password));
  await assert.rejects(threads.derive(quick, password), isUnavailable);
  for (const derived of await Promise.all(jobs))
    assert.deepEqual(Buffer.from(derived), Buffer.from(derive(quick, password)));
  assert.equal(threads.running, 2);
  assert.deepEqual(password, utf8("secret"), "the caller's bytes are its own");
  await threads.close();
  assert.equal(threads.running, 0);
  await assert.rejects(threads.derive(quick, password), isUnavailable);
});

test("work that cannot be done fails alone", async () => {
  const threads = new PasswordThreads({ clock: systemClock, threads: 1 });
  const bad = threads.derive({ kind: "bcrypt", setting: "nonsense" }, utf8("x"));
  const good = threads.derive(quick, utf8("x"));
  await assert.rejects(bad, /could not be hashed/);
  assert.equal((await good).length, 20);
  await threads.close();
});

test("closing refuses what waits and what runs", async () => {
  const threads = new PasswordThreads({ clock: systemClock, threads: 1 });
  const long = { ...quick, rounds: 3_000_000 };
  const jobs = [threads.derive(long, utf8("x")), threads.derive(quick, utf8("x"))];
  const settled = Promise.allSettled(jobs);
  await threads.close();
  for (const outcome of await settled)
    assert.ok(outcome.status === "rejected" && isUnavailable(outcome.reason));
});

test("idle threads end", async () => {
  const retire: (() => void)[] = [];
  const clock = {
    ...systemClock,
    after: (_ms: number, run: () => void) => {
      retire.push(run);
      return { cancel: () => {} };
    },
  };
  const threads = new PasswordThreads({ clock, threads: 1 });
  await threads.derive(quick, utf8("x"));
  for (const run of retire.splice(0)) run();
  while (threads.running > 0) await new Promise((resolve) => setImmediate(resolve));
  assert.equal((await threads.derive(quick, utf8("x"))).length, 20);
  await threads.close();
});
