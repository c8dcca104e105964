/** A Date field: when, and what the sender's wall clock showed. */
export interface SentDate {
  /** Milliseconds since 1970-01-01T00:00Z. */
  readonly instantMs: number;
  /** Minutes that the sender's clock was ahead of UTC; 0 where the zone is missing or unknown. */
  readonly zoneMinutes: number;
}

const months = "janfebmaraprmayjunjulaugsepoctnovdec";

/** `[day,] day month year [time [zone]]`, with obsolete forms. RFC 5322 §3.3, §4.3 */
const usual =
  /^(?:[a-z]{2,9}\.?,?\s*|,\s*)?(\d{1,2})(?:st|nd|rd|th)?[\s.-]+([a-z]{3})[a-z]*[\s.,-]+(\d{2,5})(?!\d)(.*)$/i;
/** `Mon Jan  2 15:04:05 [zone] 2006`, as C's asctime writes it. */
const asctime =
  /^(?:[a-z]{3,9},?\s+)?([a-z]{3})[a-z]*\s+(\d{1,2}),?\s+(\d{1,2}:\d{1,2}(?::\d{1,2})?)\s+(?:([a-z]{1,5}|[+-]\d{4})\s+)?(\d{4})(.*)$/i;
/** RFC 3339 §5.6 */
const iso = /^(\d{4})-(\d{1,2})-(\d{1,2})(?:[T\s](.*))?$/i;

const time =
  /^[\s,]*(\d{1,2})\s*[:.]\s*(\d{1,2})(?:\s*[:.]\s*(\d{1,2}))?(?:[.,]\d+)?\s*([ap]m\b)?(.*)$/i;
const numericZone = /^\s*(?:GMT|UTC?)?\s*([+-])\s*(\d{1,2}):?(\d{2})(?!\d)/i;
const namedZone = /^\s*\(?([a-z]{1,5})\b/i;

/** RFC 5322 §4.3, and what mail contains. Single letters mean nothing there. */
const zones = new Map([
  ["edt", -240],
  ["est", -300],
  ["cdt", -300],
  ["cst", -360],
  ["mdt", -360],
  ["mst", -420],
  ["pdt", -420],
  ["pst", -480],
  ["cet", 60],
  ["met", 60],
  ["cest", 120],
  ["mest", 120],
  ["eet", 120],
  ["eest", 180],
  ["bst", 60],
  ["jst", 540],
  ["kst", 540],
]);

/** Longer than any date: what is longer is none. */
const dateCharactersMax = 250;

/**
 * Reads the value of a Date field. Undefined where it contains no date; a time that cannot be read
 * counts as 00:00:00, a zone as UTC. RFC 5256 §2.2
 */
export function parseDate(field: string): SentDate | undefined {
  const text = field.slice(0, dateCharactersMax).trim();
  let match = usual.exec(text);
  if (match !== null)
    return dated(yearOf(match[3]!), monthOf(match[2]!), Number(match[1]), match[4]!);
  match = asctime.exec(text);
  if (match !== null) {
    const rest = `${match[3]} ${match[4] ?? match[6]}`;
    return dated(Number(match[5]), monthOf(match[1]!), Number(match[2]), rest);
  }
  match = iso.exec(text);
  if (match === null) return undefined;
  return dated(Number(match[1]), Number(match[2]), Number(match[3]), match[4] ?? "");
}

/** 1 to 12; 0 for what is no month. */
function monthOf(name: string): number {
  const at = months.indexOf(name.toLowerCase());
  return at >= 0 && at % 3 === 0 ? at / 3 + 1 : 0;
}

/** Years of two and three digits. RFC 5322 §4.3 */
function yearOf(digits: string): number {
  const year = Number(digits);
  if (digits.length === 2) return year < 50 ? 2000 + year : 1900 + year;
  return digits.length === 3 ? 1900 + year : year;
}

function dated(year: number, month: number, day: number, rest: string): SentDate | undefined {
  if (month < 1 || month > 12 || day < 1 || day > daysIn(year, month)) return undefined;
  if (year < 1900 || year > 9999) return undefined;
  const midnight = daysFromEpoch(year, month, day) * 86_400_000;
  const match = time.exec(rest);
  if (match === null) return { instantMs: midnight, zoneMinutes: 0 };
  let hour = Number(match[1]);
  const half = match[4]?.toLowerCase();
  if (half !== undefined && hour <= 12) hour = (hour % 12) + (half === "pm" ? 12 : 0);
  const minute = Number(match[2]);
  const second = Number(match[3] ?? "0");
  const zoneMinutes = zoneOf(match[5]!);
  // Second 60 is a leap second.
  const valid = hour < 24 && minute < 60 && second <= 60;
  const sinceMidnight = valid ? ((hour * 60 + minute) * 60 + second) * 1000 : 0;
  return { instantMs: midnight + sinceMidnight - zoneMinutes * 60_000, zoneMinutes };
}

function zoneOf(text: string): number {
  const numeric = numericZone.exec(text);
  if (numeric !== null) {
    const minutes = Number(numeric[2]) * 60 + Number(numeric[3]);
    if (Number(numeric[3]) >= 60 || minutes > 24 * 60) return 0;
    return numeric[1] === "-" && minutes > 0 ? -minutes : minutes;
  }
  const named = namedZone.exec(text);
  return named === null ? 0 : (zones.get(named[1]!.toLowerCase()) ?? 0);
}

function daysIn(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/** Days from 1970-01-01 to a day of the Gregorian calendar; years count from March. */
function daysFromEpoch(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const monthFromMarch = (month + 9) % 12;
  const dayOfYear = Math.floor((153 * monthFromMarch + 2) / 5) + day - 1;
  const leapDays = Math.floor(y / 4) - Math.floor(y / 100) + Math.floor(y / 400);
  return y * 365 + leapDays + dayOfYear - 719_468;
}
