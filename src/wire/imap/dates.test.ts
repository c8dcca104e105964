import assert from "node:assert/strict";
import { test } from "node:test";
import { Cursor } from "./cursor.ts";
import type { DateTime } from "./dates.ts";
import { civilDay, dayNumber, formatDateTime, readDateTime, readDay } from "./dates.ts";
import { ImapSyntaxError } from "./syntax.ts";

function readWith<T>(read: (cursor: Cursor) => T, text: string): T {
  const bytes = Buffer.from(text);
  const cursor = new Cursor(bytes, 0, bytes.length, false);
  const value = read(cursor);
  cursor.finish();
  return value;
}

test("Days and calendar days agree over four centuries", () => {
  assert.equal(dayNumber({ year: 1970, month: 0, day: 1 }), 0);
  assert.equal(dayNumber({ year: 2000, month: 1, day: 29 }), 11_016);
  for (let day = -80_000; day < 80_000; day += 7) assert.equal(dayNumber(civilDay(day)), day);
  assert.deepEqual(civilDay(-1), { year: 1969, month: 11, day: 31 });
});

test("Days are read with and without quotes", () => {
  assert.equal(readWith(readDay, "1-Feb-1994"), 8797);
  assert.equal(readWith(readDay, '"01-feb-1994"'), 8797);
  for (const text of [
    "1-Feb-94",
    "31-Feb-1994",
    "0-Feb-1994",
    "1-Foo-1994",
    '"1-Feb-1994',
    "",
    "1",
  ])
    assert.throws(() => readWith(readDay, text), ImapSyntaxError, text);
});

test("Date-times are read and written", () => {
  const read = (text: string): DateTime => readWith(readDateTime, text);
  const texts = [
    "17-Jul-1996 02:44:25 -0700",
    " 1-Jan-1970 00:00:00 +0000",
    "29-Feb-2024 23:59:59 +0530",
    "31-Dec-0001 00:00:00 -0030",
  ];
  for (const text of texts) {
    const value = read(`"${text}"`);
    assert.equal(formatDateTime(value.ms, value.zoneMinutes), text);
  }
  assert.equal(read(`"${texts[0]!}"`).ms, 837_596_665_000);
  assert.equal(read('"1-Jan-1970 00:00:00 +0000"').ms, 0);
  assert.equal(formatDateTime(999), " 1-Jan-1970 00:00:00 +0000");
  const broken = [
    '"17-Jul-1996 24:00:00 -0700"',
    '"17-Jul-1996 02:60:25 -0700"',
    '"17-Jul-1996 02:44:25 0700"',
    '"17-Jul-1996 02:44:25"',
    '"30-Feb-1996 02:44:25 +0000"',
    '"17-Jul-1996 02:44:25 +0060"',
    "17-Jul-1996 02:44:25 +0000",
  ];
  for (const text of broken) assert.throws(() => read(text), ImapSyntaxError, text);
});
