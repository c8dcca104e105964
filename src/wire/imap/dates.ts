/**
 * Dates of the grammar as numbers: days since 1970-01-01 and milliseconds since its midnight UTC.
 */
import type { Cursor } from "./cursor.ts";

export const monthNames = [
  "Jan",
  "Feb",
  "Mar",
  "Apr",
  "May",
  "Jun",
  "Jul",
  "Aug",
  "Sep",
  "Oct",
  "Nov",
  "Dec",
] as const;

const dayMs = 86_400_000;
const monthDays = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] as const;

function isLeap(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
}

function daysIn(year: number, month: number): number {
  return month === 1 && isLeap(year) ? 29 : monthDays[month]!;
}

/** A calendar day, `month` from 0, `day` from 1. */
export interface CivilDay {
  readonly year: number;
  readonly month: number;
  readonly day: number;
}

/** Days from 1970-01-01 to a day of the proleptic Gregorian calendar. */
export function dayNumber(civil: CivilDay): number {
  const yearsBefore = civil.year - 1;
  let days = yearsBefore * 365 + Math.floor(yearsBefore / 4);
  days += Math.floor(yearsBefore / 400) - Math.floor(yearsBefore / 100);
  for (let month = 0; month < civil.month; month++) days += daysIn(civil.year, month);
  return days + civil.day - 1 - 719_162;
}

/** The calendar day `days` after 1970-01-01. */
export function civilDay(days: number): CivilDay {
  // Counts from 1 March of the year 0, so that the leap day ends a year.
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const ofEra = shifted - era * 146_097;
  const leaps = Math.floor(ofEra / 1460) - Math.floor(ofEra / 36_524) + Math.floor(ofEra / 146_096);
  const yearOfEra = Math.floor((ofEra - leaps) / 365);
  const leapDaysBefore = Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100);
  const ofYear = ofEra - (365 * yearOfEra + leapDaysBefore);
  const fromMarch = Math.floor((5 * ofYear + 2) / 153);
  const day = ofYear - Math.floor((153 * fromMarch + 2) / 5) + 1;
  const month = fromMarch < 10 ? fromMarch + 2 : fromMarch - 10;
  return { year: yearOfEra + era * 400 + (month <= 1 ? 1 : 0), month, day };
}

function monthOf(cursor: Cursor): number {
  const name = cursor.asciiUpper(3);
  const month = monthNames.findIndex((known) => known.toUpperCase() === name);
  return month >= 0 ? month : cursor.fail("Not a month");
}

function checkedDay(cursor: Cursor, civil: CivilDay): number {
  if (civil.year < 1 || civil.day < 1 || civil.day > daysIn(civil.year, civil.month))
    cursor.fail("No such day");
  return dayNumber(civil);
}

/**
 * Reads `date`, quoted or not; gives days since 1970-01-01. RFC 9051 §9 (date)
 */
export function readDay(cursor: Cursor): number {
  const quoted = cursor.skipByte(0x22);
  const day = cursor.digits(1, 2);
  cursor.byte(0x2d);
  const month = monthOf(cursor);
  cursor.byte(0x2d);
  const year = cursor.digits(4, 4);
  if (quoted) cursor.byte(0x22);
  return checkedDay(cursor, { year, month, day });
}

/** An instant with the zone it was written in. */
export interface DateTime {
  /** Milliseconds since 1970-01-01T00:00Z. */
  readonly ms: number;
  /** Minutes east of UTC. */
  readonly zoneMinutes: number;
}

/**
 * Reads `date-time`, such as `"17-Jul-1996 02:44:25 -0700"`. RFC 9051 §9 (date-time)
 */
export function readDateTime(cursor: Cursor): DateTime {
  cursor.byte(0x22);
  const day = cursor.skipByte(0x20) ? cursor.digits(1, 1) : cursor.digits(1, 2);
  cursor.byte(0x2d);
  const month = monthOf(cursor);
  cursor.byte(0x2d);
  const year = cursor.digits(4, 4);
  cursor.byte(0x20);
  const hours = cursor.digits(2, 2);
  cursor.byte(0x3a);
  const minutes = cursor.digits(2, 2);
  cursor.byte(0x3a);
  const seconds = cursor.digits(2, 2);
  cursor.byte(0x20);
  const west = cursor.skipByte(0x2d);
  if (!west) cursor.byte(0x2b);
  const zoneHours = cursor.digits(2, 2);
  const zoneRest = cursor.digits(2, 2);
  cursor.byte(0x22);
  if (hours > 23 || minutes > 59 || seconds > 60 || zoneRest > 59) cursor.fail("No such time");
  const zoneMinutes = (zoneHours * 60 + zoneRest) * (west && zoneHours + zoneRest > 0 ? -1 : 1);
  const days = checkedDay(cursor, { year, month, day });
  const clock = (hours * 60 + minutes - zoneMinutes) * 60 + seconds;
  return { ms: days * dayMs + clock * 1000, zoneMinutes };
}

function two(value: number): string {
  return value < 10 ? `0${value}` : String(value);
}

/**
 * The text between the quotes of an INTERNALDATE, shown in the given zone. Milliseconds are cut.
 * RFC 9051 §9 (date-time)
 */
export function formatDateTime(ms: number, zoneMinutes = 0): string {
  const local = Math.floor(ms / 1000) + zoneMinutes * 60;
  const days = Math.floor(local / 86_400);
  const seconds = local - days * 86_400;
  const civil = civilDay(days);
  const clock = `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  const zone = Math.abs(zoneMinutes);
  const sign = zoneMinutes < 0 ? "-" : "+";
  const day = civil.day < 10 ? ` ${civil.day}` : String(civil.day);
  const year = String(civil.year).padStart(4, "0");
  return `${day}-${monthNames[civil.month]!}-${year} ${clock} ${sign}${two(Math.floor(zone / 60))}${two(zone % 60)}`;
}
