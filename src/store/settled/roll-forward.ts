import { Bug } from "#base/assert.ts";
import { ByteReader, FormatError } from "#base/bytes.ts";
import type { AccountState } from "../index/account-state.ts";
import { apply } from "../index/apply.ts";
import type { Unit } from "../index/change.ts";
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
 * Applies what can be applied of records before which others are missing.
 *
 * @returns how many could not be applied; the state must be recounted where there are any.
 */
export function rollLeniently(state: AccountState, units: readonly TailUnit[]): number {
  let failed = 0;
  for (const { unit: bytes, modseq, address } of units) {
    if (modseq <= state.modseq) continue;
    try {
      apply(state, decodeUnit(new ByteReader(bytes)), address);
    } catch (error) {
      if (!(error instanceof Bug) && !(error instanceof FormatError)) throw error;
      failed++;
    }
  }
  return failed;
}
