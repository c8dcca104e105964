import assert from "node:assert/strict";
import { test } from "node:test";
import type { MailboxNumber } from "#base/brand.ts";
import { utf8 } from "#base/bytes.ts";
import { type Random, seededRandom } from "#base/random.ts";
import { CachedFields } from "#message/index.ts";
import type { Account } from "../account.ts";
import type { MailboxState } from "../index/mailbox-state.ts";
import { prepareMessage } from "../prepare.ts";
import { keyKinds, type TextKey, textKeys } from "../search/key-columns.ts";
import { StoreFixture, alice, changeSomething, deliver } from "../store-fixture.contract.ts";

const inbox = 1 as MailboxNumber;
const never = (): undefined => undefined;
/** Gives others a turn at every look at the time. */
const always = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function threadedMessage(random: Random): ReturnType<typeof prepareMessage> {
  const pick = (): number => random.below(40);
  const lines = [
    `Message-ID: <${pick()}@example.org>`,
    `Subject: ${random.below(2) === 0 ? "Re: " : ""}${["", "größer", "Alpha", "beta"][random.below(4)]} ${pick()}`,
    `From: a${pick()}@example.org`,
    `To: "B ${pick()}" <b${pick()}@example.org>`,
    random.below(2) === 0 ? `Cc: c${pick()}@example.org` : "X-Nothing: 1",
  ];
  const references = Array.from({ length: random.below(4) }, () => `<${pick()}@example.org>`);
  if (references.length > 0) lines.push(`References: ${references.join(" ")}`);
  return prepareMessage(utf8(`${lines.join("\r\n")}\r\n\r\nText ${random.below(1e9)}\r\n`));
}

function deliverThreaded(account: Account, number: MailboxNumber, random: Random): void {
  const messages = Array.from({ length: 1 + random.below(5) }, () => ({
    prepared: threadedMessage(random),
    flags: { bits: 0, keywords: [] },
    internalDate: random.below(1_000_000),
  }));
  account.addMessages(number, messages).catch(() => undefined);
}

const textOf: Record<TextKey, (fields: CachedFields) => string> = {
  subject: (fields) => fields.subjectKey,
  from: (fields) => fields.fromKey,
  to: (fields) => fields.toKey,
  cc: (fields) => fields.ccKey,
};

/** Every other message, or all. */
function someUids(mailbox: MailboxState, random: Random): Uint32Array {
  const all = mailbox.rows.arrays.uid.slice(0, mailbox.count);
  return random.below(2) === 0 ? all : all.filter(() => random.below(2) === 0);
}

/** Compares keys with what the cached fields say. */
async function checkKeys(account: Account, random: Random): Promise<number> {
  let checked = 0;
  for (const mailbox of account.state.mailboxes.values()) {
    const uids = someUids(mailbox, random);
    const rest = random.below(2) === 0 ? never : always;
    const kinds = keyKinds.filter(() => random.below(3) > 0);
    const { keys, damaged } = await account.keys.read(mailbox, { uids, kinds }, rest);
    assert.equal(damaged, false);
    const fields: CachedFields[] = [];
    for (const uid of uids) {
      const row = mailbox.rows.arrays.message[mailbox.rowOf(uid)]!;
      fields.push(new CachedFields(await account.fields(row)));
    }
    for (const key of textKeys) {
      if (!kinds.includes(key)) continue;
      const texts = fields.map(textOf[key]);
      const ranks = await keys.ranks(mailbox, { uids, key }, rest);
      for (let i = 0; i + 1 < uids.length; i++)
        for (const j of [i + 1, random.below(uids.length)])
          assert.equal(
            Math.sign(ranks[i]! - ranks[j]!),
            texts[i]! < texts[j]! ? -1 : texts[i]! > texts[j]! ? 1 : 0,
          );
    }
    if (kinds.includes("subject")) {
      const { numbers, replies } = await keys.subjects(mailbox, uids, rest);
      const known = new Map<number, string>([[0, ""]]);
      for (const [i, field] of fields.entries()) {
        assert.equal(replies[i], field.isReplyOrForward ? 1 : 0);
        assert.equal(known.get(numbers[i]!) ?? field.subjectKey, field.subjectKey);
        known.set(numbers[i]!, field.subjectKey);
      }
      assert.equal(new Set(known.values()).size, known.size);
    }
    if (kinds.includes("references")) {
      const links = await keys.links(mailbox, uids, rest);
      const numbers = new Map<string, number>([["", 0]]);
      const same = (id: string, number: number): void => {
        assert.ok(number <= links.idCount);
        assert.equal(numbers.get(id) ?? number, number);
        numbers.set(id, number);
      };
      for (const [i, field] of fields.entries()) {
        same(field.messageId, links.ids[i]!);
        const found = links.references.subarray(links.starts[i], links.ends[i]);
        assert.equal(found.length, field.threadReferences.length);
        for (const [k, id] of field.threadReferences.entries()) same(id, found[k]!);
      }
      assert.equal(new Set(numbers.values()).size, numbers.size);
    }
    checked += uids.length;
  }
  return checked;
}

