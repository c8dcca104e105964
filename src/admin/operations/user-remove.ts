import * as v from "valibot";
import { accountInfo, accountName, requireAccount } from "./accounts.ts";
import type { AccountInfo } from "./accounts.ts";
import { defineOperation } from "./operation.ts";

/**
 * Removes an account from the directory and ends its sessions: its name is free again, its id never.
 */
export const operation = defineOperation({
  params: v.strictObject({ name: accountName }),
  async run(context, { name }): Promise<AccountInfo> {
    const login = await requireAccount(context, name);
    await context.accounts.directory.removeAccount(login.accountId);
    context.endSessions(login.accountId, "The account was removed");
    return accountInfo(login);
  },
});
