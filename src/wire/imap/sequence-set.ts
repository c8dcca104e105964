/**
 * Sequence sets and UID sets: ranges, never expanded. RFC 9051 §9 (sequence-set)
 */

/** The place of `*` in a `SequenceSet`; no message has this number. */
export const star = 0;

/** What the client wrote, in its order. */
export interface SequenceSet {
  /** Pairs (from, to), each 1 .. 2^32-1 or `star`; a single number is a pair of equals. */
  readonly pairs: Uint32Array;
  /** True for `$`, the saved result of the last SEARCH; then there are no pairs. RFC 5182 §2 */
  readonly saved: boolean;
}

/** Pairs (from, to), both inclusive, ascending, neither overlapping nor touching. */
export type Ranges = Uint32Array;

export const noRanges: Ranges = new Uint32Array(0);

/** True where the set names the largest number, which only the mailbox knows. */
export function hasStar(set: SequenceSet): boolean {
  return set.pairs.includes(star);
}

/**
 * The ranges a set means in a mailbox whose largest number (of a message, or uid) is `max`, 0 for
 * an empty one. Numbers above `max` stay in; pairs with `*` in an empty mailbox mean nothing.
 */
export function resolveSet(set: SequenceSet, max: number): Ranges {
  const pairs = set.pairs;
  const out = new Uint32Array(pairs.length);
  let length = 0;
  let ordered = true;
  for (let i = 0; i < pairs.length; i += 2) {
    const a = pairs[i]! === star ? max : pairs[i]!;
    const b = pairs[i + 1]! === star ? max : pairs[i + 1]!;
    if (a === 0 || b === 0) continue;
    const from = Math.min(a, b);
    if (length > 0 && from <= out[length - 1]! + 1) ordered = false;
    out[length++] = from;
    out[length++] = Math.max(a, b);
  }
  const found = out.subarray(0, length);
  return ordered ? found : merge(found);
}

/** Sorts pairs and joins those that overlap or touch. */
function merge(pairs: Uint32Array): Ranges {
  const keys = new Float64Array(pairs.length / 2);
  for (let i = 0; i < keys.length; i++) keys[i] = pairs[2 * i]! * 0x10_0000 + i;
  keys.sort();
  const out = new Uint32Array(pairs.length);
  let length = 0;
  for (const key of keys) {
    const i = 2 * (key % 0x10_0000);
    const from = pairs[i]!;
    const to = pairs[i + 1]!;
    if (length > 0 && from <= out[length - 1]! + 1) {
      if (to > out[length - 1]!) out[length - 1] = to;
      continue;
    }
    out[length++] = from;
    out[length++] = to;
  }
  return out.subarray(0, length);
}

/** True where `value` lies in one of the ranges; binary search. */
export function rangesContain(ranges: Ranges, value: number): boolean {
  let low = 0;
  let high = ranges.length >>> 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ranges[2 * middle + 1]! < value) low = middle + 1;
    else high = middle;
  }
  return 2 * low < ranges.length && ranges[2 * low]! <= value;
}

/** How many numbers the ranges hold. */
export function rangesCount(ranges: Ranges): number {
  let count = 0;
  for (let i = 0; i < ranges.length; i += 2) count += ranges[i + 1]! - ranges[i]! + 1;
  return count;
}

/** The largest number of the ranges, 0 for none. */
export function rangesMax(ranges: Ranges): number {
  return ranges.length === 0 ? 0 : ranges[ranges.length - 1]!;
}

/** Numbers of the ranges, ascending. Bound the ranges by a mailbox before iterating. */
export function* eachOfRanges(ranges: Ranges): Generator<number, void, undefined> {
  for (let i = 0; i < ranges.length; i += 2)
    for (let value = ranges[i]!; value <= ranges[i + 1]!; value++) yield value;
}

/** First index in `sorted[start .. count)` whose value is at least `value`. */
function lowerBound(sorted: Uint32Array, value: number, start: number, count: number): number {
  let low = start;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Rows of a mailbox whose uid is in `ranges`, as ranges of row indexes from 0. `uids` ascends
 * strictly in its first `count` entries.
 */
export function rowsOfUids(ranges: Ranges, uids: Uint32Array, count = uids.length): Ranges {
  const out = new Uint32Array(ranges.length);
  let length = 0;
  let row = 0;
  for (let i = 0; i < ranges.length && row < count; i += 2) {
    const first = lowerBound(uids, ranges[i]!, row, count);
    const to = ranges[i + 1]!;
    row = to === 0xffff_ffff ? count : lowerBound(uids, to + 1, first, count);
    if (row === first) continue;
    if (length > 0 && out[length - 1] === first - 1) out[length - 1] = row - 1;
    else {
      out[length++] = first;
      out[length++] = row - 1;
    }
  }
  return out.subarray(0, length);
}

/** Ranges of the first `count` of strictly ascending numbers. */
export function rangesOf(sorted: ArrayLike<number>, count = sorted.length): Ranges {
  let pairs = new Uint32Array(16);
  let length = 0;
  for (let i = 0; i < count; i++) {
    const value = sorted[i]!;
    if (length > 0 && pairs[length - 1] === value - 1) {
      pairs[length - 1] = value;
      continue;
    }
    if (length === pairs.length) {
      const grown = new Uint32Array(length * 2);
      grown.set(pairs);
      pairs = grown;
    }
    pairs[length++] = value;
    pairs[length++] = value;
  }
  return pairs.subarray(0, length);
}

/** Wire form of ranges, such as `1:3,7`; empty for none. */
export function formatRanges(ranges: Ranges): string {
  const parts: string[] = [];
  for (let i = 0; i < ranges.length; i += 2) {
    const from = ranges[i]!;
    const to = ranges[i + 1]!;
    parts.push(from === to ? String(from) : `${from}:${to}`);
  }
  return parts.join(",");
}

/** Wire form of the first `count` of strictly ascending uids. RFC 4315 §4 (uid-set) */
export function formatUidSet(sorted: ArrayLike<number>, count = sorted.length): string {
  return formatRanges(rangesOf(sorted, count));
}
