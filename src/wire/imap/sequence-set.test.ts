import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../../base/random.ts";
import { Cursor } from "./cursor.ts";
import type { SequenceSet } from "./sequence-set.ts";
import {
  eachOfRanges,
  formatRanges,
  formatUidSet,
  hasStar,
  rangesContain,
  rangesCount,
  rangesMax,
  rangesOf,
  resolveSet,
  rowsOfUids,
  star,
} from "./sequence-set.ts";
import { ImapSyntaxError } from "./syntax.ts";

function read(text: string): SequenceSet {
  const bytes = Buffer.from(text);
  const cursor = new Cursor(bytes, 0, bytes.length, false);
  const set = cursor.sequenceSet();
  cursor.finish();
  return set;
}

test("Sets are read as ranges", () => {
  assert.deepEqual([...read("1,3:5,*:7,*").pairs], [1, 1, 3, 5, star, 7, star, star]);
  assert.deepEqual([...read("4294967295").pairs], [4294967295, 4294967295]);
  assert.equal(read("$").saved, true);
  assert.equal(hasStar(read("1:*")), true);
  assert.equal(hasStar(read("1:4294967295")), false);
  for (const text of ["", "0", "1:", ":1", "1,", ",1", "1:0", "4294967296", "1:2:3", "$,1", "+1"])
    assert.throws(() => read(text), ImapSyntaxError, text);
});

test("Resolving sorts, joins and puts in the largest number", () => {
  const cases: ReadonlyArray<readonly [string, number, string]> = [
    ["5:1", 10, "1:5"],
    ["7,1:3,2:4,5", 10, "1:5,7"],
    ["*", 10, "10"],
    ["20:*", 10, "10:20"],
    ["1:*", 0, ""],
    ["*,3", 0, "3"],
    ["1:4294967295,4294967295", 1, "1:4294967295"],
    ["4294967295,1", 1, "1,4294967295"],
  ];
  for (const [text, max, expected] of cases)
    assert.equal(formatRanges(resolveSet(read(text), max)), expected, text);
});

test("Everything agrees with sets of numbers", () => {
  const random = seededRandom(3);
  for (let round = 0; round < 300; round++) {
    const pairs = new Uint32Array(2 * random.below(8));
    const expected = new Set<number>();
    for (let i = 0; i < pairs.length; i += 2) {
      const from = (pairs[i] = 1 + random.below(40));
      const to = (pairs[i + 1] = 1 + random.below(40));
      for (let n = Math.min(from, to); n <= Math.max(from, to); n++) expected.add(n);
    }
    const ranges = resolveSet({ pairs, saved: false }, 40);
    const sorted = [...expected].sort((a, b) => a - b);
    assert.deepEqual([...eachOfRanges(ranges)], sorted);
    assert.equal(rangesCount(ranges), sorted.length);
    assert.equal(rangesMax(ranges), sorted.at(-1) ?? 0);
    assert.deepEqual(rangesOf(sorted), ranges);
    for (let n = 0; n < 45; n++) assert.equal(rangesContain(ranges, n), expected.has(n));
    const uids = Uint32Array.from({ length: 30 }, (_, i) => 1 + i * 2);
    const count = random.below(31);
    const rows = [...uids.subarray(0, count).entries()].filter(([, uid]) => expected.has(uid));
    const found = [...eachOfRanges(rowsOfUids(ranges, uids, count))];
    assert.deepEqual(
      found,
      rows.map(([row]) => row),
    );
  }
});

test("The last uid there can be has a row", () => {
  const uids = Uint32Array.of(5, 4294967294, 4294967295);
  assert.deepEqual([...rowsOfUids(resolveSet(read("6:*"), 4294967295), uids)], [1, 2]);
  assert.deepEqual([...rowsOfUids(resolveSet(read("4294967295"), 4294967295), uids)], [2, 2]);
});

test("Uid sets are written as ranges", () => {
  assert.equal(formatUidSet([]), "");
  assert.equal(formatUidSet([1, 2, 3, 5, 4294967295]), "1:3,5,4294967295");
  assert.equal(formatUidSet(Uint32Array.of(1, 2, 9), 2), "1:2");
});
