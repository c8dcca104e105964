/** The announcement of a literal at the end of a line. RFC 9051 §4.3, RFC 7888 §3 */
import { octet } from "./syntax.ts";

export interface Announcement {
  /** Octets; what exceeds 2^53-1 is given as that. */
  readonly size: number;
  /** The sender waits for `+`. */
  readonly sync: boolean;
}

/** More than any announcement takes: `{`, digits, `+`, `}`, CR, LF. */
export const announcementBytesMax = 64;

/** The announcement that ends `bytes[start .. end)`, or null. `end` excludes the line end. */
export function announcementAt(bytes: Uint8Array, start: number, end: number): Announcement | null {
  if (end - start < 3 || bytes[end - 1] !== octet.unbrace) return null;
  let at = end - 2;
  const sync = bytes[at] !== octet.plus;
  if (!sync) at--;
  const last = at;
  while (at >= start && bytes[at]! >= octet.zero && bytes[at]! <= octet.nine) at--;
  if (at === last || at < start || bytes[at] !== octet.brace) return null;
  let size = 0;
  for (let i = at + 1; i <= last; i++) {
    size = Math.min(size * 10 + bytes[i]! - octet.zero, Number.MAX_SAFE_INTEGER);
  }
  return { size, sync };
}
