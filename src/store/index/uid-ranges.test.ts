import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "#base/random.ts";
import { rangesOf, uidsOfRowRanges } from "./uid-ranges.ts";

test("Uids of ranges of rows, with and without gaps", () => {
  const random = seededRandom(7);
  for (let round = 0; round < 300; round++) {
    const uids: number[] = [];
    for (let uid = 1; uids.length < 60; uid++) if (random.below(4) > 0) uids.push(uid);
    const rows: number[] = [];
    const wanted: number[] = [];
    for (let row = 0; row < uids.length;) {
      const last = Math.min(uids.length - 1, row + random.below(20));
      if (random.below(3) > 0) {
        rows.push(row, last);
        wanted.push(...uids.slice(row, last + 1));
      }
      row = last + 1;
    }
    const ranges = uidsOfRowRanges(Uint32Array.from(uids), Uint32Array.from(rows));
    assert.deepEqual([...ranges], [...rangesOf(wanted)], `round ${round}`);
  }
});
