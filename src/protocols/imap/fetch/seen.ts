/** Setting \Seen on what is fetched without PEEK. RFC 9051 §6.4.5 */
import { seenBit } from "#store/index.ts";
import { noRanges, type Ranges, rangesContain, rangesOf } from "#wire/index.ts";
import type { Session } from "../session.ts";
import { uidsOfRows } from "../sync.ts";

const seenFlag = { bits: seenBit, keywords: [] };

/** What setting \Seen did to a slice. */
export interface Seen {
  /** Uids that had not been read before. */
  readonly changed: Ranges;
  /** Uids whose flags others changed and that were not told yet. */
  readonly others: Ranges;
}

export const noneSeen: Seen = { changed: noRanges, others: noRanges };

/** One record for all messages of a slice that were not read yet. RFC 9051 §6.4.5 */
export function setSeen(session: Session, uids: readonly number[]): Seen {
  const { account, selected, view } = session;
  if (selected!.readOnly) return noneSeen;
  const { mailbox } = view;
  const { flags } = mailbox.rows.arrays;
  const unseen = uids.filter((uid) => (flags[mailbox.rowOf(uid)]! & seenBit) === 0);
  if (unseen.length === 0) return noneSeen;
  const changed = rangesOf(unseen);
  // What others changed is still to be told; our own change is told with the message.
  const others = uidsOfRows(session, view.takeChanged());
  account.changeFlags(mailbox.number, changed, { mode: "add", flags: seenFlag });
  view.takeChanged();
  return { changed, others };
}

/** A message that could not be read was not read. */
export function unsetSeen(session: Session, changed: Ranges, failed: readonly number[]): void {
  const uids = rangesOf(failed.filter((uid) => rangesContain(changed, uid)));
  if (uids.length === 0) return;
  const { account, view } = session;
  account.changeFlags(view.mailbox.number, uids, { mode: "remove", flags: seenFlag });
}
