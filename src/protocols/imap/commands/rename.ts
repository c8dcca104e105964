import { canonicalMailboxName, rangesOf, superiorNames } from "#store/index.ts";
import type { RenameCommand } from "#wire/index.ts";
import type { CommandSpec } from "../command-spec.ts";

/** Inferior mailboxes go with it; INBOX only gives its messages away. RFC 9051 §6.3.6 */
export const rename: CommandSpec<RenameCommand> = {
  name: "RENAME",
  state: "authenticated",
  capabilities: [],
  run(session, command) {
    const { account, enabled, output, selected } = session;
    const from = session.findMailbox(command.from);
    const old = from.name;
    const to = canonicalMailboxName(command.to);
    const work = (): void => account.renameMailbox(old, to, superiorNames(to));
    if (selected?.view.mailbox === from && old === "INBOX") {
      const { rows } = from;
      selected.view.expunging(() => {
        const uids = rangesOf(rows.arrays.uid.subarray(0, rows.count));
        work();
        return uids;
      });
    } else work();
    if (enabled.rev2)
      output
        .ascii('* LIST () "/" ')
        .mailbox(to)
        .ascii(' ("OLDNAME" (')
        .mailbox(old)
        .ascii("))")
        .crlf();
  },
};
