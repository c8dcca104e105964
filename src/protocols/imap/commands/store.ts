import { formatRanges, noRanges, type Ranges, rangesContain, rangesOf } from "#wire/index.ts";
import { resolveSet, type StoreCommand } from "#wire/index.ts";
import type { CommandSpec } from "../command-spec.ts";
import { readFlags, writeKeywords } from "../flags.ts";
import { type Completion, no, ok } from "../responses.ts";
import type { Session } from "../session.ts";
import { uidsOfRows, writeFlagsOf } from "../sync.ts";

/** RFC 9051 §6.4.6, RFC 7162 §3.1.3 */
export const store: CommandSpec<StoreCommand> = {
  name: "STORE",
  state: "selected",
  usesSeqs: true,
  changesMailbox: true,
  capabilities: ["CONDSTORE"],
  async run(session, command) {
    const { account, enabled, view } = session;
    const flags = readFlags(command.flags);
    if (command.unchangedSince !== null) enabled.condstore = true;
    const uids = session.resolve(command.set, command.uid);
    const ghosts = command.uid ? [] : view.ghostsIn(uids);
    // Changes by others that the client has not heard of yet are told with ours.
    const { upToDate } = view;
    const before = command.silent ? uidsOfRows(session, view.changedRows()) : noRanges;
    const modseq = account.state.modseq;
    const result = account.changeFlags(view.mailbox.number, uids, {
      mode: command.mode,
      flags,
      unchangedSince: command.unchangedSince ?? undefined,
    });
    const failed = seqsOrUids(session, command, result.protected);
    writeKeywords(session);
    if (upToDate) {
      // All changes are ours, so nobody has to look for them.
      view.told();
      await tellOwn(session, command, { modseq, done: result.done });
    } else {
      const changed = uidsOfRows(session, view.takeChanged());
      if (command.silent) await tellSilently(session, { command, modseq, before, changed });
      else await writeFlagsOf(session, joined(changed, result.done), { uid: command.uid });
    }
    return completion(failed, ghosts.length > 0);
  },
};

/** See `tellSilently`; `modseq` is that of the account before the change. */
async function tellOwn(
  session: Session,
  command: StoreCommand,
  own: { readonly modseq: number; readonly done: Ranges },
): Promise<void> {
  const { silent, uid } = command;
  if (silent && !session.enabled.condstore) return;
  const options = silent ? { uid, silent, changedSince: own.modseq } : { uid };
  await writeFlagsOf(session, own.done, options);
}

interface Silent {
  readonly command: StoreCommand;
  /** Of the account before the change. */
  readonly modseq: number;
  /** Changed by others before it. */
  readonly before: Ranges;
  readonly changed: Ranges;
}

/**
 * The client knows what it has changed itself; with CONDSTORE the modseq is still news. RFC 7162 §3.1.3
 */
async function tellSilently(session: Session, silent: Silent): Promise<void> {
  const { command, before, changed } = silent;
  const others: number[] = [];
  const mine: number[] = [];
  const { mailbox } = session.view;
  const { modseq, uid: uids } = mailbox.rows.arrays;
  for (let i = 0; i < changed.length; i += 2)
    for (let row = mailbox.firstRowFrom(changed[i]!); row < mailbox.count; row++) {
      const uid = uids[row]!;
      if (uid > changed[i + 1]!) break;
      if (modseq[row]! > silent.modseq && !rangesContain(before, uid)) mine.push(uid);
      else others.push(uid);
    }
  await writeFlagsOf(session, rangesOf(others), { uid: command.uid });
  if (!session.enabled.condstore) return;
  await writeFlagsOf(session, rangesOf(mine), { uid: command.uid, silent: true });
}

function joined(a: Ranges, b: Ranges): Ranges {
  const pairs = new Uint32Array(a.length + b.length);
  pairs.set(a);
  pairs.set(b, a.length);
  return resolveSet({ pairs, saved: false }, 0xffff_ffff);
}

/** As the client addressed them. */
function seqsOrUids(session: Session, command: StoreCommand, uids: Ranges): string {
  if (command.uid || uids.length === 0) return formatRanges(uids);
  const seqs: number[] = [];
  for (let i = 0; i < uids.length; i += 2)
    for (let uid = uids[i]!; uid <= uids[i + 1]!; uid++) {
      const seq = session.view.seqOfUid(uid);
      if (seq > 0) seqs.push(seq);
    }
  return formatRanges(rangesOf(seqs));
}

function completion(failed: string, expunged: boolean): Completion | undefined {
  const code = failed === "" ? undefined : `MODIFIED ${failed}`;
  // RFC 2180 §4.2.1, RFC 7162 §3.1.3
  if (expunged) return no("Some of the messages no longer exist", code ?? "EXPUNGEISSUED");
  return code === undefined ? undefined : ok("Some messages were changed meanwhile", code);
}
