import * as v from "valibot";
import { accountName } from "./accounts.ts";
import { withAccount } from "./open-account.ts";
import { defineOperation } from "./operation.ts";

export interface MailboxInfo {
  readonly name: string;
  readonly specialUse: readonly string[];
  readonly messages: number;
  readonly unseen: number;
  /** Sum of message sizes. */
  readonly bytes: number;
  readonly uidNext: number;
  readonly uidValidity: number;
}

/** The mailboxes of an account, by name. */
export const operation = defineOperation({
  params: v.strictObject({ user: accountName }),
  run: (context, { user }): Promise<MailboxInfo[]> =>
    withAccount(context, user, ({ state }) =>
      [...state.mailboxes.values()]
        .map(({ name, specialUse, count, unseen, bytes, uidNext, uidValidity }) => ({
          ...{ name, specialUse, messages: count, unseen, bytes, uidNext, uidValidity },
        }))
        .sort((a, b) => (a.name < b.name ? -1 : 1)),
    ),
});
