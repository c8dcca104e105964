import { limits } from "#base/limits.ts";
import type { MailboxState } from "#store/index.ts";
import type { StatusCommand, StatusItem } from "#wire/index.ts";
import type { CommandSpec } from "../command-spec.ts";
import { mailboxId } from "../object-ids.ts";
import type { Session } from "../session.ts";

/** RFC 9051 §6.3.11 */
export const status: CommandSpec<StatusCommand> = {
  name: "STATUS",
  state: "authenticated",
  capabilities: ["STATUS=SIZE", "CONDSTORE", "OBJECTID", "APPENDLIMIT", "LIST-STATUS", "QUOTA"],
  run(session, command) {
    writeStatusOf(session, session.findMailbox(command.mailbox), command.items);
  },
};

/** A STATUS response. RFC 9051 §7.3.3 */
export function writeStatusOf(
  session: Session,
  mailbox: MailboxState,
  items: readonly StatusItem[],
): void {
  const { output } = session;
  // RFC 7162 §3.1: asking for it enables CONDSTORE.
  if (items.includes("HIGHESTMODSEQ")) session.enabled.condstore = true;
  output.ascii("* STATUS ").mailbox(mailbox.name).ascii(" (");
  output.ascii(items.map((item) => `${item} ${statusValue(session, mailbox, item)}`).join(" "));
  output.ascii(")").crlf();
}

function statusValue(session: Session, mailbox: MailboxState, item: StatusItem): string | number {
  switch (item) {
    case "MESSAGES":
      return mailbox.count;
    case "UIDNEXT":
      return mailbox.uidNext;
    case "UIDVALIDITY":
      return mailbox.uidValidity;
    case "UNSEEN":
      return mailbox.unseen;
    case "RECENT":
      return mailbox.count - mailbox.firstRowFrom(mailbox.firstRecent);
    case "DELETED":
      return mailbox.deleted;
    // RFC 9208 §4.1.4
    case "DELETED-STORAGE":
      return mailbox.deletedBytes;
    case "SIZE":
      return mailbox.bytes;
    case "HIGHESTMODSEQ":
      return mailbox.highestModseq;
    // RFC 8474 §4.3
    case "MAILBOXID":
      return `(${mailboxId(session.account.state.id, mailbox.number)})`;
    // RFC 7889 §3.1
    case "APPENDLIMIT":
      return limits.messageBytesMax;
  }
}
