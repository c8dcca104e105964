/**
 * What every directory driver answers, whatever it is made of. A driver's test calls
 * `directoryContract` with a way to make a directory that holds `contractAccounts`.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Directory, NewAccount } from "./directory.ts";

/** Passwords are not checked here: any text that a driver stores will do. */
export const contractHash = "{PLAIN}contract";

export const contractAccounts: readonly NewAccount[] = [
  {
    name: "alice@example.org",
    hashes: [contractHash],
    quota: { bytes: 1_000_000, messages: 500 },
    addresses: ["alice@example.com"],
  },
  { name: "bob@example.org", hashes: [contractHash] },
  { name: "carol", hashes: [contractHash], addresses: ["carol@example.org"] },
];

export const contractAliases: readonly (readonly [alias: string, target: string])[] = [
  ["sales@example.org", "alice@example.org"],
  ["tickets@example.org", "alice+tickets@example.org"],
];

/** `bob@example.org` is disabled; unknown addresses of `catch.example` go to `carol`. */
export interface DirectoryContractOptions {
  readonly open: () => Promise<Directory>;
}

export function directoryContract(name: string, options: DirectoryContractOptions): void {
  const check = (what: string, run: (directory: Directory) => Promise<void>): void => {
    test(`${name}: ${what}`, async () => {
      const directory = await options.open();
      try {
        await run(directory);
      } finally {
        await directory.close();
      }
    });
  };

  check("finds a login by name, whatever its case", async (directory) => {
    const login = await directory.findLogin("Alice@EXAMPLE.org");
    assert.equal(login?.name, "alice@example.org");
    assert.match(login.accountId, /^[a-z2-7]{16}$/);
    assert.deepEqual(login.quota, { bytes: 1_000_000, messages: 500 });
    assert.equal(login.disabled, false);
    assert.deepEqual(login.passwords, [{ hashes: [contractHash] }]);
    assert.deepEqual((await directory.findLogin("carol"))?.quota, {});
  });

  check("finds a login by an own address, not by an alias or a detail", async (directory) => {
    assert.equal((await directory.findLogin("alice@example.com"))?.name, "alice@example.org");
    assert.equal(await directory.findLogin("sales@example.org"), undefined);
    assert.equal(await directory.findLogin("alice+box@example.org"), undefined);
    assert.equal(await directory.findLogin("any@catch.example"), undefined);
  });

  check("knows nobody else", async (directory) => {
    const nobody = ["", "nobody", "alice", "@example.org", "alice@", "alice@example.net", "a b"];
    for (const name of [...nobody, "alice@example.org\0", "%", "' OR 1=1 --", "a".repeat(5000)]) {
      assert.equal(await directory.findLogin(name), undefined, name);
      assert.equal(await directory.findAddress(name), undefined, name);
    }
  });

  check("says that an account is disabled", async (directory) => {
    assert.equal((await directory.findLogin("bob@example.org"))?.disabled, true);
    assert.equal((await directory.findAddress("bob@example.org"))?.disabled, true);
  });

  check("finds where an address leads", async (directory) => {
    const find = async (address: string): Promise<unknown> => {
      const target = await directory.findAddress(address);
      return target && [target.name, target.via, target.detail];
    };
    assert.deepEqual(await find("alice@example.org"), ["alice@example.org", "address", undefined]);
    assert.deepEqual(await find("ALICE@example.COM"), ["alice@example.org", "address", undefined]);
    assert.deepEqual(await find("alice+a+b@example.com"), ["alice@example.org", "address", "a+b"]);
    assert.deepEqual(await find("alice+@example.com"), ["alice@example.org", "address", ""]);
    assert.deepEqual(await find("carol"), ["carol", "address", undefined]);
    assert.deepEqual(await find("carol+lists"), ["carol", "address", "lists"]);
    assert.deepEqual(await find("sales@example.org"), ["alice@example.org", "alias", undefined]);
    assert.deepEqual(await find("sales+x@example.org"), ["alice@example.org", "alias", "x"]);
    assert.deepEqual(await find("tickets@example.org"), ["alice@example.org", "alias", "tickets"]);
    assert.deepEqual(await find("any.one@catch.example"), ["carol", "catch-all", undefined]);
    assert.equal(await find("+x@example.org"), undefined);
    assert.equal(await find("other@sub.catch.example"), undefined);
  });

  check("answers the same account by each way", async (directory) => {
    const login = await directory.findLogin("alice@example.org");
    const target = await directory.findAddress("sales@example.org");
    assert.equal(target?.accountId, login?.accountId);
    assert.equal(target?.tenant, login?.tenant);
    assert.deepEqual(target?.quota, login?.quota);
  });

  check("lists accounts by name and in pages", async (directory) => {
    const names = (await directory.listAccounts()).map((account) => account.name);
    assert.deepEqual(names, ["alice@example.org", "bob@example.org", "carol"]);
    const [first] = await directory.listAccounts({ limit: 1 });
    assert.equal(first?.name, "alice@example.org");
    const rest = await directory.listAccounts({ after: first.name, limit: 5 });
    assert.deepEqual(
      rest.map((account) => account.name),
      ["bob@example.org", "carol"],
    );
  });
}
