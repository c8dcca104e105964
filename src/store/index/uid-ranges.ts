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
