import { limits } from "#base/limits.ts";
import * as v from "valibot";
import { accountInfo } from "./accounts.ts";
import type { AccountInfo } from "./accounts.ts";
import { defineOperation } from "./operation.ts";

/** One page of the accounts, by name; `after` is the last name of the page before. */
export const operation = defineOperation({
  params: v.strictObject({
    after: v.optional(v.string()),
    limit: v.optional(
      v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(limits.accountsPerPageMax)),
      limits.accountsPerPageMax,
    ),
  }),
  async run({ accounts }, { after, limit }): Promise<AccountInfo[]> {
    const page = await accounts.directory.listAccounts({
      limit,
      ...(after === undefined ? {} : { after }),
    });
    return page.map(accountInfo);
  },
});
