import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, test } from "node:test";
import { Refusal } from "#base/assert.ts";
import type { RefusalCode } from "#base/assert.ts";
import type { AccountId, TenantId } from "#base/brand.ts";
import { systemClock } from "#base/clock.ts";
import type { Clock } from "#base/clock.ts";
import { seededRandom } from "#base/random.ts";
import { contractAccounts, contractAliases, directoryContract } from "../directory.contract.ts";
import { openSqliteDirectory } from "./sqlite.ts";
import type { SqliteDirectory } from "./sqlite.ts";

const folder = mkdtempSync(join(tmpdir(), "roost-directory-"));
after(() => rmSync(folder, { recursive: true }));

function open(path = ":memory:", clock: Clock = systemClock): SqliteDirectory {
  return openSqliteDirectory({ path, clock, random: seededRandom(1) });
}

directoryContract("sqlite", {
  async open() {
    const directory = open();
    for (const account of contractAccounts) await directory.addAccount(account);
    for (const [alias, target] of contractAliases) await directory.addAlias(alias, target);
    const bob = await directory.findLogin("bob@example.org");
    const carol = await directory.findLogin("carol");
    await directory.setDisabled(bob!.accountId, true);
    await directory.setCatchAll("Catch.Example", carol!.accountId);
    return directory;
  },
});

function refuses(code: RefusalCode): (error: unknown) => boolean {
  return (error) => error instanceof Refusal && error.code === code;
}

test("a removed account frees its names, and its id is never given again", async () => {
  // Chance that repeats itself: every id would be the first one again.
  const first = seededRandom(5).bytes(16);
  let draws = 0;
  const random = {
    bytes: (count: number) =>
      draws++ < 3 ? first.slice(0, count) : seededRandom(draws).bytes(count),
    below: () => 0,
  };
  const directory = openSqliteDirectory({ path: ":memory:", clock: systemClock, random });
  const old = await directory.addAccount({ name: "alice@example.org" });
  await directory.addAlias("sales@example.org", "alice@example.org");
  await directory.setCatchAll("example.org", old.accountId);
  await directory.addAppPassword(old.accountId, { label: "phone", hashes: ["{PLAIN}x"] });
  await directory.removeAccount(old.accountId);
  for (const gone of ["alice@example.org", "sales@example.org", "any@example.org"])
    assert.equal(await directory.findAddress(gone), undefined, gone);
  assert.equal(await directory.findLogin("alice@example.org"), undefined);
  assert.deepEqual(await directory.listAccounts(), []);
  const again = await directory.addAccount({ name: "alice@example.org" });
  assert.notEqual(again.accountId, old.accountId);
  assert.deepEqual(await directory.listAppPasswords(again.accountId), []);
  assert.equal(await directory.findAddress("sales@example.org"), undefined);
  await assert.rejects(directory.setDisabled(old.accountId, false), refuses("NONEXISTENT"));
  await directory.close();
});

test("writes are seen at once through the cache", async () => {
  const directory = open();
  const { accountId } = await directory.addAccount({ name: "alice@example.org" });
  const login = async (): Promise<unknown> => directory.findLogin("alice@example.org");
  assert.deepEqual((await directory.findLogin("alice@example.org"))?.passwords, []);
  await directory.setPassword(accountId, ["{PLAIN}one"]);
  assert.deepEqual((await directory.findLogin("alice@example.org"))?.passwords, [
    { hashes: ["{PLAIN}one"] },
  ]);
  await directory.addAppPassword(accountId, { label: "a phone", hashes: ["{PLAIN}two"] });
  await directory.setQuota(accountId, { messages: 0 });
  await directory.setDisabled(accountId, true);
  assert.deepEqual(await login(), {
    accountId,
    tenant: "default",
    name: "alice@example.org",
    disabled: true,
    quota: { messages: 0 },
    passwords: [{ hashes: ["{PLAIN}one"] }, { label: "a phone", hashes: ["{PLAIN}two"] }],
  });
  await directory.removeAppPassword(accountId, "a phone");
  assert.deepEqual(await directory.listAppPasswords(accountId), []);
  await assert.rejects(directory.removeAppPassword(accountId, "a phone"), refuses("NONEXISTENT"));
  await assert.rejects(directory.removeAppPassword(accountId, ""), refuses("NONEXISTENT"));
  assert.equal((await directory.findLogin("alice@example.org"))?.passwords.length, 1);
  await directory.close();
});

test("hashes are replaced only while the old one is still stored", async () => {
  const directory = open();
  const { accountId } = await directory.addAccount({ name: "alice", hashes: ["{PLAIN}old"] });
  const replace = (oldHash: string): Promise<boolean> =>
    directory.replaceHashes({ accountId, oldHash, hashes: ["{PLAIN}new"] });
  assert.equal(await replace("{PLAIN}other"), false);
  assert.equal(await replace("{PLAIN}old"), true);
  assert.equal(await replace("{PLAIN}old"), false);
  assert.deepEqual((await directory.findLogin("alice"))?.passwords, [{ hashes: ["{PLAIN}new"] }]);
  await directory.close();
});

