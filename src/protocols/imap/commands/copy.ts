import { Refusal } from "#base/assert.ts";
import type { AddedResult } from "#store/index.ts";
import { type CopyCommand, formatRanges } from "#wire/index.ts";
import type { CommandSpec } from "../command-spec.ts";
import { ok } from "../responses.ts";
import type { Session } from "../session.ts";

/** All messages or none. RFC 9051 §6.4.7 */
export const copy: CommandSpec<CopyCommand> = {
  name: "COPY",
  state: "selected",
  capabilities: ["UIDPLUS"],
  run(session, command) {
    const uids = requireAll(session, command);
    const { account, view } = session;
    const to = session.targetMailbox(command.mailbox);
    const copied = account.copyMessages(view.mailbox.number, to.number, { uids, move: false });
    return ok("Copied", copyUid(copied));
  },
};

/** COPYUID comes untagged, ahead of the expunges. RFC 9051 §6.4.8, RFC 6851 §4.3 */
export const move: CommandSpec<CopyCommand> = {
  name: "MOVE",
  state: "selected",
  changesMailbox: true,
  capabilities: ["MOVE"],
  run(session, command) {
    const uids = requireAll(session, command);
    const { account, enabled, output, view } = session;
    const { mailbox } = view;
    const to = session.targetMailbox(command.mailbox);
    let moved: AddedResult | undefined;
    view.expunging(() => {
      moved = account.copyMessages(mailbox.number, to.number, { uids, move: true });
      return moved.sources;
    });
    const code = copyUid(moved!);
    if (code === undefined) return undefined;
    output.status("*", "OK", { code, text: "Moved" });
    return enabled.qresync ? ok("Moved", `HIGHESTMODSEQ ${mailbox.highestModseq}`) : undefined;
  },
};

/** A message that is gone already spoils the whole command. RFC 2180 §4.4.1 */
function requireAll(session: Session, command: CopyCommand): Uint32Array {
  const uids = session.resolve(command.set, command.uid);
  if (session.view.ghostsIn(uids).length > 0)
    throw new Refusal("EXPUNGEISSUED", "Some of the messages no longer exist");
  return uids;
}

/** RFC 9051 §7.1 (COPYUID) */
function copyUid(result: AddedResult): string | undefined {
  if (result.uids.length === 0) return undefined;
  const { uidValidity, sources, uids } = result;
  return `COPYUID ${uidValidity} ${formatRanges(sources)} ${formatRanges(uids)}`;
}
