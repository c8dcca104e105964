import assert from "node:assert/strict";
import { test } from "node:test";
import { Refusal } from "#base/assert.ts";
import type { MailboxNumber } from "#base/brand.ts";
import { limits } from "#base/limits.ts";
import { crc32 } from "#base/crc.ts";
import { seededRandom } from "#base/random.ts";
import type { Account } from "./account.ts";
import { differenceOf } from "./index/difference.ts";
import {
  StoreFixture,
  alice,
  changeSomething,
  deliver,
  makeLargeMessage,
  makeMessage,
  settleDown,
  shortJournal,
} from "./store-fixture.contract.ts";

const inbox = 1 as MailboxNumber;
const seen = { bits: 1, keywords: [] };
const internalDate = 1_700_000_000_000;

/** Checksums of all messages and their cached fields: what must survive. */
async function contentsOf(account: Account): Promise<Map<string, string>> {
  const out = new Map<string, string>();
  for (const mailbox of account.state.mailboxes.values())
    for (let row = 0; row < mailbox.count; row++) {
      const uid = mailbox.rows.arrays.uid[row]!;
      const content = mailbox.rows.arrays.message[row]!;
      const fields = await account.fields(content);
      const body = await account.body(content);
      out.set(`${mailbox.number}/${uid}`, `${crc32(fields)} ${crc32(body)} ${body.length}`);
    }
  return out;
}

for (const sync of [true, false])
  test(`a settled account is the same after a restart (${sync ? "" : "no "}synchronous reads)`, async () => {
    const fixture = new StoreFixture({ sync });
    await fixture.open();
    let account = await fixture.account();
    for (let i = 0; i < 200; i++) changeSomething(account, fixture.random);
    await account.durable();
    const before = account.state;
    const contents = await contentsOf(account);
    assert.ok(contents.size > 20);
    await fixture.close();
    assert.equal(before.journaled.size, 0);
    assert.deepEqual(await contentsOf(account), contents);
    assert.ok(fixture.disk.names().length <= 2, "The journal is deleted");
    await fixture.open();
    account = await fixture.account();
    assert.equal(differenceOf(before, account.state), undefined);
    assert.deepEqual(await contentsOf(account), contents);
    assert.deepEqual(fixture.opened.damages, []);
    const report = await fixture.opened.verify();
    assert.deepEqual(report.damages, []);
    assert.equal(report.messages, contents.size);
    await fixture.close();
  });

test("random changes, settlings, crashes and restarts lose nothing that was durable", async () => {
  for (let seed = 1; seed <= 25; seed++) {
    const fixture = new StoreFixture({ seed, journal: shortJournal });
    const random = seededRandom(seed + 1000);
    await fixture.open();
    for (let round = 0; round < 6; round++) {
      let account = await fixture.account();
      for (let i = 0; i < 40; i++) {
        changeSomething(account, random);
        if (random.below(10) === 0) void fixture.opened.settle(alice).catch(() => undefined);
        if (random.below(5) === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      const settling = fixture.opened.settle(alice).catch(() => undefined);
      await account.durable();
      if (random.below(2) === 0) await settling;
      const before = account.state;
      const contents = await contentsOf(account);
      await fixture.crashAndOpen(random.below(2) === 0 ? "power" : "process");
      account = await fixture.account();
      // Settling may have gone on in the old process until it was told of its end.
      const difference = differenceWithoutPlaces(account, before);
      assert.equal(difference, undefined, `seed ${seed}, round ${round}`);
      assert.deepEqual(await contentsOf(account), contents, `seed ${seed}, round ${round}`);
    }
    assert.deepEqual(fixture.opened.damages, [], `seed ${seed}`);
    await fixture.close();
  }
});

/** Compares all that clients see: modseqs of settling itself may differ. */
function differenceWithoutPlaces(account: Account, before: Account["state"]): string | undefined {
  const { state } = account;
  for (const [number, mailbox] of before.mailboxes) {
    const other = state.mailboxes.get(number);
    if (other === undefined) return `mailbox ${number} is missing`;
    if (other.name !== mailbox.name) return "name";
    if (other.uidNext !== mailbox.uidNext || other.uidValidity !== mailbox.uidValidity)
      return "uids";
    if (other.highestModseq !== mailbox.highestModseq) return "modseq";
    if (other.count !== mailbox.count || other.unseen !== mailbox.unseen) return "count";
    for (let row = 0; row < mailbox.count; row++) {
      const [a, b] = [mailbox.rows.arrays, other.rows.arrays];
      if (a.uid[row] !== b.uid[row] || a.flags[row] !== b.flags[row]) return `row ${row}`;
      if (a.modseq[row] !== b.modseq[row]) return `modseq of row ${row}`;
      if (mailbox.keywordsOf(row).join() !== other.keywordsOf(row).join()) return "keywords";
    }
  }
  return before.mailboxes.size === state.mailboxes.size ? undefined : "mailboxes";
}

test("settling goes on after failing objects, and loses nothing", async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const rates = { fail: 0.1, unknown: 0.1, unknownDone: 0.1, errorDone: 0.1 };
    const fixture = new StoreFixture({ seed, rates });
    const random = seededRandom(seed + 2000);
    await fixture.open();
    let account = await fixture.account();
    fixture.faulty.enabled = true;
    for (let i = 0; i < 60; i++) {
      changeSomething(account, random);
      if (random.below(6) === 0) await fixture.opened.settle(alice).catch(() => undefined);
    }
    await account.durable();
    assert.equal(account.lost, undefined);
    fixture.faulty.enabled = false;
    const contents = await contentsOf(account);
    const before = account.state;
    await fixture.crashAndOpen();
    account = await fixture.account();
    assert.equal(differenceWithoutPlaces(account, before), undefined, `seed ${seed}`);
    assert.deepEqual(await contentsOf(account), contents);
    await fixture.opened.settle(alice);
    assert.deepEqual((await fixture.opened.verify()).damages, []);
    await fixture.close();
  }
});

