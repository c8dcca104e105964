/** Tells a client what has changed in its selected mailbox. */
import { Refusal } from "#base/assert.ts";
import type { MailboxState } from "#store/index.ts";
import { formatRanges, type Ranges, rangesOf } from "#wire/index.ts";
import { type FlagLineItem, FlagLines } from "./flag-lines.ts";
import { writeKeywords } from "./flags.ts";
import type { Session } from "./session.ts";

/** Ranges of uids in one VANISHED response. */
const vanishedRangesMax = 2_000;

/**
 * A sync point: expunges if `allowExpunge`, then new messages, then flags. RFC 9051 §5.2, §7.5.1
 *
 * @returns a promise where there is much to tell
 */
export function sync(session: Session, allowExpunge: boolean): Promise<void> | undefined {
  session.requireMailbox();
  return session.view.pending(allowExpunge) ? tell(session, allowExpunge) : undefined;
}

async function tell(session: Session, allowExpunge: boolean): Promise<void> {
  const { enabled, output, view } = session;
  const changes = view.advance(allowExpunge);
  const changed = uidsOfRows(session, changes.changed);
  writeKeywords(session);
  await writeExpunged(session, changes.expunged, changes.expungedSeqs);
  if (changes.exists !== undefined) {
    output.ascii("* ").number(changes.exists).ascii(" EXISTS").crlf();
    if (!enabled.rev2) {
      if (!session.selected!.readOnly) takeRecent(session, view.mailbox);
      output.ascii("* ").number(view.recentCount).ascii(" RECENT").crlf();
    }
  }
  await writeFlagsOf(session, changed);
}

/**
 * The first uid that is \Recent here. What is announced now is not \Recent to the next session; but
 * where nothing can be stored, reading goes on without. RFC 3501 §2.3.2
 */
export function takeRecent(session: Session, mailbox: MailboxState): number {
  const { firstRecent, number } = mailbox;
  try {
    return session.account.takeRecent(number);
  } catch (error) {
    if (error instanceof Refusal && error.code === "UNAVAILABLE") return firstRecent;
    throw error;
  }
}

/** Uids of rows as ranges, which stay valid over an `await`. */
export function uidsOfRows(session: Session, rows: Uint32Array): Ranges {
  const { uid } = session.view.mailbox.rows.arrays;
  return rangesOf(rows.map((row) => uid[row]!));
}

/** EXPUNGE responses, or VANISHED with QRESYNC. RFC 9051 §7.5.1, RFC 7162 §3.2.10 */
async function writeExpunged(
  session: Session,
  uids: Uint32Array,
  seqs: Uint32Array,
): Promise<void> {
  const { enabled, output } = session;
  if (enabled.qresync) return writeVanished(session, rangesOf(uids), false);
  // From the last to the first, so that none renumbers those that follow.
  for (let i = seqs.length - 1; i >= 0; i--) {
    output.ascii("* ").number(seqs[i]!).ascii(" EXPUNGE").crlf();
    if (output.full) await output.flush();
  }
}

/** RFC 7162 §3.2.10 */
export async function writeVanished(
  session: Session,
  uids: Ranges,
  earlier: boolean,
): Promise<void> {
  const { output } = session;
  for (let at = 0; at < uids.length; at += 2 * vanishedRangesMax) {
    output.ascii(earlier ? "* VANISHED (EARLIER) " : "* VANISHED ");
    output.ascii(formatRanges(uids.subarray(at, at + 2 * vanishedRangesMax))).crlf();
    if (output.full) await output.flush();
  }
}

export interface FlagsOptions {
  /** The client addressed messages by uid. */
  readonly uid?: boolean;
  /** Leaves the flags out: after STORE .SILENT only the modseq is news. RFC 7162 §3.1.3 */
  readonly silent?: boolean;
  /** Only messages that changed after this modseq. */
  readonly changedSince?: number;
}

/** FETCH responses with the flags of the messages in `uids`; lets others work meanwhile. */
export async function writeFlagsOf(
  session: Session,
  uids: Ranges,
  options: FlagsOptions = {},
): Promise<void> {
  if (uids.length === 0) return;
  const { enabled } = session;
  const items: FlagLineItem[] = [];
  // RFC 9051 §7.5.2, RFC 7162 §3.1.4, §3.2.4
  if (options.uid === true || enabled.qresync || enabled.rev2) items.push("UID");
  if (options.silent !== true) items.push("FLAGS");
  if (enabled.condstore) items.push("MODSEQ");
  await writeFlagLines(session, uids, new FlagLines(session, items, options.changedSince ?? 0));
}

/** Writes lines for the messages in `uids` that are there; lets others work meanwhile. */
export async function writeFlagLines(
  session: Session,
  uids: Ranges,
  lines: FlagLines,
): Promise<void> {
  session.startSlice();
  for (let i = 0; i < uids.length; i += 2) {
    let next = uids[i]!;
    const last = uids[i + 1]!;
    while (next <= last) {
      next = lines.write(next, last);
      const pause = session.pause();
      if (pause === undefined) continue;
      await pause;
      session.requireMailbox();
    }
  }
}
