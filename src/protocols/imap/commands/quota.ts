import { Refusal } from "#base/assert.ts";
import type { GetQuotaCommand, MailboxCommand, SetQuotaCommand } from "#wire/index.ts";
import type { CommandSpec } from "../command-spec.ts";
import type { Session } from "../session.ts";

/** The one quota root, over all mailboxes of the account. RFC 9208 §3.2 */
const root = "";

/** RFC 9208 §4.1.1 */
export const getQuota: CommandSpec<GetQuotaCommand> = {
  name: "GETQUOTA",
  state: "authenticated",
  capabilities: ["QUOTA", "QUOTA=RES-STORAGE", "QUOTA=RES-MESSAGE"],
  run(session, command) {
    if (command.root !== root) throw new Refusal("NONEXISTENT", "There is no such quota root");
    writeQuota(session);
  },
};

/** The mailbox need not exist. RFC 9208 §4.1.2 */
export const getQuotaRoot: CommandSpec<MailboxCommand> = {
  name: "GETQUOTAROOT",
  state: "authenticated",
  capabilities: ["QUOTA"],
  run(session, command) {
    session.output.ascii("* QUOTAROOT ").mailbox(command.mailbox).space().string(root).crlf();
    writeQuota(session);
  },
};

/** Limits are the directory's. RFC 9208 §4.1.3 */
export const setQuota: CommandSpec<SetQuotaCommand> = {
  name: "SETQUOTA",
  state: "authenticated",
  capabilities: ["QUOTA"],
  run() {
    throw new Refusal("NOPERM", "You cannot change your quota");
  },
};

/** Resources without a limit are left out. RFC 9208 §4.2.1, §5 */
function writeQuota(session: Session): void {
  const { output, account } = session;
  const { quota, state } = account;
  const resources: string[] = [];
  if (quota.bytes !== undefined)
    resources.push(`STORAGE ${Math.ceil(state.rowBytes / 1024)} ${Math.floor(quota.bytes / 1024)}`);
  if (quota.messages !== undefined) resources.push(`MESSAGE ${state.rowCount} ${quota.messages}`);
  output
    .ascii("* QUOTA ")
    .string(root)
    .ascii(` (${resources.join(" ")})`)
    .crlf();
}
