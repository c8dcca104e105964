import { Bug } from "#base/assert.ts";
import type { MailboxNumber } from "#base/brand.ts";
import { ByteReader, FormatError } from "#base/bytes.ts";
import type { AccountState } from "../index/account-state.ts";
import { apply } from "../index/apply.ts";
import type { Change, Unit } from "../index/change.ts";
import { decodeUnit } from "../index/change-codec.ts";
import type { Slices } from "../slices.ts";
import type { TailUnit } from "./delta-codec.ts";

/**
 * Applies records in order as long as each follows upon the one before; records that the state has
 * already are passed over.
 *
 * @returns how many of `units` are in the state now; fewer than all where one is missing.
 */
export async function rollForward(
  state: AccountState,
  units: readonly TailUnit[],
  slices: Slices,
): Promise<number> {
  for (const [i, { unit: bytes, modseq, address }] of units.entries()) {
    if (modseq <= state.modseq) continue;
    const unit = decodeUnit(new ByteReader(bytes));
    if (modseq !== state.modseq + 1 && !mayJump(unit)) return i;
    apply(state, unit, address);
    await slices.rest();
  }
  return units.length;
}

/** Imported messages bring their modseqs with them: the counter goes beyond the greatest. */
function mayJump(unit: Unit): boolean {
  return unit.changes.some(
    (change) =>
      change.kind === "messagesAdded" &&
      change.messages.some((message) => message.modseq !== undefined),
  );
}

/**
 * Applies what can be applied of records before which others are missing. Where it is not clear
 * what a record means without them, mail is kept: no mailbox is deleted, and arrivals get uids that
 * are free.
 *
 * @returns how many could not be applied; the state must be recounted where there are any.
 */
export function rollLeniently(state: AccountState, units: readonly TailUnit[]): number {
  let failed = 0;
  for (const { unit: bytes, modseq, address } of units) {
    if (modseq <= state.modseq) continue;
    try {
      const unit = decodeUnit(new ByteReader(bytes));
      // Each change sees what those before it did, names and uids above all.
      const changes = unit.changes.flatMap((change) => careful(state, change));
      apply(state, { ...unit, changes }, address);
    } catch (error) {
      if (!(error instanceof Bug) && !(error instanceof FormatError)) throw error;
      failed++;
    }
  }
  return failed;
}

function careful(state: AccountState, change: Change): Change[] {
  switch (change.kind) {
    case "mailboxDeleted":
      return [];
    case "mailboxCreated":
    case "mailboxRenamed":
      return [{ ...change, name: freeName(state, change) }];
    case "messagesAdded": {
      let next = state.mailboxes.get(change.mailbox)?.uidNext ?? 1;
      const messages = change.messages.map((message) => {
        const uid = Math.max(next, message.uid);
        next = uid + 1;
        return { ...message, uid };
      });
      return [{ ...change, messages }];
    }
    case "messagesCopied": {
      const next = state.mailboxes.get(change.to)?.uidNext ?? 1;
      return [{ ...change, firstUid: Math.max(next, change.firstUid) }];
    }
    default:
      return [change];
  }
}

function freeName(
  state: AccountState,
  change: { readonly name: string; readonly mailbox: MailboxNumber },
): string {
  const other = state.mailboxesByName.get(change.name);
  if (other === undefined || other.number === change.mailbox) return change.name;
  return `${change.name} (restored ${change.mailbox})`;
}
