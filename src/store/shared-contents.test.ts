import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { AccountId } from "#base/brand.ts";
import { concatBytes, utf8 } from "#base/bytes.ts";
import { seededRandom } from "#base/random.ts";
import { limits } from "#base/limits.ts";
import type { Account } from "./account.ts";
import type { PreparedMessage } from "./ports.ts";
import { prepareMessage } from "./prepare.ts";
import {
  StoreFixture,
  deliverToAll,
  makeLargeMessage,
  makeMessage,
  prefixOf,
} from "./store-fixture.contract.ts";

const recipients = 50;
const ids = Array.from(
  { length: recipients },
  (_, i) => `reader${String(i).padStart(10, "0")}` as AccountId,
);

async function openAll(fixture: StoreFixture): Promise<Account[]> {
  const accounts: Account[] = [];
  for (const id of ids) accounts.push(await fixture.account(id));
  return accounts;
}

/** A store with these accounts, all of them settled. */
async function opened(t: TestContext, options: { sync?: boolean } = {}): Promise<StoreFixture> {
  const fixture = new StoreFixture(options);
  await fixture.open();
  await openAll(fixture);
  await fixture.opened.settleAll();
  t.after(() => fixture.close(false));
  return fixture;
}

/** Every account has the message behind its own fields, as if it had been parsed with them. */
async function compare(accounts: readonly Account[], prepared: PreparedMessage): Promise<void> {
  for (const account of accounts) {
    const whole = prepareMessage(concatBytes([prefixOf(account.state.id), prepared.body]));
    const { rows } = account.mailbox("INBOX");
    assert.equal(rows.count, 1);
    const row = rows.arrays.message[0]!;
    assert.equal(account.state.messages.arrays.size[row], whole.body.length);
    assert.deepEqual(Buffer.from(await account.body(row)), Buffer.from(whole.body));
    assert.deepEqual(Buffer.from(await account.fields(row)), Buffer.from(whole.fields));
  }
}

for (const sync of [true, false])
  test(`a message for fifty accounts lies in the journal once (sync: ${sync})`, async (t) => {
    const fixture = await opened(t, { sync });
    const prepared = makeMessage(seededRandom(5), 100);
    let accounts = await openAll(fixture);
    const before = fixture.opened.journal.tail;
    deliverToAll(accounts, prepared);
    // What is not durable yet is read from memory.
    await compare(accounts, prepared);
    for (const account of accounts) await account.durable();
    const { batches, bytes } = fixture.opened.journal.tail;
    assert.equal(batches - before.batches, 1);
    const once = prepared.body.length + prepared.fields.length;
    // Each account has its record: row, prefix, numbers.
    assert.ok(
      bytes - before.bytes < once + recipients * 300 + 1024,
      `${bytes - before.bytes} bytes`,
    );
    await compare(accounts, prepared);

    for (const kind of ["process", "power"] as const) {
      await fixture.crashAndOpen(kind);
      accounts = await openAll(fixture);
      await compare(accounts, prepared);
    }
    assert.deepEqual((await fixture.opened.verify()).damages, []);
    await fixture.opened.settleAll();
    await compare(accounts, prepared);
    for (const { state } of accounts) assert.equal(state.journaled.size, 0);
    await fixture.opened.journal.rotate();
    await fixture.opened.journal.deleteSettled(fixture.opened.journal.next);
    await fixture.crashAndOpen();
    await compare(await openAll(fixture), prepared);
    assert.deepEqual((await fixture.opened.verify()).damages, []);
  });

test("a message too large for the journal is put for each account", async (t) => {
  const fixture = await opened(t);
  const prepared = makeLargeMessage(seededRandom(7), limits.inlineBodyBytesMax + 1000);
  const accounts = (await openAll(fixture)).slice(0, 3);
  await Promise.all(
    accounts.map((account) =>
      account.addMessages(account.mailbox("INBOX").number, [
        {
          prepared,
          prefix: prefixOf(account.state.id),
          flags: { bits: 0, keywords: [] },
          internalDate: 0,
        },
      ]),
    ),
  );
  await compare(accounts, prepared);
  await fixture.crashAndOpen();
  await compare((await openAll(fixture)).slice(0, 3), prepared);
});

test("a message whose fields are damaged in the journal is refused, and reported", async (t) => {
  const fixture = await opened(t);
  const prepared = prepareMessage(utf8("Subject: one\r\n\r\nText\r\n"));
  const accounts = (await openAll(fixture)).slice(0, 3);
  deliverToAll(accounts, prepared);
  for (const account of accounts) await account.durable();
  const { journal } = fixture.opened;
  const readSync = journal.readSync!;
  Object.assign(journal, {
    readSync(place: never, offset: number, target: Uint8Array): number {
      const count = readSync(place, offset, target);
      if (target.length > 0) target[target.length - 1]! ^= 1;
      return count;
    },
  });
  for (const account of accounts) {
    assert.throws(() => account.fields(0), { code: "CORRUPTION" });
    assert.throws(() => account.body(0), { code: "CORRUPTION" });
  }
  Object.assign(journal, { readSync });
  await compare(accounts, prepared);
});