for (const sync of [true, false])
  test(`keys are those of the messages after changes, settlings and restarts (${sync ? "" : "no "}synchronous reads)`, async () => {
    let [checked, stored] = [0, 0];
    for (let seed = 1; seed <= 12; seed++) {
      const fixture = new StoreFixture({ seed, sync });
      const random = seededRandom(seed);
      await fixture.open();
      for (let round = 0; round < 8; round++) {
        const account = await fixture.account();
        for (let i = 0; i < 25; i++)
          if (random.below(2) === 0) changeSomething(account, fixture.random);
          else deliverThreaded(account, inbox, random);
        if (random.below(3) > 0) checked += await checkKeys(account, random);
        if (random.below(3) > 0) await fixture.opened.settle(alice);
        if (random.below(3) > 0) checked += await checkKeys(account, random);
        await account.durable();
        if (random.below(3) === 0) await fixture.crashAndOpen();
        else if (random.below(2) === 0) {
          await fixture.close();
          await fixture.open();
        }
        stored += (await fixture.names("keys-")).length;
      }
      assert.deepEqual((await fixture.opened.verify()).damages, []);
      await fixture.close();
    }
    assert.ok(checked > 2_000, `${checked} messages`);
    assert.ok(stored > 50, `${stored} objects`);
  });

test("after a restart stored keys are used, and no cached fields are read", async () => {
  const fixture = new StoreFixture();
  const random = seededRandom(5);
  await fixture.open();
  const before = await fixture.account();
  for (let i = 0; i < 20; i++) deliverThreaded(before, inbox, random);
  await fixture.close();
  await fixture.open();
  const account = await fixture.account();
  const mailbox = account.mailbox("INBOX");
  const uids = mailbox.rows.arrays.uid.slice(0, mailbox.count);
  // Damaged cached fields would be noticed.
  for (const name of await fixture.names("pack-")) {
    const key = await fixture.keyOf(name);
    await fixture.memory.put(key, new Uint8Array((await fixture.memory.get(key))!.length));
  }
  const { damaged } = await account.keys.read(mailbox, { uids, kinds: keyKinds }, never);
  assert.equal(damaged, false);
  assert.deepEqual(fixture.opened.damages, []);
  // A message that came later is all that has to be read.
  deliverThreaded(account, inbox, random);
  const all = mailbox.rows.arrays.uid.slice(0, mailbox.count);
  const again = await account.keys.read(mailbox, { uids: all, kinds: keyKinds }, never);
  assert.equal(again.damaged, false);
  await fixture.close(false);
});

test("damaged keys are reported, set aside and made anew", async () => {
  let found = 0;
  for (let seed = 1; seed <= 30; seed++) {
    const fixture = new StoreFixture({ seed });
    const random = seededRandom(seed);
    await fixture.open();
    const first = await fixture.account();
    for (let i = 0; i < 10; i++) deliverThreaded(first, inbox, random);
    await fixture.close();
    const [name, ...others] = await fixture.names("keys-");
    assert.deepEqual(others, []);
    await fixture.flip(name!);
    await fixture.open();
    const account = await fixture.account();
    // Texts are read only when there is another.
    if (seed % 2 === 0) deliverThreaded(account, inbox, random);
    await checkKeys(account, random);
    await checkKeys(account, random);
    for (const damage of fixture.opened.damages)
      assert.deepEqual([damage.object, damage.outcome], [name, "recovered"]);
    found += Math.sign(fixture.opened.damages.length);
    // A flip of what fills up to the next section harms nobody.
    const { damages } = await fixture.opened.verify();
    if (damages.length > 0) {
      await fixture.opened.verify({ repair: true });
      assert.deepEqual((await fixture.opened.verify()).damages, []);
      const aside = await fixture.memory.list("aside/");
      assert.ok(aside.some((key) => key.endsWith(name!)));
    }
    await checkKeys(account, random);
    await fixture.close();
    await fixture.open();
    await checkKeys(await fixture.account(), random);
    await fixture.close();
  }
  assert.ok(found > 10, `${found} were found by use`);
});

test("keys that disappear are made anew", async () => {
  const fixture = new StoreFixture();
  const random = seededRandom(7);
  await fixture.open();
  const first = await fixture.account();
  for (let i = 0; i < 10; i++) deliverThreaded(first, inbox, random);
  await fixture.close();
  await fixture.open();
  const account = await fixture.account();
  const [name] = await fixture.names("keys-");
  await fixture.memory.delete(await fixture.keyOf(name!));
  assert.ok((await checkKeys(account, random)) > 0);
  assert.deepEqual(fixture.opened.damages, []);
  await fixture.close();
});

test("messages that come and go while keys are read and stored do no harm", async () => {
  for (let seed = 1; seed <= 10; seed++) {
    const fixture = new StoreFixture({ seed, sync: seed % 2 === 0 });
    const random = seededRandom(seed);
    await fixture.open();
    const account = await fixture.account();
    for (let i = 0; i < 10; i++) deliverThreaded(account, inbox, random);
    let busy = true;
    const settling = (async () => {
      for (let i = 0; i < 6; i++) await fixture.opened.settle(alice);
      busy = false;
    })();
    const reading = (async () => {
      while (busy) {
        const mailbox = account.mailbox("INBOX");
        const uids = someUids(mailbox, random);
        const { keys } = await account.keys.read(mailbox, { uids, kinds: keyKinds }, always);
        await keys.links(mailbox, uids, always);
        await keys.ranks(mailbox, { uids, key: "subject" }, always);
      }
    })();
    while (busy) {
      if (random.below(2) === 0) changeSomething(account, fixture.random);
      else if (account.state.rowCount < 200) deliverThreaded(account, inbox, random);
      deliver(account, inbox, fixture.random);
      await always();
    }
    await settling;
    await reading;
    await checkKeys(account, random);
    await account.durable();
    await fixture.close();
    await fixture.open();
    await checkKeys(await fixture.account(), random);
    await fixture.close();
  }
});
