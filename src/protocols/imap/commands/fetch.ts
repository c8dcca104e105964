import type { FetchCommand } from "#wire/index.ts";
import { ImapSyntaxError } from "#wire/index.ts";
import type { CommandSpec } from "../command-spec.ts";
import { planFetch } from "../fetch/plan.ts";
import { FetchRun } from "../fetch/run-fetch.ts";
import { vanishedSince } from "../fetch/vanished.ts";
import { type Completion, no, ok } from "../responses.ts";
import { writeVanished } from "../sync.ts";

/** RFC 9051 §6.4.5, RFC 7162 §3.1.4, §3.2.6 */
export const fetch: CommandSpec<FetchCommand> = {
  name: "FETCH",
  state: "selected",
  usesSeqs: true,
  capabilities: ["CONDSTORE", "QRESYNC", "BINARY", "OBJECTID", "SAVEDATE", "PREVIEW"],
  async run(session, command) {
    const { enabled, view } = session;
    const plan = planFetch(command);
    if (command.vanished && !enabled.qresync) throw new ImapSyntaxError("Enable QRESYNC first");
    const uids = session.resolve(command.set, command.uid);
    // RFC 7162 §3.1: asking for mod-sequences enables CONDSTORE.
    if (plan.columns.includes("MODSEQ")) enabled.condstore = true;
    if (command.vanished) {
      const vanished = vanishedSince(session, command.set, plan.changedSince);
      await writeVanished(session, vanished, true);
    }
    const run = new FetchRun(session, plan);
    await run.run(uids);
    if (run.failure !== undefined) return no(run.failure.message, run.failure.code);
    return view.ghostsIn(uids).length > 0 ? expungeIssued(command) : undefined;
  },
};

/**
 * Some messages were expunged by others and not told yet. A uid may be missing, a sequence number
 * may not. RFC 9051 §6.4.9, RFC 2180 §4.1.2, RFC 5530 §3
 */
function expungeIssued(command: FetchCommand): Completion {
  const text = "Some of the messages no longer exist";
  return command.uid ? ok(text, "EXPUNGEISSUED") : no(text, "EXPUNGEISSUED");
}
