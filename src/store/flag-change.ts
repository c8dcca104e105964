import { Refusal } from "#base/assert.ts";
import { limits } from "#base/limits.ts";
import { rowRangesIn, rowsIn } from "./index/rows-in.ts";
import type { Flags } from "./index/change.ts";
import type { MailboxState } from "./index/mailbox-state.ts";
import { rangesOf, type UidRanges, uidsOfRowRanges } from "./index/uid-ranges.ts";

export interface FlagChange {
  readonly mode: "add" | "remove" | "replace";
  readonly flags: Flags;
  /** Leaves messages alone that changed after this modseq. RFC 7162 §3.1.3 */
  readonly unchangedSince?: number | undefined;
}

/** What a flag change did. */
export interface FlagResult {
  /** Uids whose flags are now as asked for, changed or not. */
  readonly done: UidRanges;
  /** Uids that `unchangedSince` protected. */
  readonly protected: UidRanges;
}

/** Refuses keywords beyond the limits. Errors: `Refusal` LIMIT. */
export function requireKeywords(mailbox: MailboxState, keywords: readonly string[]): void {
  if (keywords.length > limits.keywordsPerMessageMax)
    throw new Refusal("LIMIT", `A message has at most ${limits.keywordsPerMessageMax} keywords`);
  let fresh = 0;
  for (const name of keywords) {
    if (name.length > limits.keywordBytesMax)
      throw new Refusal("LIMIT", `A keyword has at most ${limits.keywordBytesMax} characters`);
    if (mailbox.keywordId(name) < 0) fresh++;
  }
  if (mailbox.keywords.length + fresh > limits.keywordsPerMailboxMax)
    throw new Refusal("LIMIT", "The mailbox has too many keywords");
}

/** Those of the messages in `uids` that are there, apart from those that changed after `since`. */
export function guard(
  mailbox: MailboxState,
  uids: UidRanges,
  since: number | undefined,
): FlagResult {
  const { modseq, uid } = mailbox.rows.arrays;
  if (since === undefined)
    return {
      done: uidsOfRowRanges(uid, rowRangesIn(mailbox, uids)),
      protected: new Uint32Array(0),
    };
  const rows = rowsIn(mailbox, uids);
  const done = rows.filter((row) => modseq[row]! <= since).map((row) => uid[row]!);
  const guarded = rows.filter((row) => modseq[row]! > since).map((row) => uid[row]!);
  return { done: rangesOf(done), protected: rangesOf(guarded) };
}

/** Whether `change` alters any of the messages in `uids`: what changes nothing is not recorded. */
export function changesAnything(
  mailbox: MailboxState,
  uids: UidRanges,
  change: FlagChange,
): boolean {
  const rows = rowRangesIn(mailbox, uids);
  const ids = change.flags.keywords.map((name) => mailbox.keywordId(name));
  const { bits } = change.flags;
  const looked = change.mode === "replace" ? 0xff : bits;
  const unchanged = change.mode === "remove" ? 0 : bits;
  const { flags, keywordSet } = mailbox.rows.arrays;
  let set = -1;
  for (let i = 0; i < rows.length; i += 2)
    for (let row = rows[i]!; row <= rows[i + 1]!; row++) {
      if ((flags[row]! & looked) !== unchanged) return true;
      if (keywordSet[row] === set) continue;
      set = keywordSet[row]!;
      if (changesSet(mailbox.keywordSets[set]!, ids, change.mode)) return true;
    }
  return false;
}

/** Whether a message with these keywords gets others. */
function changesSet(
  set: readonly number[],
  ids: readonly number[],
  mode: FlagChange["mode"],
): boolean {
  if (mode === "remove") return ids.some((id) => set.includes(id));
  if (mode === "replace" && set.length !== new Set(ids).size) return true;
  return ids.some((id) => !set.includes(id));
}
