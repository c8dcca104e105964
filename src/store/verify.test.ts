import assert from "node:assert/strict";
import { test } from "node:test";
import type { MailboxNumber } from "#base/brand.ts";
import { crc32 } from "#base/crc.ts";
import { envelopeBytes } from "#objects/index.ts";
import type { Account } from "./account.ts";
import { differenceOf } from "./index/difference.ts";
import { StoreFixture, alice, changeSomething, deliver } from "./store-fixture.contract.ts";

const inbox = 1 as MailboxNumber;

async function bodiesOf(account: Account): Promise<string[]> {
  const out: string[] = [];
  for (const mailbox of account.state.mailboxes.values())
    for (let row = 0; row < mailbox.count; row++) {
      const content = mailbox.rows.arrays.message[row]!;
      const fields = await account.fields(content);
      out.push(`${crc32(await account.body(content))} ${crc32(fields)}`);
    }
  return out.sort();
}

/** A store whose account has a snapshot, two deltas and packs, and nothing in the journal. */
async function settledFixture(seed: number): Promise<{ fixture: StoreFixture; account: Account }> {
  const fixture = new StoreFixture({ seed });
  await fixture.open();
  const account = await fixture.account();
  for (let i = 0; i < 60; i++) changeSomething(account, fixture.random);
  await fixture.opened.settle(alice);
  await fixture.opened.settle(alice, { snapshot: true });
  for (let k = 0; k < 2; k++) {
    deliver(account, inbox, fixture.random);
    for (let i = 0; i < 20; i++) changeSomething(account, fixture.random);
    await fixture.opened.settle(alice);
  }
  return { fixture, account };
}

/** Closes a store so that its journal has nothing left. */
async function closeWithoutJournal(fixture: StoreFixture): Promise<void> {
  await fixture.opened.journal.rotate();
  await fixture.close();
  assert.equal(fixture.opened.journal.tail.segments, 1);
}

async function newest(fixture: StoreFixture, kind: string): Promise<string> {
  return (await fixture.names(`${kind}-`)).at(-1)!;
}

for (const kind of ["head", "snapshot"])
  test(`a damaged ${kind} is made up for by others, reported and set aside`, async () => {
    for (let seed = 1; seed <= 10; seed++) {
      const { fixture, account } = await settledFixture(seed);
      const before = account.state;
      await fixture.close();
      const name = await newest(fixture, kind);
      await fixture.flip(name);
      await fixture.open();
      const again = await fixture.account();
      assert.equal(differenceOf(before, again.state), undefined, `seed ${seed}`);
      const [damage] = fixture.opened.damages;
      assert.equal(damage?.object, name);
      assert.equal(damage?.outcome, "recovered");
      assert.equal((await fixture.opened.verify()).damages.length, 1, "verify finds it too");
      const report = await fixture.opened.verify({ repair: true });
      assert.ok(report.repaired);
      assert.deepEqual((await fixture.opened.verify()).damages, []);
      const aside = await fixture.memory.list("aside/");
      assert.ok(aside.some((key) => key.endsWith(name)));
      assert.deepEqual(await bodiesOf(again), await bodiesOf(account));
      await fixture.close();
    }
  });

test("a damaged delta whose records are gone is loudly reported; mail comes back from packs", async () => {
  for (let seed = 1; seed <= 10; seed++) {
    const { fixture, account } = await settledFixture(seed);
    const before = account.state;
    const bodies = await bodiesOf(account);
    await closeWithoutJournal(fixture);
    const name = (await fixture.names("delta-")).at(-2)!;
    // Behind its head, so that its records are damaged.
    await fixture.flip(name, envelopeBytes + 70);
    await fixture.open();
    const again = await fixture.account();
    assert.ok(fixture.opened.damages.some(({ outcome }) => outcome === "lost"));
    assert.ok(fixture.opened.damages.some(({ object }) => object === name));
    const found = new Set(await bodiesOf(again));
    for (const body of bodies) assert.ok(found.has(body), `seed ${seed}: a message is lost`);
    assert.ok(again.state.modseq > before.modseq);
    for (const mailbox of again.state.mailboxes.values()) {
      const old = before.mailboxes.get(mailbox.number);
      if (old !== undefined) assert.ok(mailbox.uidNext > old.uidNext, "Uids leave a gap");
      assert.equal(mailbox.expungedAfter(before.modseq), undefined, "Everybody looks again");
    }
    // The patched state is the stored one now.
    const patched = again.state;
    await fixture.crashAndOpen();
    assert.equal(differenceOf(patched, (await fixture.account()).state), undefined);
    assert.equal(fixture.opened.damages.length, 0);
    await fixture.close();
  }
});

