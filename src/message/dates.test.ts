import assert from "node:assert/strict";
import { test } from "node:test";
import { parseDate } from "./dates.ts";

const cases: readonly [field: string, iso: string | undefined, zoneMinutes?: number][] = [
  ["Mon, 5 Oct 2026 10:00:00 +0200", "2026-10-05T08:00:00Z", 120],
  ["5 Oct 2026 10:00:00 +0200", "2026-10-05T08:00:00Z", 120],
  ["Mon, 05 Oct 2026 10:00 -0930", "2026-10-05T19:30:00Z", -570],
  ["Mon, 5 Oct 2026 10:00:00 +0200 (CEST)", "2026-10-05T08:00:00Z", 120],
  ["Mon,5 Oct 2026 10:00:00 GMT", "2026-10-05T10:00:00Z", 0],
  ["Mon, 5 Oct 2026 10:00:00 EST", "2026-10-05T15:00:00Z", -300],
  ["Mon, 5 Oct 2026 10:00:00 PDT", "2026-10-05T17:00:00Z", -420],
  ["Mon, 5 Oct 2026 10:00:00 Z", "2026-10-05T10:00:00Z", 0],
  ["Mon, 5 Oct 2026 10:00:00 -0000", "2026-10-05T10:00:00Z", 0],
  ["Mon, 5 Oct 2026 10:00:00", "2026-10-05T10:00:00Z", 0],
  ["Mon, 5 Oct 2026", "2026-10-05T00:00:00Z", 0],
  ["Mon, 5 Oct 2026 25:00:00 +0100", "2026-10-04T23:00:00Z", 60],
  ["Mon, 5 Oct 2026 nonsense", "2026-10-05T00:00:00Z", 0],
  ["Sat, 31 Dec 2016 23:59:60 +0000", "2017-01-01T00:00:00Z", 0],
  ["Thu, 1 Jan 70 00:00 GMT", "1970-01-01T00:00:00Z", 0],
  ["1 Jan 49 00:00 GMT", "2049-01-01T00:00:00Z", 0],
  ["1 Jan 103 00:00 GMT", "2003-01-01T00:00:00Z", 0],
  ["29 Feb 2024 12:00 +0000", "2024-02-29T12:00:00Z", 0],
  ["29 Feb 2023 12:00 +0000", undefined],
  ["Monday, 05-Oct-26 10:00:00 UTC", "2026-10-05T10:00:00Z", 0],
  ["Mon Oct  5 10:00:00 2026", "2026-10-05T10:00:00Z", 0],
  ["Mon Oct  5 10:00:00 CEST 2026", "2026-10-05T08:00:00Z", 120],
  ["2026-10-05T10:00:00+02:00", "2026-10-05T08:00:00Z", 120],
  ["2026-10-05 10:00:00.123 +0200", "2026-10-05T08:00:00Z", 120],
  ["2026-10-05", "2026-10-05T00:00:00Z", 0],
  ["Mon, 5 October 2026 10:00:00 GMT+0200", "2026-10-05T08:00:00Z", 120],
  ["5 Oct 2026 3:30 pm +0000", "2026-10-05T15:30:00Z", 0],
  ["5 Oct 2026 12:30 AM +0000", "2026-10-05T00:30:00Z", 0],
  ["5 Oct 2026 10:00:00 +9999", "2026-10-05T10:00:00Z", 0],
  ["5 Oct 2026 10:00:00 XYZ", "2026-10-05T10:00:00Z", 0],
  ["31 Dec 9999 23:59:59 +0000", "9999-12-31T23:59:59Z", 0],
  ["5 Foo 2026 10:00:00 +0000", undefined],
  ["0 Oct 2026 10:00:00 +0000", undefined],
  ["32 Oct 2026 10:00:00 +0000", undefined],
  ["5 Oct 99999 10:00:00 +0000", undefined],
  ["", undefined],
  ["yesterday", undefined],
  ["\0\xff", undefined],
];

test("dates of RFC 5322, obsolete ones and others", () => {
  for (const [field, iso, zoneMinutes] of cases) {
    const date = parseDate(field);
    const expected = iso === undefined ? undefined : { instantMs: Date.parse(iso), zoneMinutes };
    assert.deepEqual(date, expected, field);
  }
});

test("hostile dates are read in one pass", () => {
  for (const piece of [" ", "1", "a", "1 ", "a,", "1 jan ", "10:"]) parseDate(piece.repeat(60_000));
});
