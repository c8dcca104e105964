import * as v from "valibot";
import { accountInfo, accountName, requireAccount } from "./accounts.ts";
import type { AccountInfo } from "./accounts.ts";
import { defineOperation } from "./operation.ts";

/**
 * Closes an account for logins and mail and ends its sessions, or opens it again. Nothing of it is
 * lost.
 */
export const operation = defineOperation({
  params: v.strictObject({ name: accountName, disabled: v.optional(v.boolean(), true) }),
  async run(context, { name, disabled }): Promise<AccountInfo> {
    const login = await requireAccount(context, name);
    await context.accounts.directory.setDisabled(login.accountId, disabled);
    if (disabled) context.endSessions(login.accountId, "The account was disabled");
    return { ...accountInfo(login), disabled };
  },
});
