import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "#base/clock.ts";
import { ArrivingBytes } from "./arriving-bytes.ts";

const atOnce = { clock: systemClock, waitMs: 0 };
const patient = { clock: systemClock, waitMs: 60_000 };

test("One holder gets its share only, and does not keep others from theirs", async () => {
  const bytes = new ArrivingBytes(100, 60);
  assert.equal(await bytes.take("alice", 50, atOnce), true);
  assert.equal(await bytes.take("alice", 20, atOnce), false);
  const second = bytes.take("alice", 20, patient);
  assert.equal(await bytes.take("bob", 50, patient), true);
  bytes.release("alice", 50);
  assert.equal(await second, true);
  assert.equal(bytes.used, 70);
  bytes.release("alice", 20);
  bytes.release("bob", 50);
  assert.equal(bytes.used, 0);
});

test("Where all of it is taken, who came first goes first", async () => {
  const bytes = new ArrivingBytes(100, 80);
  const order: string[] = [];
  const take = async (holder: string, count: number): Promise<void> => {
    assert.equal(await bytes.take(holder, count, patient), true);
    order.push(holder);
  };
  await take("alice", 80);
  const waiting = [take("bob", 60), take("carol", 10)];
  bytes.release("alice", 80);
  await Promise.all(waiting);
  assert.deepEqual(order, ["alice", "bob", "carol"]);
});

test("a holder that does not wait shares the memory, and passes nobody who waits", async () => {
  const bytes = new ArrivingBytes(100, 60);
  const mail = bytes.allowanceOf("LMTP");
  assert.equal(mail.take(50), true);
  assert.equal(mail.take(11), false, "beyond its share");
  assert.equal(await bytes.take("alice", 60, { clock: systemClock, waitMs: 0 }), false);
  const waiting = bytes.take("alice", 60, { clock: systemClock, waitMs: 60_000 });
  assert.equal(mail.take(1), false, "alice comes first");
  mail.give(50);
  assert.equal(await waiting, true);
  assert.equal(bytes.used, 60);
  assert.equal(mail.take(40), true);
  mail.give(40);
  mail.give(0);
  bytes.release("alice", 60);
  assert.equal(bytes.used, 0);
});
