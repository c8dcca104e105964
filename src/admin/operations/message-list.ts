import { limits } from "#base/limits.ts";
import { flagBits } from "#store/index.ts";
import * as v from "valibot";
import { accountName } from "./accounts.ts";
import { requireMailbox, withAccount } from "./open-account.ts";
import { defineOperation } from "./operation.ts";

export interface MessageInfo {
  readonly uid: number;
  readonly flags: readonly string[];
  /** In bytes with CRLF line ends. */
  readonly size: number;
  /** The internal date, milliseconds since 1970. */
  readonly date: number;
}

/** One page of the messages of a mailbox by uid, beginning behind the uid `after`. */
export const operation = defineOperation({
  params: v.strictObject({
    user: accountName,
    mailbox: v.optional(v.string(), "INBOX"),
    after: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0)), 0),
    limit: v.optional(
      v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(limits.adminPageMax)),
      limits.adminPageMax,
    ),
  }),
  run: (context, { user, mailbox: name, after, limit }): Promise<MessageInfo[]> =>
    withAccount(context, user, (account) => {
      const mailbox = requireMailbox(account, name);
      const { uid, flags, message } = mailbox.rows.arrays;
      const { size, internalDate } = account.state.messages.arrays;
      const first = mailbox.firstRowFrom(after + 1);
      const last = Math.min(first + limit, mailbox.count);
      const page: MessageInfo[] = [];
      for (let row = first; row < last; row++)
        page.push({
          uid: uid[row]!,
          flags: [...systemFlags(flags[row]!), ...mailbox.keywordsOf(row)],
          size: size[message[row]!]!,
          date: internalDate[message[row]!]!,
        });
      return page;
    }),
});

function systemFlags(bits: number): string[] {
  return Object.entries(flagBits)
    .filter(([, bit]) => (bits & bit) !== 0)
    .map(([name]) => name);
}
