import { changePassword } from "#auth/index.ts";
import * as v from "valibot";
import { accountInfo, accountName, password, requireAccount } from "./accounts.ts";
import type { AccountInfo } from "./accounts.ts";
import { defineOperation } from "./operation.ts";

/** Gives an account another main password; app passwords stay. */
export const operation = defineOperation({
  params: v.strictObject({ name: accountName, password }),
  async run(context, { name, password }): Promise<AccountInfo> {
    const login = await requireAccount(context, name);
    await changePassword(context.accounts, login, password);
    return accountInfo(login);
  },
});
