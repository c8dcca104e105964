/** STATUS and its items, which LIST RETURN (STATUS) takes as well. */
import type { Cursor } from "./cursor.ts";

const statusItems = [
  "MESSAGES",
  "UIDNEXT",
  "UIDVALIDITY",
  "UNSEEN",
  "RECENT",
  "DELETED",
  "DELETED-STORAGE",
  "SIZE",
  "HIGHESTMODSEQ",
  "MAILBOXID",
  "APPENDLIMIT",
] as const;

/** RFC 9051 §6.3.11, RFC 7162 §3.1.7, RFC 8474 §4.3, RFC 7889 §3, RFC 9208 §4.1.4 */
export type StatusItem = (typeof statusItems)[number];

const known: ReadonlySet<string> = new Set(statusItems);

function isStatusItem(name: string): name is StatusItem {
  return known.has(name);
}

export interface StatusCommand {
  readonly name: "STATUS";
  readonly tag: string;
  readonly mailbox: string;
  /** Without repetitions. */
  readonly items: readonly StatusItem[];
}

/** Reads the items in parentheses. */
export function readStatusItems(cursor: Cursor): StatusItem[] {
  const items = cursor.list(() => {
    const name = cursor.keyword("a status item");
    return isStatusItem(name) ? name : cursor.fail("Unknown status item");
  });
  return [...new Set(items)];
}

export function parseStatus(cursor: Cursor): StatusCommand {
  cursor.space();
  const mailbox = cursor.mailbox();
  cursor.space();
  return { name: "STATUS", tag: cursor.tag, mailbox, items: readStatusItems(cursor) };
}
