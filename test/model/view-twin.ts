/** Freeze and thaw of every session's view, all the time: what comes back must be the same. */
import { View } from "#protocols/imap/index.ts";
import type { ViewChanges } from "../../src/protocols/imap/view.ts";

/** What a thawed view did otherwise; a driver looks here. */
export const twinFailures: string[] = [];
/** How many views were thawed. */
export const twinCount = { value: 0 };

function picture(view: View): unknown {
  const { count, ghosts, lastUid, liveCount, numbers, recentCount } = view;
  const uids = Array.from({ length: count }, (_, index) => view.uidOfSeq(index + 1));
  const seqs = uids.map((uid) => view.seqOfUid(uid));
  const changed = [...view.changedRows()];
  return {
    count,
    ghosts: [...ghosts],
    lastUid,
    liveCount,
    numbers,
    recentCount,
    uids,
    seqs,
    changed,
  };
}

function compare(what: string, actual: unknown, twin: unknown): void {
  const [a, b] = [JSON.stringify(actual), JSON.stringify(twin)];
  if (a !== b) twinFailures.push(`${what} of a thawed view is ${b}, of its original ${a}`);
}

/** Puts a thawed twin beside every view whenever it moves on; gives a function that stops that. */
export function watchViews(): () => void {
  const { prototype } = View;
  const original = prototype.advance;
  prototype.advance = function advance(this: View, allowExpunge: boolean): ViewChanges {
    const twin = View.restore(this.numbers, this.mailbox);
    twinCount.value++;
    if (!(twin instanceof View)) {
      // A history that was cut off on purpose may be too short.
      if (this.mailbox.historyFloor <= this.numbers.expungeModseq)
        twinFailures.push(`A view came back as ${twin}`);
      return original.call(this, allowExpunge);
    }
    compare("The picture", picture(this), picture(twin));
    const changes = original.call(this, allowExpunge);
    const other = original.call(twin, allowExpunge);
    const plain = (of: ViewChanges): unknown => [
      [...of.expunged],
      [...of.expungedSeqs],
      of.exists,
      [...of.changed],
    ];
    compare("What is told", plain(changes), plain(other));
    compare("The later picture", picture(this), picture(twin));
    return changes;
  };
  return () => {
    prototype.advance = original;
  };
}
