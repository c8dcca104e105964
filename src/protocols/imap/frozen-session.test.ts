import assert from "node:assert/strict";
import { test } from "node:test";
import type { AccountId, MailboxNumber } from "#base/brand.ts";
import { FormatError } from "#base/bytes.ts";
import { type Random, seededRandom } from "#base/random.ts";
import { noRanges } from "#wire/index.ts";
import {
  decodeFrozenSession,
  encodeFrozenSession,
  type FrozenSelection,
  type FrozenSession,
} from "./frozen-session.ts";

const plain: FrozenSession = {
  accountId: "abcdefghijklmnop" as AccountId,
  name: "alice@example.org",
  enabled: { condstore: true, qresync: false, rev2: true, utf8: false },
  selected: {
    numbers: {
      mailbox: 12_345 as MailboxNumber,
      uidValidity: 4_294_967_295,
      seenModseq: 2 ** 53 - 1,
      expungeModseq: 2 ** 53 - 1,
      uidNextSeen: 4_294_967_295,
      recentFloor: 4_294_967_000,
    },
    readOnly: false,
    keywordsTold: 17,
  },
  saved: noRanges,
  idleTag: "A00000000123",
};

function anySelection(random: Random): FrozenSelection {
  const seenModseq = random.below(2 ** 32) * (1 + random.below(2 ** 20));
  const uidNextSeen = 1 + random.below(2 ** 32 - 1);
  return {
    numbers: {
      mailbox: random.below(2 ** 31) as MailboxNumber,
      uidValidity: random.below(2 ** 32),
      seenModseq,
      // Expunges that are held back, or others' that were told before flag changes.
      expungeModseq: Math.max(0, seenModseq + random.below(2_000) - 1_000),
      uidNextSeen,
      recentFloor: Math.max(0, uidNextSeen + random.below(200) - 100),
    },
    readOnly: random.below(2) === 0,
    keywordsTold: random.below(100) - 1,
  };
}

function anySession(random: Random): FrozenSession {
  const flag = (): boolean => random.below(2) === 0;
  const saved: number[] = [];
  for (let uid = 1 + random.below(9), left = random.below(40); left > 0; left--) {
    const last = uid + random.below(3);
    saved.push(uid, last);
    uid = last + 2 + random.below(1_000);
  }
  return {
    accountId: "abcdefghijklmnop" as AccountId,
    name: `user${random.below(1_000)}`,
    enabled: { condstore: flag(), qresync: flag(), rev2: flag(), utf8: flag() },
    selected: flag() ? anySelection(random) : undefined,
    saved: Uint32Array.from(saved),
    idleTag: flag() ? `t${random.below(1_000)}` : undefined,
  };
}

test("what was frozen is what is thawed", () => {
  assert.deepEqual(decodeFrozenSession(encodeFrozenSession(plain)), plain);
  const random = seededRandom(11);
  for (let i = 0; i < 1_000; i++) {
    const session = anySession(random);
    assert.deepEqual(decodeFrozenSession(encodeFrozenSession(session)), session);
  }
});

test("a plain session with the largest numbers takes at most 200 bytes", () => {
  const { length } = encodeFrozenSession(plain);
  assert(length <= 200, `${length} bytes`);
  assert(length <= 100, `${length} bytes`);
});

test("every other byte is refused", () => {
  const bytes = encodeFrozenSession(plain);
  for (let at = 0; at < bytes.length; at++)
    for (const bit of [1, 0x80]) {
      const broken = Uint8Array.from(bytes);
      broken[at]! ^= bit;
      assert.throws(() => decodeFrozenSession(broken), FormatError, `byte ${at}`);
    }
  for (let length = 0; length < bytes.length; length++)
    assert.throws(() => decodeFrozenSession(bytes.subarray(0, length)), FormatError);
});
