import type { PlainCommand } from "#wire/index.ts";
import type { CommandSpec } from "../command-spec.ts";
import { ok } from "../responses.ts";

/** Expunges without telling, unless the mailbox is only examined. RFC 9051 §6.4.1 */
export const close: CommandSpec<PlainCommand> = {
  name: "CLOSE",
  state: "selected",
  sync: false,
  capabilities: [],
  run(session) {
    const { view, readOnly } = session.selected!;
    if (!readOnly) {
      const { number } = session.requireMailbox();
      // Only what this session can see.
      const seen = view.clip(Uint32Array.of(1, 0xffff_ffff));
      if (seen.length > 0) session.account.expunge(number, seen);
    }
    session.deselect();
    // RFC 7162 §3.2.8
    return session.enabled.qresync && !readOnly
      ? ok("Closed", `HIGHESTMODSEQ ${view.mailbox.highestModseq}`)
      : undefined;
  },
};

/** RFC 9051 §6.4.2 */
export const unselect: CommandSpec<PlainCommand> = {
  name: "UNSELECT",
  state: "selected",
  sync: false,
  capabilities: ["UNSELECT"],
  run(session) {
    session.deselect();
  },
};
