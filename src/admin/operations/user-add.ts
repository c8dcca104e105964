import { createAccount } from "#auth/index.ts";
import * as v from "valibot";
import { accountInfo, accountName, password, quota } from "./accounts.ts";
import type { AccountInfo } from "./accounts.ts";
import { defineOperation } from "./operation.ts";

/** Adds an account. Without a password nobody can log in to it before it gets one. */
export const operation = defineOperation({
  params: v.strictObject({
    name: accountName,
    password: v.optional(password),
    addresses: v.optional(v.array(accountName), []),
    quota: v.optional(quota, {}),
  }),
  async run({ accounts }, { name, password, addresses, quota }): Promise<AccountInfo> {
    const account = { name, addresses, quota };
    return accountInfo(
      password === undefined
        ? await accounts.directory.addAccount(account)
        : await createAccount(accounts, account, password),
    );
  },
});
