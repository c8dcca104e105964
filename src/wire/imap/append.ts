/**
 * APPEND. Its messages are streamed, so it is not a value but a series of events of the decoder.
 */
import type { Cursor } from "./cursor.ts";
import type { DateTime } from "./dates.ts";
import { readDateTime } from "./dates.ts";
import { octet } from "./syntax.ts";

/** What precedes the octets of one message. RFC 9051 §6.3.12, RFC 6855 §4 */
export interface AppendHead {
  readonly flags: readonly string[];
  /** Null: now. */
  readonly date: DateTime | null;
  /** Octets that follow. */
  readonly size: number;
  /** The client waits for `+` before it sends them. */
  readonly sync: boolean;
  /** `~{n}`: NUL octets are allowed. RFC 3516 §4.4 */
  readonly literal8: boolean;
  /** Sent as `UTF8 (~{n}...)`. */
  readonly utf8: boolean;
}

/** Reads `SP [flags SP] [date SP] {n}`, which must end the line. */
export function readAppendHead(cursor: Cursor): AppendHead {
  cursor.space();
  let flags: string[] = [];
  if (cursor.peek() === octet.open) {
    flags = cursor.flagList();
    cursor.space();
  }
  let date: DateTime | null = null;
  if (cursor.peek() === octet.quote) {
    date = readDateTime(cursor);
    cursor.space();
  }
  const utf8 = cursor.skipKeyword("UTF8");
  if (utf8) {
    cursor.space();
    cursor.byte(octet.open);
  }
  const literal8 = cursor.skipByte(octet.tilde);
  if (utf8 && !literal8) cursor.fail("UTF8 needs a literal8");
  cursor.byte(octet.brace);
  const size = cursor.number64();
  const sync = !cursor.skipByte(octet.plus);
  cursor.byte(octet.unbrace);
  cursor.finish();
  return { flags, date, size, sync, literal8, utf8 };
}
