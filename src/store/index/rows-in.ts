import { lowerBound } from "./columns.ts";
import type { MailboxState } from "./mailbox-state.ts";
import type { UidRanges } from "./uid-ranges.ts";

/** Rows of the messages whose uids lie in `ranges`, ascending. */
export function rowsIn(mailbox: MailboxState, ranges: UidRanges): Uint32Array {
  const { uid } = mailbox.rows.arrays;
  const { count } = mailbox;
  const bounds = new Uint32Array(ranges.length);
  let size = 0;
  for (let i = 0; i < ranges.length; i += 2) {
    bounds[i] = lowerBound(uid, count, ranges[i]!);
    bounds[i + 1] = lowerBound(uid, count, ranges[i + 1]! + 1);
    size += bounds[i + 1]! - bounds[i]!;
  }
  const out = new Uint32Array(size);
  let at = 0;
  for (let i = 0; i < bounds.length; i += 2)
    for (let row = bounds[i]!; row < bounds[i + 1]!; row++) out[at++] = row;
  return out;
}

/** The same as ranges of rows [from, to, from, to ...], both ends included. */
export function rowRangesIn(mailbox: MailboxState, ranges: UidRanges): Uint32Array {
  const { uid } = mailbox.rows.arrays;
  const { count } = mailbox;
  const out = new Uint32Array(ranges.length);
  let length = 0;
  for (let i = 0; i < ranges.length; i += 2) {
    const from = lowerBound(uid, count, ranges[i]!);
    const behind = lowerBound(uid, count, ranges[i + 1]! + 1);
    if (from === behind) continue;
    out[length++] = from;
    out[length++] = behind - 1;
  }
  return out.subarray(0, length);
}
