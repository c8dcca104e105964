import type { ExpungeCommand } from "#wire/index.ts";
import type { CommandSpec } from "../command-spec.ts";
import { ok } from "../responses.ts";

/** The responses are those of the sync point at its end. RFC 9051 §6.4.3, §6.4.9 */
export const expunge: CommandSpec<ExpungeCommand> = {
  name: "EXPUNGE",
  state: "selected",
  changesMailbox: true,
  capabilities: ["UIDPLUS", "QRESYNC"],
  run(session, command) {
    const { account, enabled, view } = session;
    const { mailbox } = view;
    const uids =
      command.uids === null
        ? view.clip(Uint32Array.of(1, 0xffff_ffff))
        : session.resolve(command.uids, true);
    const gone = view.expunging(() => account.expunge(mailbox.number, uids));
    // RFC 7162 §3.2.7
    return enabled.qresync && gone.length > 0
      ? ok("Expunged", `HIGHESTMODSEQ ${mailbox.highestModseq}`)
      : undefined;
  },
};
