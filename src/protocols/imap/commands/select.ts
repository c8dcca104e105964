import { rangesOf, rangesContain, resolveSet } from "#wire/index.ts";
import type { QresyncParameters, Ranges, SelectCommand } from "#wire/index.ts";
import { ImapSyntaxError } from "#wire/index.ts";
import type { MailboxState } from "#store/index.ts";
import type { CommandSpec } from "../command-spec.ts";
import { writeKeywords } from "../flags.ts";
import { mailboxId } from "../object-ids.ts";
import { type Completion, ok } from "../responses.ts";
import type { Session } from "../session.ts";
import { takeRecent, writeFlagsOf, writeVanished } from "../sync.ts";
import { View } from "../view.ts";

/** RFC 9051 §6.3.2 */
export const select: CommandSpec<SelectCommand> = {
  name: "SELECT",
  state: "authenticated",
  sync: false,
  capabilities: ["CONDSTORE", "QRESYNC", "OBJECTID"],
  run: (session, command) => open(session, command, false),
};

/** RFC 9051 §6.3.3 */
export const examine: CommandSpec<SelectCommand> = {
  name: "EXAMINE",
  state: "authenticated",
  sync: false,
  capabilities: [],
  run: (session, command) => open(session, command, true),
};

async function open(
  session: Session,
  command: SelectCommand,
  readOnly: boolean,
): Promise<Completion> {
  const { enabled } = session;
  // RFC 7162 §3.2.5: a client error without ENABLE QRESYNC.
  if (command.qresync !== null && !enabled.qresync)
    throw new ImapSyntaxError("Enable QRESYNC first");
  const before = session.selected;
  session.deselect();
  if (before !== undefined) session.output.ascii("* OK [CLOSED] Mailbox closed").crlf();
  const mailbox = session.findMailbox(command.mailbox);
  if (command.condstore) enabled.condstore = true;
  const takes = !readOnly && !enabled.rev2;
  const recentFloor = takes ? takeRecent(session, mailbox) : mailbox.firstRecent;
  session.selected = { view: View.open(mailbox, recentFloor), readOnly, keywordsTold: -1 };
  writeState(session, mailbox);
  if (command.qresync?.uidValidity === mailbox.uidValidity)
    await resynchronise(session, command.qresync);
  return ok(readOnly ? "Examined" : "Selected", readOnly ? "READ-ONLY" : "READ-WRITE");
}

function writeState(session: Session, mailbox: MailboxState): void {
  const { enabled, output, view } = session;
  writeKeywords(session);
  let text = `* ${view.count} EXISTS\r\n`;
  if (!enabled.rev2) {
    text += `* ${view.recentCount} RECENT\r\n`;
    // RFC 3501 §7.1
    const unseen = mailbox.firstUnseenRow();
    if (unseen >= 0) text += `* OK [UNSEEN ${unseen + 1}] First unseen\r\n`;
  }
  const { highestModseq, uidNext, uidValidity } = mailbox;
  const id = mailboxId(session.account.state.id, mailbox.number);
  text +=
    `* OK [UIDVALIDITY ${uidValidity}] UIDs are valid\r\n` +
    `* OK [UIDNEXT ${uidNext}] Next UID\r\n` +
    `* OK [HIGHESTMODSEQ ${highestModseq}] Highest mod-sequence\r\n` +
    `* OK [MAILBOXID (${id})] Mailbox id\r\n`;
  // Few calls: in a server that was just started each one costs more than what it writes.
  output.ascii(text);
  if (enabled.rev2) {
    output.ascii('* LIST () "/" ').mailbox(mailbox.name).crlf();
  }
}

/**
 * Tells what happened since the client was here last: first what is gone, then what changed.
 * RFC 7162 §3.2.5
 */
async function resynchronise(session: Session, known: QresyncParameters): Promise<void> {
  const mailbox = session.requireMailbox();
  const all = Uint32Array.of(1, 0xffff_ffff);
  const uids = known.knownUids === null ? all : resolveSet(known.knownUids, 0xffff_ffff);
  await writeVanished(session, vanished(mailbox, known, uids), true);
  session.requireMailbox();
  await writeFlagsOf(session, session.view.clip(uids), { changedSince: known.modSeq, uid: true });
}

function vanished(mailbox: MailboxState, known: QresyncParameters, uids: Ranges): Ranges {
  const history = mailbox.expungedAfter(known.modSeq);
  if (history !== undefined)
    return rangesOf(history.sort().filter((uid) => rangesContain(uids, uid)));
  // The history does not reach back: all that the client may know and that is not there.
  return missing(mailbox, uids, lastMatch(mailbox, known.match));
}

/** Gaps between the uids of a mailbox that lie in `uids`, above `after`. */
function missing(mailbox: MailboxState, uids: Ranges, after: number): Ranges {
  const { uid } = mailbox.rows.arrays;
  const out: number[] = [];
  for (let i = 0; i < uids.length; i += 2) {
    let from = Math.max(uids[i]!, after + 1);
    const last = Math.min(uids[i + 1]!, mailbox.uidNext - 1);
    for (let row = mailbox.firstRowFrom(from); from <= last; row++) {
      const present = row < mailbox.count && uid[row]! <= last ? uid[row]! : last + 1;
      if (present > from) out.push(from, present - 1);
      from = present + 1;
    }
  }
  return Uint32Array.from(out);
}

/**
 * The largest uid up to which the client's sequence numbers are still right: none below it is gone.
 * RFC 7162 §3.2.5.2
 */
function lastMatch(mailbox: MailboxState, match: QresyncParameters["match"]): number {
  if (match === null) return 0;
  const { uid } = mailbox.rows.arrays;
  let last = 0;
  const seqs = match.seqs.pairs;
  const uids = match.uids.pairs;
  let s = 0;
  let u = 0;
  let seq = seqs[0]!;
  let known = uids[0]!;
  for (let step = 0; step <= mailbox.count && s < seqs.length && u < uids.length; step++) {
    if (seq > mailbox.count || uid[seq - 1] !== known) break;
    last = known;
    if (seq < seqs[s + 1]!) seq++;
    else seq = seqs[(s += 2)] ?? 0;
    if (known < uids[u + 1]!) known++;
    else known = uids[(u += 2)] ?? 0;
  }
  return last;
}
