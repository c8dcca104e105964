import { canonicalMailboxName } from "#store/index.ts";
import type { MailboxCommand } from "#wire/index.ts";
import type { CommandSpec } from "../command-spec.ts";

/** The name need not be that of a mailbox. RFC 9051 §6.3.7 */
export const subscribe: CommandSpec<MailboxCommand> = {
  name: "SUBSCRIBE",
  state: "authenticated",
  capabilities: [],
  run(session, command) {
    session.account.subscribe(canonicalMailboxName(command.mailbox), true);
  },
};

/** RFC 9051 §6.3.8 */
export const unsubscribe: CommandSpec<MailboxCommand> = {
  name: "UNSUBSCRIBE",
  state: "authenticated",
  capabilities: [],
  run(session, command) {
    session.account.subscribe(canonicalMailboxName(command.mailbox), false);
  },
};
