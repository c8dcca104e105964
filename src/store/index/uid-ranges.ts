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

/** Whether `uid` lies in one of the ranges. */
export function inRanges(ranges: UidRanges, uid: number): boolean {
  let low = 0;
  let high = ranges.length >>> 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ranges[2 * middle + 1]! < uid) low = middle + 1;
    else high = middle;
  }
  return low < ranges.length >>> 1 && ranges[2 * low]! <= uid;
}

/** How many numbers the ranges contain. */
export function rangesSize(ranges: UidRanges): number {
  let size = 0;
  for (let i = 0; i < ranges.length; i += 2) size += ranges[i + 1]! - ranges[i]! + 1;
  return size;
}
