import assert from "node:assert/strict";
import { test } from "node:test";
import { StoreFixture } from "./store-fixture.contract.ts";

test("a name's UIDVALIDITY never falls, whatever is renamed to it", async () => {
  const fixture = new StoreFixture();
  await fixture.open();
  let account = await fixture.account();
  const validity = (name: string): number => account.mailbox(name).uidValidity;
  account.createMailbox("old");
  account.createMailbox("old/inferior");
  const kept = validity("old");

  // Deleted before.
  account.createMailbox("deleted");
  account.createMailbox("deleted/inferior");
  const deleted = [validity("deleted"), validity("deleted/inferior")] as const;
  account.deleteMailbox("deleted/inferior");
  account.deleteMailbox("deleted");
  account.renameMailbox("old", "deleted");
  assert.ok(validity("deleted") > deleted[0]);
  assert.ok(validity("deleted/inferior") > deleted[1]);
  assert.notEqual(validity("deleted"), validity("deleted/inferior"));

  // Renamed away before, and read back meanwhile.
  account.createMailbox("first");
  account.createMailbox("second");
  const second = validity("second");
  account.renameMailbox("second", "third");
  await account.durable();
  await fixture.opened.settle(account.state.id, { snapshot: true });
  await fixture.crashAndOpen();
  account = await fixture.account();
  account.renameMailbox("first", "second");
  assert.ok(validity("second") > second);
  assert.equal(validity("third"), second);

  // A new name, and one's own former name, change nothing.
  account.renameMailbox("third", "fourth");
  account.renameMailbox("fourth", "third");
  assert.equal(validity("third"), second);
  account.createMailbox("fifth");
  assert.ok(validity("fifth") > validity("second") && validity("fifth") > kept);
  await account.durable();
  assert.deepEqual((await fixture.opened.verify()).damages, []);
  await fixture.close();
});
