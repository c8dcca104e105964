/**
 * Freezing a session while it waits for its client, and thawing it, anywhere. The frozen bytes hold
 * what the client was told and what it has switched on; everything else is found again in the
 * account. Sequence numbers after a thaw are what they were.
 */
import { encodeFrozenSession, type FrozenSession } from "./frozen-session.ts";
import type { ImapEnding, Session } from "./session.ts";
import { View } from "./view.ts";

/** A session that rests: between commands or inside IDLE, all its output sent. */
export function freeze(session: Session): Omit<Extract<ImapEnding, { kind: "frozen" }>, "kind"> {
  const { enabled, idleTag, identity, input, saved, selected } = session;
  const numbers = selected?.view.numbers;
  const frozen = encodeFrozenSession({
    accountId: identity.accountId,
    name: identity.name,
    enabled,
    selected:
      selected === undefined
        ? undefined
        : { numbers: numbers!, readOnly: selected.readOnly, keywordsTold: selected.keywordsTold },
    saved,
    idleTag,
  });
  const waits = idleTag !== undefined && numbers !== undefined;
  return {
    frozen,
    waitsFor: waits ? { mailbox: numbers.mailbox, modseq: numbers.seenModseq } : undefined,
    idling: idleTag !== undefined,
    silentMs: input.silentForMs,
  };
}

/**
 * Puts into a new session what a frozen one was. "stale": what happened since can no longer be told;
 * "gone": the mailbox is not there any more, or no longer the one that it was.
 */
export function thaw(frozen: FrozenSession, session: Session): "stale" | "gone" | undefined {
  const { enabled, selected } = frozen;
  Object.assign(session.enabled, enabled);
  session.output.utf8 = session.decoder.utf8 = session.utf8Names;
  session.saved = frozen.saved;
  session.idleTag = frozen.idleTag;
  if (selected === undefined) return undefined;
  const mailbox = session.account.state.mailboxes.get(selected.numbers.mailbox);
  if (mailbox === undefined) return "gone";
  const view = View.restore(selected.numbers, mailbox);
  if (!(view instanceof View)) return view;
  const { readOnly, keywordsTold } = selected;
  session.selected = { view, readOnly, keywordsTold };
  return undefined;
}
