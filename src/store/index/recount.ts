import type { AccountState } from "./account-state.ts";
import type { MailboxState } from "./mailbox-state.ts";

/**
 * Makes everything in a state that follows from the rest of it: references, counters, live bytes of
 * packs, free rows. Rows that refer to no content go. For a state that was patched together; in a
 * sound one it changes at most the order of free rows.
 */
export function recount(state: AccountState): void {
  const { messages } = state;
  const { number, references } = messages.arrays;
  references.fill(0, 0, messages.count);
  state.rowCount = 0;
  state.rowBytes = 0;
  for (const mailbox of state.mailboxes.values()) {
    recountMailbox(state, mailbox);
    state.rowCount += mailbox.count;
    state.rowBytes += mailbox.bytes;
  }
  for (let row = 0; row < messages.count; row++)
    if (references[row] === 0) {
      number[row] = 0;
      messages.arrays.pack[row] = 0;
      messages.arrays.thread[row] = 0;
      messages.arrays.messageIdHash[row] = 0;
      state.journaled.delete(row);
    }
  recountFreeRows(state);
  recountPacks(state);
}

function recountMailbox(state: AccountState, mailbox: MailboxState): void {
  const { number, references, size } = state.messages.arrays;
  const { message, flags } = mailbox.rows.arrays;
  mailbox.unseen = 0;
  mailbox.deleted = 0;
  mailbox.deletedBytes = 0;
  mailbox.bytes = 0;
  const dangling: number[] = [];
  for (let row = 0; row < mailbox.count; row++) {
    const content = message[row]!;
    if (content >= state.messages.count || number[content] === 0) {
      dangling.push(row);
      continue;
    }
    references[content]! += 1;
    mailbox.count1(flags[row]!, size[content]!, 1);
  }
  mailbox.rows.remove(dangling);
}

function recountFreeRows(state: AccountState): void {
  const { number } = state.messages.arrays;
  const kept = new Set(state.freeRows.filter((row) => number[row] === 0));
  for (let row = 0; row < state.messages.count; row++) if (number[row] === 0) kept.add(row);
  state.freeRows.length = 0;
  for (const row of kept) state.freeRows.push(row);
}

function recountPacks(state: AccountState): void {
  const { number, pack, length, fieldsLength } = state.messages.arrays;
  for (const known of state.packs.values()) {
    known.liveBytes = 0;
    known.liveEntries = 0;
  }
  for (let row = 0; row < state.messages.count; row++) {
    if (number[row] === 0) continue;
    const known = state.packs.get(pack[row]!);
    if (known === undefined) continue;
    known.liveBytes += length[row]! + fieldsLength[row]!;
    known.liveEntries += 1;
  }
}
