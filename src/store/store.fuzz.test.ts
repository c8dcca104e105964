import assert from "node:assert/strict";
import { test } from "node:test";
import { Refusal } from "#base/assert.ts";
import type { AccountId } from "#base/brand.ts";
import { crc32 } from "#base/crc.ts";
import { limits } from "#base/limits.ts";
import { type Random, seededRandom } from "#base/random.ts";
import type { Account } from "./account.ts";
import {
  StoreFixture,
  alice,
  changeSomething,
  deliverToAll,
  makeMessage,
  settleDown,
  shortJournal,
} from "./store-fixture.contract.ts";

const ids = [alice, "bobbbbbbbbbbbbbb" as AccountId];
/** Others by STORE_SEEDS=<first>-<last>. */
const [firstSeed, lastSeed] = (process.env["STORE_SEEDS"] ?? "1-12").split("-").map(Number) as [
  number,
  number,
];

/** All that a client could see, as text. */
async function visible(account: Account): Promise<string[]> {
  const out: string[] = [];
  for (const mailbox of account.state.mailboxes.values()) {
    const { uid, flags, modseq, message } = mailbox.rows.arrays;
    out.push(`${mailbox.number} ${mailbox.name} ${mailbox.uidValidity} ${mailbox.uidNext}`);
    for (let row = 0; row < mailbox.count; row++) {
      const fields = crc32(await account.fields(message[row]!));
      const body = crc32(await account.body(message[row]!));
      const keywords = mailbox.keywordsOf(row).join();
      out.push(`${uid[row]} ${flags[row]} ${modseq[row]} ${keywords} ${fields} ${body}`);
    }
  }
  return out;
}

/** Lets time pass until `work` has ended: what failed is tried again later. */
async function timely<T>(fixture: StoreFixture, work: Promise<T>): Promise<T> {
  let ended = false;
  const end = (): void => void (ended = true);
  work.then(end, end);
  await settleDown();
  for (let seconds = 0; !ended; seconds++) {
    assert.ok(seconds < 3_600, "Nothing waits for ever");
    await fixture.clock.pass(1_000);
  }
  return work;
}

/** A fault of the disk that comes and goes, or some other event that no client asked for. */
async function somethingHappens(
  fixture: StoreFixture,
  id: AccountId,
  random: Random,
): Promise<void> {
  const { faults } = fixture.disk;
  const event = random.below(30);
  if (event < 3) {
    const fault = (["sync", "write", "writeFull"] as const)[event]!;
    faults[fault] = 1;
    await settleDown();
    faults[fault] = 0;
    return fixture.clock.pass(3_000);
  }
  if (event === 3)
    return void fixture.opened.settle(id, { snapshot: random.below(2) === 0 }).catch(() => {});
  if (event === 4)
    return timely(
      fixture,
      fixture.opened.settle(id).catch(() => {}),
    );
  if (event === 5) return fixture.clock.pass(limits.settleIdleMs);
  if (event === 6) return fixture.store.evict(0);
  if (event === 7)
    return timely(
      fixture,
      fixture.opened.journal.rotate().catch(() => {}),
    );
  if (event === 8 && random.below(4) === 0) return fixture.clock.pass(limits.retentionMs / 3);
}

async function round(fixture: StoreFixture, random: Random): Promise<void> {
  fixture.faulty.enabled = true;
  for (let i = 0; i < 60; i++) {
    const id = ids[random.below(ids.length)]!;
    try {
      const account = await timely(fixture, fixture.account(id));
      if (random.below(6) === 0) await deliverToBoth(fixture, random);
      else changeSomething(account, random);
      if (random.below(3) === 0) await timely(fixture, Promise.resolve(account.durable()));
      fixture.store.close(account);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
    }
    await somethingHappens(fixture, id, random);
  }
  fixture.faulty.enabled = false;
  await fixture.clock.pass(5_000);
}

/** One message for both accounts. */
async function deliverToBoth(fixture: StoreFixture, random: Random): Promise<void> {
  const opened: Account[] = [];
  try {
    for (const id of ids) opened.push(await timely(fixture, fixture.account(id)));
    deliverToAll(opened, makeMessage(random));
  } finally {
    for (const account of opened) fixture.store.close(account);
  }
}

async function visibleAll(fixture: StoreFixture): Promise<string[][]> {
  const out: string[][] = [];
  for (const id of ids) {
    const account = await timely(fixture, fixture.account(id));
    await timely(fixture, Promise.resolve(account.durable()));
    out.push(await visible(account));
    fixture.store.close(account);
  }
  return out;
}

test("two accounts survive faults of disk and objects, eviction, time and crashes", async () => {
  const rates = { fail: 0.03, unknown: 0.03, unknownDone: 0.03, errorDone: 0.03, full: 0.02 };
  for (let seed = firstSeed; seed <= lastSeed; seed++) {
    const random = seededRandom(seed + 5_000);
    const sync = seed % 2 === 0;
    const fixture = new StoreFixture({ seed, rates, sync, journal: shortJournal });
    await fixture.open();
    for (let i = 0; i < 6; i++) {
      await round(fixture, random);
      const before = await visibleAll(fixture);
      if (random.below(3) === 0) {
        await timely(fixture, fixture.close());
        await fixture.open();
      } else await fixture.crashAndOpen(random.below(2) === 0 ? "power" : "process");
      assert.deepEqual(await visibleAll(fixture), before, `seed ${seed}, round ${i}`);
      assert.deepEqual(fixture.opened.damages, [], `seed ${seed}, round ${i}`);
    }
    assert.deepEqual((await fixture.opened.verify()).damages, [], `seed ${seed}`);
    await timely(fixture, fixture.close());
  }
});
