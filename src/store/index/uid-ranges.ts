/**
 * Sets of uids as ascending, disjoint ranges: [from, to, from, to ...], both ends included.
 * This is how bulk changes travel in records; a set is never expanded into single numbers.
 */
export type UidRanges = Uint32Array;

/** Ranges of ascending uids. */
export function rangesOf(uids: ArrayLike<number>): UidRanges {
  const out: number[] = [];
  for (let i = 0; i < uids.length;) {
    const from = uids[i]!;
    let to = from;
    i++;
    while (i < uids.length && uids[i] === to + 1) {
      to++;
      i++;
    }
    out.push(from, to);
  }
  return Uint32Array.from(out);
}

/**
 * The uids of ranges of rows [from, to, from, to ...], both ends included. `uid` ascends strictly,
 * so a range of rows without gaps between its uids is told by its ends, however long it is.
 */
export function uidsOfRowRanges(uid: Uint32Array, rows: Uint32Array): UidRanges {
  const out: number[] = [];
  for (let i = 0; i < rows.length; i += 2) addRun(out, uid, [rows[i]!, rows[i + 1]!]);
  return Uint32Array.from(out);
}

function addRun(out: number[], uid: Uint32Array, [first, last]: readonly [number, number]): void {
  const from = uid[first]!;
  const to = uid[last]!;
  if (to - from === last - first) {
    if (out.at(-1) === from - 1) out[out.length - 1] = to;
    else out.push(from, to);
    return;
  }
  const middle = (first + last) >>> 1;
  addRun(out, uid, [first, middle]);
  addRun(out, uid, [middle + 1, last]);
}
