import { limits } from "#base/limits.ts";
import * as v from "valibot";
import { defineOperation } from "./operation.ts";
import type { ServerStats } from "./operation.ts";

export interface Stats {
  readonly accounts: number;
  readonly disabledAccounts: number;
  /** Null where no server runs. */
  readonly server: ServerStats | null;
}

/** What there is and how the server does. */
export const operation = defineOperation({
  params: v.strictObject({}),
  async run(context): Promise<Stats> {
    let accounts = 0;
    let disabledAccounts = 0;
    let after: string | undefined;
    do {
      const page = await context.accounts.directory.listAccounts(
        after === undefined ? {} : { after },
      );
      accounts += page.length;
      disabledAccounts += page.filter(({ disabled }) => disabled).length;
      after = page.length < limits.accountsPerPageMax ? undefined : page.at(-1)!.name;
    } while (after !== undefined);
    return { accounts, disabledAccounts, server: (await context.serverStats()) ?? null };
  },
});
