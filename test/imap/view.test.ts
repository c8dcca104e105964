import assert from "node:assert/strict";
import { test } from "node:test";
import type { AccountId, MailboxNumber, MessageNumber, ModSeq } from "#base/brand.ts";
import { seededRandom } from "#base/random.ts";
import { AccountState, type MailboxState, rangesOf } from "#store/index.ts";
import { ImapSyntaxError } from "#wire/index.ts";
import { apply } from "../../src/store/index/apply.ts";
import type { Change } from "../../src/store/index/change.ts";
import { View } from "#protocols/imap/index.ts";

const box = 1 as MailboxNumber;

/** A mailbox that is changed by records alone. */
class Mailbox {
  readonly account = new AccountState("aaaaaaaaaaaaaaaa" as AccountId);
  readonly state: MailboxState;

  constructor() {
    this.record({
      kind: "mailboxCreated",
      mailbox: box,
      name: "x",
      uidValidity: 9,
      uidNext: 1,
      specialUse: [],
    });
    this.state = this.account.mailboxes.get(box)!;
  }

  record(...changes: Change[]): void {
    const modseq = (this.account.modseq + 1) as ModSeq;
    apply(
      this.account,
      { modseq, at: 0, changes },
      { place: undefined, contentsAt: 0, contents: [] },
    );
  }

  add(count: number): void {
    const first = this.account.nextMessage;
    const numbers = Array.from({ length: count }, (_, i) => (first + i) as MessageNumber);
    this.record(
      ...numbers.map((message) => ({
        kind: "contentAdded" as const,
        message,
        size: 10,
        fieldsLength: 0,
        internalDate: 0,
        sentDate: 0,
        thread: 1,
        messageIdHash: 0,
        place: { in: "record" as const, offset: 0, fieldsCrc: 0, bodyCrc: 0 },
      })),
      {
        kind: "messagesAdded",
        mailbox: box,
        messages: numbers.map((message, i) => ({
          uid: this.state.uidNext + i,
          message,
          bits: 0,
          keywords: [],
          savedAt: 0,
        })),
      },
    );
  }

  flag(...uids: number[]): void {
    this.record({
      kind: "flagsChanged",
      mailbox: box,
      uids: rangesOf(uids),
      mode: "replace",
      bits: (this.account.modseq & 1) + 1,
      keywords: [],
    });
  }

  expunge(...uids: number[]): void {
    this.record({ kind: "expunged", mailbox: box, uids: rangesOf(uids) });
  }

  get uids(): number[] {
    return [...this.state.rows.arrays.uid.subarray(0, this.state.count)];
  }
}

/** Follows a view as a client does, and compares. */
class Client {
  readonly box: Mailbox;
  view: View;
  uids: number[];

  constructor(mailbox: Mailbox) {
    this.box = mailbox;
    this.view = View.open(mailbox.state, 1);
    this.uids = mailbox.uids;
  }

  sync(allowExpunge: boolean): number[] {
    assert.equal(typeof this.view.pending(allowExpunge), "boolean");
    const before = this.view.numbers.uidNextSeen;
    const { expunged, expungedSeqs, exists, changed } = this.view.advance(allowExpunge);
    const gone = new Set<number>();
    for (let i = expunged.length - 1; i >= 0; i--) {
      assert.equal(this.uids[expungedSeqs[i]! - 1], expunged[i], "the number that is expunged");
      this.uids.splice(expungedSeqs[i]! - 1, 1);
      gone.add(expunged[i]!);
    }
    if (exists !== undefined) {
      const fresh = exists - this.uids.length;
      assert.ok(fresh > 0);
      for (let seq = this.uids.length + 1; seq <= exists; seq++) {
        const uid = this.view.uidOfSeq(seq);
        assert.ok(uid >= before, "new messages come at the end");
        this.uids.push(uid);
      }
    }
    const told = [...changed].map((row) => this.box.state.rows.arrays.uid[row]!);
    for (const uid of told) assert.ok(uid < before && this.uids.includes(uid));
    assert.equal(this.view.pending(false), false);
    if (allowExpunge) assert.deepEqual(this.uids, this.box.uids);
    this.check();
    return told;
  }

  check(): void {
    const { view, uids } = this;
    assert.equal(view.count, uids.length);
    assert.deepEqual(
      uids.map((_, i) => view.uidOfSeq(i + 1)),
      uids,
    );
    assert.deepEqual(
      uids.map((uid) => view.seqOfUid(uid)),
      uids.map((_, i) => i + 1),
    );
    assert.equal(view.uidOfSeq(0), 0);
    assert.equal(view.uidOfSeq(uids.length + 1), 0);
    assert.equal(view.lastUid, uids.at(-1) ?? 0);
    const present = new Set(this.box.uids);
    const ghosts = uids.filter((uid) => !present.has(uid));
    assert.deepEqual([...view.ghosts], ghosts);
    assert.equal(view.liveCount, uids.length - ghosts.length);
    for (let row = 0; row < view.liveCount; row++)
      assert.equal(view.seqOfRow(row), uids.indexOf(this.box.uids[row]!) + 1);
    const absent = this.box.state.uidNext + 5;
    assert.equal(view.seqOfUid(absent), 0);
    assert.equal(view.isGhost(absent), false);
  }
}