test("accounts are settled some time after their last change, and the journal shrinks", async () => {
  const fixture = new StoreFixture({ journal: shortJournal });
  await fixture.open();
  const account = await fixture.account();
  for (let i = 0; i < 250; i++) {
    deliver(account, inbox, fixture.random);
    await account.durable();
  }
  assert.ok(fixture.disk.names().length > 1);
  assert.deepEqual(await fixture.names("head-"), []);
  await fixture.clock.pass(limits.settleIdleMs + 2 * limits.settleCheckMs);
  assert.equal((await fixture.names("head-")).length, 1);
  assert.equal(fixture.opened.journal.tail.segments, 1);
  assert.ok(fixture.store.tails.get(alice)!.isEmpty);
  await fixture.close();
});

test("a full journal is relieved, and appends that waited get through", async () => {
  const fixture = new StoreFixture({ journal: shortJournal });
  await fixture.open();
  const account = await fixture.account();
  let durable = 0;
  const count = (): number => ++durable;
  for (let i = 0; i < 150; i++)
    void account
      .addMessages(inbox, [
        { prepared: makeLargeMessage(fixture.random, 100_000), flags: seen, internalDate },
      ])
      .then(() => account.durable())
      .then(count);
  for (let i = 0; i < 100 && durable < 150; i++) await settleDown();
  assert.equal(durable, 150);
  assert.ok(fixture.opened.journal.tail.bytes < 6 * 1024 * 1024);
  await fixture.close();
});

test("large messages lie in packs of their own", async () => {
  const fixture = new StoreFixture();
  await fixture.open();
  let account = await fixture.account();
  const prepared = makeLargeMessage(fixture.random, 900_000);
  await account.addMessages(inbox, [{ prepared, flags: seen, internalDate }]);
  await account.durable();
  assert.equal((await fixture.names("body-")).length, 1);
  assert.deepEqual(Buffer.from(await account.body(0)), Buffer.from(prepared.body));
  assert.deepEqual(Buffer.from(await account.fields(0)), Buffer.from(prepared.fields));
  await fixture.crashAndOpen();
  account = await fixture.account();
  assert.deepEqual(Buffer.from(await account.body(0)), Buffer.from(prepared.body));
  assert.deepEqual((await fixture.opened.verify()).damages, []);
  await fixture.close();
});

test("many small messages that are too much for one record are stored all the same", async () => {
  const fixture = new StoreFixture();
  await fixture.open();
  const account = await fixture.account();
  const messages = Array.from({ length: 60 }, () => ({
    prepared: makeLargeMessage(fixture.random, 50_000),
    flags: seen,
    internalDate,
  }));
  await account.addMessages(inbox, messages);
  await account.durable();
  assert.equal(account.state.mailboxes.get(inbox)!.count, 60);
  for (const [row, { prepared }] of messages.entries())
    assert.deepEqual(Buffer.from(await account.body(row)), Buffer.from(prepared.body));
  await fixture.opened.settle(alice);
  assert.deepEqual((await fixture.opened.verify()).damages, []);
  await fixture.close();
});

