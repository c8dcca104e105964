/** Commands that name mailboxes: SELECT, CREATE, DELETE, RENAME, SUBSCRIBE and quotas. */
import type { Cursor } from "./cursor.ts";
import type { SequenceSet } from "./sequence-set.ts";

/** What the client remembers of a mailbox. RFC 7162 §3.2.5 */
export interface QresyncParameters {
  readonly uidValidity: number;
  readonly modSeq: number;
  readonly knownUids: SequenceSet | null;
  /** Sequence numbers and the uids they had, both in ascending order. */
  readonly match: { readonly seqs: SequenceSet; readonly uids: SequenceSet } | null;
}

/** RFC 9051 §6.3.2, §6.3.3 */
export interface SelectCommand {
  readonly name: "SELECT" | "EXAMINE";
  readonly tag: string;
  readonly mailbox: string;
  readonly condstore: boolean;
  readonly qresync: QresyncParameters | null;
}

// RFC 7162 §7 (select-param)
function readQresync(cursor: Cursor): QresyncParameters {
  cursor.space();
  cursor.byte(0x28);
  const uidValidity = cursor.nzNumber();
  cursor.space();
  const modSeq = cursor.modSeq();
  let knownUids: SequenceSet | null = null;
  let match: QresyncParameters["match"] = null;
  let more = cursor.skipByte(0x20);
  if (more && cursor.peek() !== 0x28) {
    knownUids = cursor.knownSet();
    more = cursor.skipByte(0x20);
  }
  if (more) {
    cursor.byte(0x28);
    const seqs = cursor.knownSet();
    cursor.space();
    match = { seqs, uids: cursor.knownSet() };
    cursor.byte(0x29);
  }
  cursor.byte(0x29);
  return { uidValidity, modSeq, knownUids, match };
}

export function parseSelect(cursor: Cursor, name: SelectCommand["name"]): SelectCommand {
  cursor.space();
  const mailbox = cursor.mailbox();
  let condstore = false;
  let qresync: QresyncParameters | null = null;
  if (cursor.skipByte(0x20)) {
    cursor.list(() => {
      const parameter = cursor.keyword("a parameter");
      if (parameter === "CONDSTORE") condstore = true;
      else if (parameter === "QRESYNC" && qresync === null) qresync = readQresync(cursor);
      else cursor.fail("Unknown or repeated parameter");
    });
  }
  return { name, tag: cursor.tag, mailbox, condstore, qresync };
}

/** RFC 9051 §6.3.5, §6.3.7, §6.3.8, RFC 9208 §4.1.2 */
export interface MailboxCommand {
  readonly name: "DELETE" | "SUBSCRIBE" | "UNSUBSCRIBE" | "GETQUOTAROOT";
  readonly tag: string;
  readonly mailbox: string;
}

export function parseMailbox(cursor: Cursor, name: MailboxCommand["name"]): MailboxCommand {
  cursor.space();
  return { name, tag: cursor.tag, mailbox: cursor.mailbox() };
}

/** RFC 9051 §6.3.4, RFC 6154 §3 */
export interface CreateCommand {
  readonly name: "CREATE";
  readonly tag: string;
  readonly mailbox: string;
  /** Special-use attributes with their backslash, null without the parameter. */
  readonly specialUse: readonly string[] | null;
}

/** Special-use attributes in their canonical case. RFC 6154 §2, RFC 8457 §3 */
const specialUses: ReadonlyMap<string, string> = new Map(
  ["\\All", "\\Archive", "\\Drafts", "\\Flagged", "\\Junk", "\\Sent", "\\Trash", "\\Important"].map(
    (use) => [use.toLowerCase(), use],
  ),
);

function readSpecialUse(cursor: Cursor): string {
  cursor.byte(0x5c);
  const use = `\\${cursor.atom("a special use")}`;
  return specialUses.get(use.toLowerCase()) ?? use;
}

export function parseCreate(cursor: Cursor): CreateCommand {
  cursor.space();
  const mailbox = cursor.mailbox();
  let specialUse: string[] | null = null;
  if (cursor.skipByte(0x20)) {
    cursor.list(() => {
      if (!cursor.skipKeyword("USE") || specialUse !== null)
        cursor.fail("Unknown or repeated parameter");
      cursor.space();
      specialUse = cursor.list(() => readSpecialUse(cursor), true);
    });
  }
  return { name: "CREATE", tag: cursor.tag, mailbox, specialUse };
}

/** RFC 9051 §6.3.6 */
export interface RenameCommand {
  readonly name: "RENAME";
  readonly tag: string;
  readonly from: string;
  readonly to: string;
}

export function parseRename(cursor: Cursor): RenameCommand {
  cursor.space();
  const from = cursor.mailbox();
  cursor.space();
  return { name: "RENAME", tag: cursor.tag, from, to: cursor.mailbox() };
}

/** RFC 9208 §4.1.1 */
export interface GetQuotaCommand {
  readonly name: "GETQUOTA";
  readonly tag: string;
  readonly root: string;
}

export function parseGetQuota(cursor: Cursor): GetQuotaCommand {
  cursor.space();
  return { name: "GETQUOTA", tag: cursor.tag, root: cursor.text() };
}

/** RFC 9208 §4.1.3 */
export interface SetQuotaCommand {
  readonly name: "SETQUOTA";
  readonly tag: string;
  readonly root: string;
  /** Resource in capitals and its limit in the unit of the resource. */
  readonly limits: ReadonlyArray<{ readonly resource: string; readonly limit: number }>;
}

export function parseSetQuota(cursor: Cursor): SetQuotaCommand {
  cursor.space();
  const root = cursor.text();
  cursor.space();
  const readLimit = (): { resource: string; limit: number } => {
    const resource = cursor.keyword("a resource");
    cursor.space();
    return { resource, limit: cursor.number64() };
  };
  return { name: "SETQUOTA", tag: cursor.tag, root, limits: cursor.list(readLimit, true) };
}