test("A view follows its mailbox, whatever happens and whenever it is told", () => {
  const random = seededRandom(20260101);
  for (let round = 0; round < 150; round++) {
    const mailbox = new Mailbox();
    mailbox.add(random.below(12));
    const client = new Client(mailbox);
    for (let step = 0; step < 40; step++) {
      const { uids } = mailbox;
      const some = uids.filter(() => random.below(4) === 0);
      switch (random.below(6)) {
        case 0:
          mailbox.add(1 + random.below(3));
          break;
        case 1:
          if (some.length > 0) mailbox.flag(...some);
          break;
        case 2:
          if (some.length > 0) mailbox.expunge(...some);
          break;
        case 3:
          client.sync(false);
          break;
        case 4:
          client.sync(true);
          break;
        case 5: {
          const view = View.restore(client.view.numbers, mailbox.state);
          assert.ok(view instanceof View);
          client.view = view;
          break;
        }
      }
      client.check();
    }
    client.sync(true);
  }
});

test("Every flag change is told once, and those of expunged messages not at all", () => {
  const mailbox = new Mailbox();
  mailbox.add(5);
  const client = new Client(mailbox);
  mailbox.flag(2, 4);
  mailbox.expunge(4);
  assert.deepEqual(client.sync(false), [2]);
  mailbox.flag(3);
  assert.deepEqual(client.sync(false), [3]);
  assert.deepEqual(client.sync(true), []);
  mailbox.add(1);
  mailbox.flag(6);
  assert.deepEqual(client.sync(true), []);
});

test("Sets become ranges of uids", () => {
  const mailbox = new Mailbox();
  mailbox.add(10);
  mailbox.expunge(2, 3, 9);
  const { view } = new Client(mailbox);
  const uids = (byUid: boolean, ...pairs: number[]): number[] => [
    ...view.uidsOf({ pairs: Uint32Array.from(pairs), saved: false }, byUid),
  ];
  assert.deepEqual(uids(false, 1, 2), [1, 4]);
  assert.deepEqual(uids(false, 7, 7, 2, 3), [4, 5, 10, 10]);
  assert.deepEqual(uids(false, 0, 0), [10, 10]);
  assert.deepEqual(uids(false, 0, 5), [7, 10]);
  assert.deepEqual(uids(true, 3, 0xffff_ffff), [3, 10]);
  assert.deepEqual(uids(true, 99, 0), [10, 10]);
  assert.deepEqual(uids(true, 99, 200), []);
  for (const pair of [8, 0xffff_ffff]) assert.throws(() => uids(false, 1, pair), ImapSyntaxError);
  const all = uids(true, 1, 0);
  assert.deepEqual([...view.rowsOf(Uint32Array.from(all))], [0, 6]);
  mailbox.expunge(5, 7);
  mailbox.add(3);
  assert.deepEqual(uids(true, 1, 0), [1, 10]);
  assert.deepEqual([...view.ghostsIn(Uint32Array.of(1, 6))], [5]);
  assert.deepEqual([...view.rowsOf(Uint32Array.of(4, 7))], [1, 2]);
});

test("In an empty mailbox no sequence number is right, and no uid wrong", () => {
  const { view } = new Client(new Mailbox());
  for (const pairs of [
    [0, 0],
    [1, 0],
    [1, 1],
  ]) {
    const set = { pairs: Uint32Array.from(pairs), saved: false };
    assert.throws(() => view.uidsOf(set, false), ImapSyntaxError);
    assert.deepEqual([...view.uidsOf(set, true)], []);
  }
});

test("Restoring knows another mailbox, and a history that is too short", () => {
  const mailbox = new Mailbox();
  mailbox.add(5);
  const { numbers } = View.open(mailbox.state, 1);
  assert.equal(View.restore({ ...numbers, uidValidity: 8 }, mailbox.state), "gone");
  assert.equal(View.restore({ ...numbers, seenModseq: 99 }, mailbox.state), "stale");
  assert.equal(View.restore({ ...numbers, uidNextSeen: 99 }, mailbox.state), "stale");
  mailbox.state.historyFloor = mailbox.state.highestModseq + 1;
  assert.equal(View.restore(numbers, mailbox.state), "stale");
});

test("An own expunge is remembered even beyond the history", () => {
  const mailbox = new Mailbox();
  mailbox.add(6);
  const client = new Client(mailbox);
  mailbox.expunge(1);
  client.view.expunging(() => {
    mailbox.expunge(3, 4);
    mailbox.state.historyFloor = mailbox.state.highestModseq;
    return Uint32Array.of(3, 4);
  });
  client.check();
  client.sync(true);
  mailbox.expunge(5);
  client.sync(true);
});
