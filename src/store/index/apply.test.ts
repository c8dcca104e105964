import assert from "node:assert/strict";
import { test } from "node:test";
import type { AccountId, MailboxNumber, MessageNumber, ModSeq } from "#base/brand.ts";
import { limits } from "#base/limits.ts";
import { AccountState } from "./account-state.ts";
import { apply } from "./apply.ts";
import type { Change } from "./change.ts";

const inbox = 1 as MailboxNumber;
const day = 24 * 3600 * 1000;
const begin = 1_800_000_000_000;

/** A state with INBOX, and a hand that applies units to it. */
function account(): { state: AccountState; change: (at: number, ...changes: Change[]) => void } {
  const state = new AccountState("aaaaaaaaaaaaaaaa" as AccountId);
  const change = (at: number, ...changes: Change[]): void => {
    const address = { place: undefined, contentsAt: 0, contents: [] };
    apply(state, { modseq: (state.modseq + 1) as ModSeq, at, changes }, address);
  };
  change(
    begin,
    { kind: "accountCreated" },
    {
      kind: "mailboxCreated",
      mailbox: inbox,
      name: "INBOX",
      uidValidity: 1,
      uidNext: 1,
      specialUse: [],
    },
  );
  return { state, change };
}

function content(message: number): Change {
  return {
    kind: "contentAdded",
    message: message as MessageNumber,
    size: 100,
    fieldsLength: 10,
    internalDate: begin,
    sentDate: Number.NaN,
    thread: message,
    messageIdHash: 0,
    place: { in: "record", offset: 0, fieldsCrc: 0, bodyCrc: 0 },
  };
}

function row(uid: number, message: number): Change {
  const place = { bits: 0, keywords: [], savedAt: 0 };
  return {
    kind: "messagesAdded",
    mailbox: inbox,
    messages: [{ uid, message: message as MessageNumber, ...place }],
  };
}

/** Adds messages that share one content and expunges them in units of a hundred. */
function expungeMany(at: number, count: number, parts: ReturnType<typeof account>): void {
  const { state, change } = parts;
  const mailbox = state.mailboxes.get(inbox)!;
  for (let done = 0; done < count; done += 100) {
    const first = mailbox.uidNext;
    const number = state.nextMessage;
    const rows = Array.from({ length: 100 }, (_, i) => row(first + i, number));
    change(at, content(number), ...rows);
    change(at, { kind: "expunged", mailbox: inbox, uids: Uint32Array.of(first, first + 99) });
  }
}

test("young expunges stay, however many", () => {
  const parts = account();
  const floor = parts.state.mailboxes.get(inbox)!.historyFloor;
  expungeMany(begin, 70_000, parts);
  const mailbox = parts.state.mailboxes.get(inbox)!;
  assert.equal(mailbox.history.count, 70_000);
  assert.equal(mailbox.historyFloor, floor);
  assert.equal(mailbox.expungedAfter(floor)!.length, 70_000);
});

test("old expunges go but for the last, and a unit is never split", () => {
  const parts = account();
  expungeMany(begin, 30_000, parts);
  const { modseq } = parts.state;
  expungeMany(begin + 31 * day, 100, parts);
  const mailbox = parts.state.mailboxes.get(inbox)!;
  assert.ok(mailbox.history.count >= limits.expungeHistoryEntriesMin);
  assert.ok(mailbox.history.count <= limits.expungeHistoryEntriesMin + 200);
  assert.equal(mailbox.history.count % 100, 0);
  assert.equal(mailbox.expungedAfter(modseq)!.length, 100);
  assert.equal(mailbox.expungedAfter(mailbox.historyFloor - 1), undefined);
  assert.equal(mailbox.expungedAfter(mailbox.historyFloor)!.length, mailbox.history.count);
});

test("a content that no row took is released in its own unit, once", () => {
  const { state, change } = account();
  change(begin, content(1));
  assert.deepEqual(state.freeRows, [0]);
  assert.equal(state.journaled.size, 0);
  change(begin, content(2), row(1, 2), {
    kind: "expunged",
    mailbox: inbox,
    uids: Uint32Array.of(1, 1),
  });
  assert.deepEqual(state.freeRows, [0]);
  assert.equal(state.rowBytes, 0);
});
