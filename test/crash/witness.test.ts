/** A witness must notice every kind of broken promise. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { AccountWitness, BrokenPromise, type Found, type Seen } from "./witness.ts";

type Messages = Record<number, string>;

/** Messages as "mark flag flag" by uid. */
function box(messages: Messages, more: Partial<Found> = {}): Found {
  const seen = Object.entries(messages).map(([uid, text]): [number, Seen] => {
    const [mark = "", ...flags] = text.split(" ");
    return [Number(uid), { mark, flags: flags.join(" ") }];
  });
  return { uidValidity: 7, uidNext: 50, highestModseq: 90, messages: new Map(seen), ...more };
}

function found(inbox: Found, archive: Found = box({})): Map<string, Found> {
  return new Map([
    ["INBOX", inbox],
    ["Archive", archive],
  ]);
}

/** A witness who saw two messages in INBOX and one in Archive. */
function witness(prepare: (witness: AccountWitness) => void = () => {}): AccountWitness {
  const made = new AccountWitness("test");
  made.maybe.add("a").add("b");
  made.doubt = { kind: "append", box: "Archive", seen: { mark: "c", flags: "Work" } };
  made.compare(found(box({ 1: "a", 2: "b" }), box({ 1: "c Work" })));
  prepare(made);
  return made;
}

const inbox = { 1: "a", 2: "b" };
const archive = { 1: "c Work" };

const broken: [string, Map<string, Found>, ((witness: AccountWitness) => void)?][] = [
  ["a message is gone", found(box({ 1: "a" }), box(archive))],
  ["flags are gone", found(box(inbox), box({ 1: "c" }))],
  ["a message is there twice", found(box({ ...inbox, 3: "b" }), box(archive))],
  ["a stranger's message", found(box({ ...inbox, 3: "x" }), box(archive))],
  ["a uid names another message", found(box({ 1: "a", 2: "x" }), box(archive))],
  ["UIDVALIDITY changed", found(box(inbox, { uidValidity: 8 }), box(archive))],
  ["UIDNEXT went back", found(box(inbox, { uidNext: 49 }), box(archive))],
  ["HIGHESTMODSEQ went back", found(box(inbox, { highestModseq: 89 }), box(archive))],
  ["UIDNEXT below a uid", found(box({ ...inbox, 50: "d" }), box(archive)), (w) => w.due.add("d")],
  ["a delivery is lost", found(box(inbox), box(archive)), (w) => w.due.add("d")],
  [
    "a delivery is doubled",
    found(box({ ...inbox, 3: "d", 4: "d" }), box(archive)),
    (w) => w.due.add("d"),
  ],
  [
    "a move is done by half",
    found(box(inbox), box({ ...archive, 2: "b" })),
    (w) => (w.doubt = { kind: "move", uid: 2, from: "INBOX", to: "Archive" }),
  ],
  [
    "a move loses the message",
    found(box({ 1: "a" }), box(archive)),
    (w) => (w.doubt = { kind: "move", uid: 2, from: "INBOX", to: "Archive" }),
  ],
  [
    "an expunge in doubt takes another message",
    found(box({ 2: "b" }), box(archive)),
    (w) => (w.doubt = { kind: "expunge", box: "INBOX", uid: 2 }),
  ],
];

for (const [what, now, prepare] of broken)
  test(`notices: ${what}`, () => {
    assert.throws(() => witness(prepare).compare(now), BrokenPromise);
  });

const kept: [string, Map<string, Found>, ((witness: AccountWitness) => void)?][] = [
  ["nothing happened", found(box(inbox), box(archive))],
  ["a delivery", found(box({ ...inbox, 3: "d" }), box(archive)), (w) => w.due.add("d")],
  ["no delivery in doubt", found(box(inbox), box(archive)), (w) => w.maybe.add("d")],
  ["a delivery in doubt", found(box({ ...inbox, 3: "d" }), box(archive)), (w) => w.maybe.add("d")],
  [
    "a store in doubt",
    found(box({ 1: "a", 2: "b \\Seen" }), box(archive)),
    (w) => (w.doubt = { kind: "store", box: "INBOX", uid: 2, flags: "\\Seen" }),
  ],
  [
    "a copy in doubt",
    found(box(inbox), box({ ...archive, 2: "b" })),
    (w) => (w.doubt = { kind: "copy", uid: 2, from: "INBOX", to: "Archive" }),
  ],
  [
    "a move in doubt",
    found(box({ 1: "a" }), box({ ...archive, 2: "b" })),
    (w) => (w.doubt = { kind: "move", uid: 2, from: "INBOX", to: "Archive" }),
  ],
];

for (const [what, now, prepare] of kept)
  test(`accepts: ${what}`, () => {
    witness(prepare).compare(now);
  });

test("a uid that was expunged never names another message", () => {
  const made = witness();
  made.doubt = { kind: "expunge", box: "INBOX", uid: 2 };
  made.acknowledged();
  made.compare(found(box({ 1: "a" }), box(archive)));
  made.due.add("d");
  assert.throws(() => made.compare(found(box({ 1: "a", 2: "d" }), box(archive))), BrokenPromise);
});