test("packs are merged, rewritten and dropped; dropped objects go after the retention time", async () => {
  const fixture = new StoreFixture();
  await fixture.open();
  const account = await fixture.account();
  for (let i = 0; i < 30; i++) {
    for (let k = 0; k < 5; k++) deliver(account, inbox, fixture.random);
    await fixture.opened.settle(alice);
  }
  for (let i = 0; i < 3; i++) await fixture.opened.settle(alice, { snapshot: true });
  assert.ok(account.state.packs.size < 20, `${account.state.packs.size} packs`);
  const contents = await contentsOf(account);
  account.changeFlags(inbox, Uint32Array.of(1, 150), {
    mode: "add",
    flags: { bits: 8, keywords: [] },
  });
  account.expunge(inbox);
  await fixture.opened.settle(alice);
  await fixture.opened.settle(alice, { sweep: true });
  for (const [key, value] of await contentsOf(account)) assert.equal(contents.get(key), value);
  for (const pack of account.state.packs.values())
    assert.ok(pack.liveEntries > 0, "A pack without live entries is dropped");
  const dropped = [...account.state.dropped.keys()];
  assert.ok(dropped.some((name) => name.startsWith("pack-")));
  assert.ok(dropped.some((name) => name.startsWith("delta-") || name.startsWith("snapshot-")));
  const before = await fixture.names();
  for (const name of dropped) assert.ok(before.includes(name), "Dropped objects are kept");
  await fixture.clock.pass(limits.retentionMs + 60_000);
  const after = await fixture.names();
  for (const name of dropped) assert.ok(!after.includes(name), `${name} is deleted`);
  for (const name of dropped) assert.ok(!account.state.dropped.has(name));
  assert.deepEqual((await fixture.opened.verify()).damages, []);
  await fixture.close();
});

test("settled accounts leave memory when it is full, and come back the same", async () => {
  const fixture = new StoreFixture();
  await fixture.open({ accountMemoryBytes: 0 });
  let account = await fixture.account();
  for (let i = 0; i < 50; i++) changeSomething(account, fixture.random);
  await account.durable();
  await fixture.clock.pass(limits.settleIdleMs + 2 * limits.settleCheckMs);
  assert.equal(fixture.store.accountsInMemory, 1, "A used account stays");
  const before = account.state;
  fixture.store.close(account);
  await fixture.clock.pass(3 * limits.settleCheckMs);
  assert.equal(fixture.store.accountsInMemory, 0);
  account = await fixture.account();
  assert.notEqual(account.state, before);
  assert.equal(differenceOf(before, account.state), undefined);
  await fixture.close();
});

test("a full disk refuses changes and keeps reading, until there is room again", async () => {
  const fixture = new StoreFixture();
  await fixture.open();
  let account = await fixture.account();
  deliver(account, inbox, fixture.random);
  await account.durable();
  const contents = await contentsOf(account);
  fixture.disk.faults.writeFull = 1;
  await assert.rejects(
    account
      .addMessages(inbox, [{ prepared: makeMessage(fixture.random), flags: seen, internalDate }])
      .then(() => account.durable()),
    Refusal,
  );
  assert.notEqual(account.lost, undefined);
  account = await fixture.account();
  assert.deepEqual(await contentsOf(account), contents);
  assert.throws(() => account.subscribe("x", true), { code: "UNAVAILABLE" });
  assert.ok(!fixture.store.writable);
  await fixture.clock.pass(3 * limits.writeProbeMs);
  assert.ok(!fixture.store.writable);
  fixture.disk.faults.writeFull = 0;
  await fixture.clock.pass(2 * limits.writeProbeMs);
  assert.ok(fixture.store.writable);
  deliver(account, inbox, fixture.random);
  await account.durable();
  assert.ok((await contentsOf(account)).size > contents.size);
  const before = account.state;
  await fixture.crashAndOpen();
  assert.equal(differenceWithoutPlaces(await fixture.account(), before), undefined);
  await fixture.close();
});

test("a failed sync throws the account away; it comes back with what turned out durable", async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const fixture = new StoreFixture({ seed });
    await fixture.open();
    let account = await fixture.account();
    for (let i = 0; i < 10; i++) deliver(account, inbox, fixture.random);
    await account.durable();
    const contents = await contentsOf(account);
    fixture.disk.faults.sync = 1;
    deliver(account, inbox, fixture.random);
    await assert.rejects(Promise.resolve(account.durable()), Refusal);
    fixture.disk.faults.sync = 0;
    await fixture.clock.pass(3 * limits.writeProbeMs);
    assert.ok(fixture.store.writable, `seed ${seed}`);
    account = await fixture.account();
    const now = await contentsOf(account);
    for (const [key, value] of contents) assert.equal(now.get(key), value);
    for (let i = 0; i < 10; i++) changeSomething(account, fixture.random);
    await account.durable();
    const before = account.state;
    await fixture.crashAndOpen();
    assert.equal(differenceWithoutPlaces(await fixture.account(), before), undefined);
    assert.deepEqual(fixture.opened.damages, []);
    await fixture.close();
  }
});