test("an account of which only packs are left is rebuilt, with new UIDVALIDITY", async () => {
  for (let seed = 1; seed <= 10; seed++) {
    const { fixture, account } = await settledFixture(seed);
    const before = account.state;
    const bodies = await bodiesOf(account);
    await closeWithoutJournal(fixture);
    for (const kind of ["head", "snapshot", "delta"])
      for (const name of await fixture.names(`${kind}-`)) await fixture.flip(name, envelopeBytes);
    await fixture.open();
    const again = await fixture.account();
    assert.ok(fixture.opened.damages.some(({ text }) => text.includes("UIDVALIDITY")));
    const found = new Set(await bodiesOf(again));
    for (const body of bodies) assert.ok(found.has(body), `seed ${seed}: a message is lost`);
    const validities = new Set([...before.mailboxes.values()].map((box) => box.uidValidity));
    for (const mailbox of again.state.mailboxes.values())
      assert.ok(!validities.has(mailbox.uidValidity));
    assert.ok(again.state.mailboxesByName.has("INBOX"));
    const patched = again.state;
    for (let i = 0; i < 20; i++) changeSomething(again, fixture.random);
    await again.durable();
    await fixture.crashAndOpen();
    assert.equal(differenceOf(patched, (await fixture.account()).state), undefined);
    const report = await fixture.opened.verify({ repair: true });
    assert.deepEqual(report.damages, [], "Rebuilding has put everything in order");
    await fixture.close();
  }
});

test("a damaged pack costs at most the message that is damaged, and no flag", async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const { fixture, account } = await settledFixture(seed);
    const packs = [...account.state.packs.values()];
    const pack = packs[fixture.random.below(packs.length)]!;
    await fixture.flip(pack.name);
    const flagsBefore = differenceOf(account.state, account.state);
    assert.equal(flagsBefore, undefined);
    const rows = account.state.rowCount;
    const report = await fixture.opened.verify();
    assert.ok(
      report.damages.some(({ object }) => object === pack.name),
      `seed ${seed}`,
    );
    const repaired = await fixture.opened.verify({ repair: true });
    const lost = repaired.damages.filter(({ outcome }) => outcome === "lost");
    assert.ok(lost.length <= 1, `seed ${seed}: ${JSON.stringify(lost)}`);
    assert.equal(account.state.rowCount, rows);
    let unreadable = 0;
    for (let row = 0; row < account.state.messages.count; row++) {
      if (account.state.messages.arrays.number[row] === 0) continue;
      try {
        await account.body(row);
        await account.fields(row);
      } catch {
        unreadable++;
      }
    }
    assert.equal(unreadable, lost.length, `seed ${seed}`);
    const aside = await fixture.memory.list("aside/");
    assert.ok(aside.some((key) => key.endsWith(pack.name)));
    await fixture.close();
  }
});

test("what a command cannot read is refused as damaged", async () => {
  const { fixture, account } = await settledFixture(3);
  const pack = [...account.state.packs.values()][0]!;
  const columns = account.state.messages.arrays;
  const row = columns.pack.findIndex(
    (number, at) => number === pack.number && columns.number[at]! > 0,
  );
  await fixture.flip(pack.name, columns.offset[row]! + columns.length[row]! - 1);
  await fixture.flip(pack.name, columns.fieldsOffset[row]);
  await assert.rejects(async () => account.body(row), { code: "CORRUPTION" });
  await assert.rejects(async () => account.fields(row), { code: "CORRUPTION" });
  assert.equal(fixture.opened.damages.length, 2);
  await fixture.close();
});

test("another store's journal and objects are refused", async () => {
  const { fixture } = await settledFixture(4);
  const storeId = Uint8Array.from(fixture.opened.storeId);
  await fixture.close();
  const other = new StoreFixture({ seed: 99 });
  await other.open();
  await other.close();
  // The disk of one store beside the objects of another.
  const mixed = new StoreFixture({ seed: 5 });
  for (const key of await fixture.memory.list(""))
    await mixed.memory.put(key, (await fixture.memory.get(key))!);
  Object.assign(mixed, { disk: other.disk });
  await assert.rejects(mixed.open(), { name: "FormatError", fault: "store" });
  // Without its identity the store is still known by its objects.
  await fixture.memory.delete("store/identity");
  await fixture.open();
  assert.deepEqual(fixture.opened.storeId, storeId);
  await fixture.close();
});
