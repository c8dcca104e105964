import { Refusal } from "#base/assert.ts";
import { limits } from "#base/limits.ts";
import { rowsIn } from "./index/apply.ts";
import type { Flags } from "./index/change.ts";
import type { MailboxState } from "./index/mailbox-state.ts";
import type { UidRanges } from "./index/uid-ranges.ts";

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

/** Whether `change` alters any of the messages in `uids`: what changes nothing is not recorded. */
export function changesAnything(
  mailbox: MailboxState,
  uids: UidRanges,
  change: FlagChange,
): boolean {
  const { flags, keywordSet } = mailbox.rows.arrays;
  const ids = change.flags.keywords.map((name) => mailbox.keywordId(name));
  const { bits } = change.flags;
  for (const row of rowsIn(mailbox, uids)) {
    const old = flags[row]!;
    const set = mailbox.keywordSets[keywordSet[row]!]!;
    if (change.mode === "add") {
      if ((old & bits) !== bits || ids.some((id) => !set.includes(id))) return true;
    } else if (change.mode === "remove") {
      if ((old & bits) !== 0 || ids.some((id) => set.includes(id))) return true;
    } else if (
      old !== bits ||
      set.length !== new Set(ids).size ||
      ids.some((id) => !set.includes(id))
    )
      return true;
  }
  return false;
}
