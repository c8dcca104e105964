/** How a command names messages: by sequence number, by uid, or `$`. */
import type { Message } from "./account.ts";
import type { Dice } from "./dice.ts";
import type { SessionModel, ViewModel } from "./session.ts";
import { inSet, largestOf, randomSet } from "./sets.ts";

export interface Addressed {
  readonly uid: boolean;
  /** `UID ` or nothing, to be put before the command. */
  readonly prefix: string;
  readonly set: string;
  /** Messages that are meant, ghosts included; undefined: the set is not allowed. */
  readonly messages: readonly Message[] | undefined;
}

/** What `set` means in the view of `session`; undefined where it names numbers that are not there. */
export function meaningOf(session: SessionModel, set: string, uid: boolean): Message[] | undefined {
  const { list } = session.view!;
  if (set === "$") return list.filter((message) => session.saved.has(message.uid));
  if (uid) {
    const last = list.at(-1)?.uid ?? 0;
    return list.filter((message) => inSet(set, message.uid, last));
  }
  if (list.length === 0 || largestOf(set, list.length) > list.length) return undefined;
  return list.filter((_, index) => inSet(set, index + 1, list.length));
}

/** A random set of either kind. */
export function address(dice: Dice, session: SessionModel): Addressed {
  const { list, mailbox } = session.view!;
  const uid = dice.oneIn(2);
  const set = dice.oneIn(8)
    ? "$"
    : randomSet(dice, uid ? mailbox.uidNext - 1 : list.length, { beyond: uid || dice.oneIn(4) });
  return { uid, prefix: uid ? "UID " : "", set, messages: meaningOf(session, set, uid) };
}

export function isGhost(message: Message): boolean {
  return message.goneAt !== undefined;
}

export function seqOf(view: ViewModel, message: Message): number {
  return view.list.indexOf(message) + 1;
}
