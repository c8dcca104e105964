import type { View } from "../view.ts";
import { hasStar, type Ranges, rangesContain, rangesOf, resolveSet } from "#wire/index.ts";
import type { SequenceSet } from "#wire/index.ts";
import type { Session } from "../session.ts";

/**
 * Uids of a set that were expunged after `since`. Those that this session still sees are left out:
 * they are told as expunged at the end of the command. RFC 7162 §3.2.6
 */
export function vanishedSince(session: Session, set: SequenceSet, since: number): Ranges {
  const { view } = session;
  const asked = askedUids(session, set);
  const history = view.mailbox.expungedAfter(since);
  if (history === undefined) return missing(view, asked);
  const gone = history
    .sort()
    .filter((uid) => uid < view.uidNextSeen && rangesContain(asked, uid) && !view.isGhost(uid));
  return rangesOf(gone);
}

/** `*` stands for the last uid, which may be one that is gone. */
function askedUids(session: Session, set: SequenceSet): Ranges {
  const { view } = session;
  if (set.saved) return session.saved;
  return resolveSet(set, hasStar(set) ? Math.max(view.uidNextSeen - 1, 1) : 0xffff_ffff);
}

/** The history does not reach back so far: all that is asked for and that the view has not. */
function missing(view: View, asked: Ranges): Ranges {
  const { liveCount, mailbox } = view;
  const { uid } = mailbox.rows.arrays;
  const ghosts = view.ghosts;
  const out: number[] = [];
  let ghost = 0;
  for (let i = 0; i < asked.length; i += 2) {
    const last = Math.min(asked[i + 1]!, view.uidNextSeen - 1);
    let next = asked[i]!;
    let row = mailbox.firstRowFrom(next);
    while (next <= last) {
      while (ghost < ghosts.length && ghosts[ghost]! < next) ghost++;
      while (row < liveCount && uid[row]! < next) row++;
      const live = row < liveCount ? uid[row]! : last + 1;
      const present = Math.min(live, ghosts[ghost] ?? last + 1, last + 1);
      if (present > next) out.push(next, present - 1);
      next = present + 1;
    }
  }
  return Uint32Array.from(out);
}