test("what is taken, missing or malformed is refused and changes nothing", async () => {
  const directory = open();
  const alice = await directory.addAccount({ name: "alice@example.org" });
  const bob = await directory.addAccount({ name: "bob" });
  const add = (name: string, more: object = {}): Promise<unknown> =>
    directory.addAccount({ name, ...more });
  await assert.rejects(add("ALICE@example.org"), refuses("ALREADYEXISTS"));
  await assert.rejects(add("x", { addresses: ["alice@example.org"] }), refuses("ALREADYEXISTS"));
  await assert.rejects(add("x", { tenant: "other" }), refuses("NONEXISTENT"));
  await assert.rejects(add("x", { hashes: ["{NTLM}00"] }), refuses("CANNOT"));
  await assert.rejects(add("x", { quota: { bytes: -1 } }), refuses("CANNOT"));
  await assert.rejects(add("x y"), refuses("CANNOT"));
  assert.equal(await directory.findLogin("x"), undefined, "refused transactions leave nothing");

  await directory.addAddress(bob.accountId, "bob@example.org");
  await assert.rejects(directory.addAddress(bob.accountId, "robert"), refuses("CANNOT"));
  await assert.rejects(
    directory.addAddress(alice.accountId, "bob@example.org"),
    refuses("ALREADYEXISTS"),
  );
  await assert.rejects(directory.addAlias("bob@example.org", "alice@example.org"));
  await assert.rejects(directory.addAlias("bob", "alice@example.org"), refuses("ALREADYEXISTS"));
  await assert.rejects(directory.addAlias("a@example.org", "nobody"), refuses("NONEXISTENT"));
  await assert.rejects(directory.removeAddress("nobody@example.org"), refuses("NONEXISTENT"));
  await assert.rejects(
    directory.setPassword("aaaaaaaaaaaaaaaa" as AccountId, ["{PLAIN}x"]),
    refuses("NONEXISTENT"),
  );
  await directory.close();
});

test("aliases of aliases, bare aliases and tenants", async () => {
  const directory = open();
  await directory.addTenant("acme" as TenantId);
  await assert.rejects(directory.addTenant("acme" as TenantId), refuses("ALREADYEXISTS"));
  await assert.rejects(directory.addTenant("Acme!" as TenantId), refuses("CANNOT"));
  assert.deepEqual(await directory.listTenants(), ["acme", "default"]);
  const tenant = "acme" as TenantId;
  const { accountId } = await directory.addAccount({ name: "alice@acme.example", tenant });
  await directory.addAlias("info@acme.example", "alice+info@acme.example");
  await directory.addAlias("help@acme.example", "info@acme.example");
  await directory.addAlias("postmaster", "alice@acme.example");
  const help = await directory.findAddress("help@acme.example");
  assert.deepEqual(
    [help?.name, help?.tenant, help?.detail],
    ["alice@acme.example", "acme", "info"],
  );
  assert.equal((await directory.findAddress("postmaster"))?.via, "alias");
  assert.equal((await directory.listAccounts({ tenant })).length, 1);
  assert.deepEqual(await directory.listAccounts({ tenant: "default" as TenantId }), []);
  assert.deepEqual(await directory.listAddresses(accountId), {
    addresses: ["alice@acme.example"],
    aliases: [
      { alias: "help@acme.example", target: "info@acme.example" },
      { alias: "info@acme.example", target: "alice+info@acme.example" },
      { alias: "postmaster", target: "alice@acme.example" },
    ],
    catchAll: [],
  });
  await directory.removeAddress("info@acme.example");
  assert.equal(await directory.findAddress("info@acme.example"), undefined);
  await directory.close();
});

test("the file keeps everything, is private, and a newer or foreign one is refused", async () => {
  const path = join(folder, "kept.sqlite");
  const before = open(path);
  const { accountId } = await before.addAccount({ name: "alice", hashes: ["{PLAIN}x"] });
  const secret = before.decoySecret;
  await before.close();
  assert.equal(statSync(path).mode & 0o077, 0);
  const again = open(path);
  assert.equal((await again.findLogin("alice"))?.accountId, accountId);
  assert.deepEqual(again.decoySecret, secret);
  await again.close();

  const raw = new DatabaseSync(path);
  raw.exec("PRAGMA user_version = 99");
  raw.close();
  assert.throws(() => open(path), /schema version 99/);
  const foreign = join(folder, "foreign.sqlite");
  const other = new DatabaseSync(foreign);
  other.exec("CREATE TABLE t (x); PRAGMA user_version = 1");
  other.close();
  assert.throws(() => open(foreign), /not a directory/);
  writeFileSync(join(folder, "text"), "This is no database at all, only a line of text.\n");
  assert.throws(() => open(join(folder, "text")), /not a database/);
});

test("a change by another process is seen after a second", async () => {
  const path = join(folder, "shared.sqlite");
  let now = 0;
  const directory = open(path, { ...systemClock, monotonic: () => now });
  const { accountId } = await directory.addAccount({ name: "alice" });
  assert.equal((await directory.findLogin("alice"))?.disabled, false);
  const other = open(path);
  await other.setDisabled(accountId, true);
  await other.close();
  now = 999;
  assert.equal((await directory.findLogin("alice"))?.disabled, false);
  now = 1000;
  assert.equal((await directory.findLogin("alice"))?.disabled, true);
  await directory.close();
});
