import { Refusal } from "#base/assert.ts";
import * as v from "valibot";
import { accountName } from "./accounts.ts";
import { requireMailbox, withAccount } from "./open-account.ts";
import { defineOperation } from "./operation.ts";

/** Sends one message as it is stored, with CRLF line ends; its flags do not change. */
export const operation = defineOperation({
  params: v.strictObject({
    user: accountName,
    mailbox: v.optional(v.string(), "INBOX"),
    uid: v.pipe(v.number(), v.integer(), v.minValue(1)),
  }),
  run: (context, { user, mailbox: name, uid }, call): Promise<{ readonly bytes: number }> =>
    withAccount(context, user, async (account) => {
      const mailbox = requireMailbox(account, name);
      const row = mailbox.rowOf(uid);
      if (row < 0) throw new Refusal("NONEXISTENT", `There is no message ${uid} in ${name}`);
      const body = await account.body(mailbox.rows.arrays.message[row]!);
      for (let at = 0; at < body.length; at += pieceBytes)
        await call.output(body.subarray(at, at + pieceBytes));
      return { bytes: body.length };
    }),
});

const pieceBytes = 256 * 1024;
