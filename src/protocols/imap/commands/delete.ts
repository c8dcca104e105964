import type { MailboxCommand } from "#wire/index.ts";
import type { CommandSpec } from "../command-spec.ts";

/** Inferior mailboxes stay. RFC 9051 §6.3.5 */
export const deleteMailbox: CommandSpec<MailboxCommand> = {
  name: "DELETE",
  state: "authenticated",
  capabilities: [],
  run(session, command) {
    const mailbox = session.findMailbox(command.mailbox);
    session.account.deleteMailbox(mailbox.name);
    if (session.selected?.view.mailbox !== mailbox) return;
    session.deselect();
    session.output.ascii("* OK [CLOSED] The selected mailbox was deleted").crlf();
  },
};
