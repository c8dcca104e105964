/** Commands that change messages: STORE, COPY, MOVE, EXPUNGE. */
import type { Cursor } from "./cursor.ts";
import type { SequenceSet } from "./sequence-set.ts";

/** RFC 9051 §6.4.6, RFC 7162 §3.1.3 */
export interface StoreCommand {
  readonly name: "STORE";
  readonly tag: string;
  readonly uid: boolean;
  readonly set: SequenceSet;
  /** From 0; null: unconditional. */
  readonly unchangedSince: number | null;
  readonly mode: "replace" | "add" | "remove";
  readonly silent: boolean;
  readonly flags: readonly string[];
}

function readUnchangedSince(cursor: Cursor): number | null {
  if (cursor.peek() !== 0x28) return null;
  let unchangedSince: number | null = null;
  cursor.list(() => {
    if (!cursor.skipKeyword("UNCHANGEDSINCE") || unchangedSince !== null)
      cursor.fail("Unknown or repeated modifier");
    cursor.space();
    unchangedSince = cursor.modSeqOrZero();
  });
  cursor.space();
  return unchangedSince;
}

function readFlags(cursor: Cursor): string[] {
  if (cursor.peek() === 0x28) return cursor.flagList();
  const flags: string[] = [];
  do flags.push(cursor.flag());
  while (cursor.skipByte(0x20));
  return flags;
}

export function parseStore(cursor: Cursor): StoreCommand {
  cursor.space();
  const set = cursor.sequenceSet();
  cursor.space();
  const unchangedSince = readUnchangedSince(cursor);
  let mode: StoreCommand["mode"] = "replace";
  if (cursor.skipByte(0x2b)) mode = "add";
  else if (cursor.skipByte(0x2d)) mode = "remove";
  const item = cursor.dottedName();
  if (item !== "FLAGS" && item !== "FLAGS.SILENT") cursor.fail("Unknown store item");
  cursor.space();
  return {
    name: "STORE",
    tag: cursor.tag,
    uid: cursor.uid,
    set,
    unchangedSince,
    mode,
    silent: item === "FLAGS.SILENT",
    flags: readFlags(cursor),
  };
}

/** RFC 9051 §6.4.7, §6.4.8 */
export interface CopyCommand {
  readonly name: "COPY" | "MOVE";
  readonly tag: string;
  readonly uid: boolean;
  readonly set: SequenceSet;
  readonly mailbox: string;
}

export function parseCopy(cursor: Cursor, name: CopyCommand["name"]): CopyCommand {
  cursor.space();
  const set = cursor.sequenceSet();
  cursor.space();
  return { name, tag: cursor.tag, uid: cursor.uid, set, mailbox: cursor.mailbox() };
}

/** RFC 9051 §6.4.3; with uids §6.4.9 */
export interface ExpungeCommand {
  readonly name: "EXPUNGE";
  readonly tag: string;
  readonly uid: boolean;
  /** The uids of UID EXPUNGE, null for EXPUNGE. */
  readonly uids: SequenceSet | null;
}

export function parseExpunge(cursor: Cursor): ExpungeCommand {
  const { tag, uid } = cursor;
  if (!uid) return { name: "EXPUNGE", tag, uid, uids: null };
  cursor.space();
  return { name: "EXPUNGE", tag, uid, uids: cursor.sequenceSet() };
}
