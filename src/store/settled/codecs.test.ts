import assert from "node:assert/strict";
import { test } from "node:test";
import type { AccountId, Epoch, MailboxNumber } from "#base/brand.ts";
import { concatBytes } from "#base/bytes.ts";
import { systemClock } from "#base/clock.ts";
import { crc32 } from "#base/crc.ts";
import { limits } from "#base/limits.ts";
import { seededRandom } from "#base/random.ts";
import { restoreBody, storeBody } from "../bodies/compression.ts";
import { PackWriter, checkedFields, decodePackTable, scanEntries } from "../bodies/pack-codec.ts";
import { decodeEntry } from "../bodies/pack-entry.ts";
import { differenceOf } from "../index/difference.ts";
import { AccountState } from "../index/account-state.ts";
import { Slices } from "../slices.ts";
import {
  StoreFixture,
  alice,
  changeSomething,
  deliverToAll,
  makeMessage,
} from "../store-fixture.contract.ts";
import { decodeDelta, encodeDelta } from "./delta-codec.ts";
import { decodeHead, encodeHead, summariesOf } from "./head-codec.ts";
import { accountFolder, objectName, parseObjectKey, parseObjectName } from "./names.ts";
import { rollForward } from "./roll-forward.ts";
import { cutSnapshot, decodeSnapshot, encodeSnapshot } from "./snapshot-codec.ts";

const storeId = new Uint8Array(16).fill(7);
const epoch = 3 as Epoch;
const position = { segment: 5, batch: 6, index: 7 };
const slices = (): Slices => new Slices(systemClock);

/** A state after many random changes, with a journal. */
async function changedFixture(seed: number): Promise<StoreFixture> {
  const fixture = new StoreFixture({ seed });
  await fixture.open();
  const account = await fixture.account();
  for (let i = 0; i < 150; i++) {
    changeSomething(account, fixture.random);
    if (i % 20 === 19) deliverToAll([account], makeMessage(fixture.random));
  }
  await account.durable();
  return fixture;
}

test("a snapshot gives the same state, journaled contents included", async () => {
  let freeRows = 0;
  let shared = 0;
  for (let seed = 1; seed <= 10; seed++) {
    const fixture = await changedFixture(seed);
    const { state } = await fixture.account();
    assert.ok(state.journaled.size > 0);
    shared += [...state.journaled.values()].filter(({ prefix }) => prefix.length > 0).length;
    freeRows += state.freeRows.length;
    const cut = cutSnapshot(state);
    const pieces = await encodeSnapshot(cut, { epoch, position, storeId }, slices());
    const whole = concatBytes(pieces);
    // Room that was made before, enough or not, changes nothing.
    const tables = [state.messages, ...[...state.mailboxes.values()].map(({ rows }) => rows)];
    const room = new Map<object, Uint8Array>();
    for (const table of tables)
      room.set(table, new Uint8Array(fixture.random.below(100 + table.count * 100)));
    const roomy = await encodeSnapshot(
      cutSnapshot(state, room),
      { epoch, position, storeId },
      slices(),
    );
    assert.deepEqual(concatBytes(roomy), whole);
    const decoded = decodeSnapshot(whole, { id: alice, storeId });
    assert.equal(differenceOf(state, decoded.state), undefined);
    assert.deepEqual([decoded.epoch, decoded.position], [epoch, position]);
    // Whatever the alignment of the bytes is.
    const shifted = new Uint8Array(whole.length + 3);
    shifted.set(whole, 3);
    const again = decodeSnapshot(shifted.subarray(3), { id: alice, storeId });
    assert.equal(differenceOf(state, again.state), undefined);
    await fixture.close(false);
  }
  assert.ok(freeRows > 0);
  assert.ok(shared > 0);
});

test("a state is the same after snapshot, delta and the records behind them", async () => {
  for (let seed = 1; seed <= 15; seed++) {
    const fixture = await changedFixture(seed);
    const account = await fixture.account();
    const { units } = fixture.store.tails.get(alice)!;
    const random = seededRandom(seed);
    const first = random.below(units.length);
    const second = first + random.below(units.length - first);
    const base = new AccountState(alice);
    await rollForward(base, units.slice(0, first), slices());
    const cut = await encodeSnapshot(cutSnapshot(base), { epoch, position, storeId }, slices());
    const { state } = decodeSnapshot(concatBytes(cut), { id: alice, storeId });
    const span = { fromModseq: base.modseq, toModseq: 0, count: second - first };
    const bytes = encodeDelta(
      { id: alice, epoch, position, ...span },
      units.slice(first, second),
      storeId,
    );
    const delta = decodeDelta(bytes, { id: alice, storeId });
    assert.equal(delta.damage, undefined);
    assert.equal(await rollForward(state, delta.units, slices()), second - first);
    await rollForward(state, units, slices());
    assert.equal(differenceOf(account.state, state), undefined, `seed ${seed}`);
    await fixture.close(false);
  }
});

test("records are not applied behind a gap", async () => {
  const fixture = await changedFixture(1);
  const { units } = fixture.store.tails.get(alice)!;
  const state = new AccountState(alice);
  const gapped = [...units.slice(0, 10), ...units.slice(11)];
  assert.equal(await rollForward(state, gapped, slices()), 10);
  await fixture.close(false);
});

test("a delta that is damaged gives the records before the damage", async () => {
  const fixture = await changedFixture(2);
  const { units } = fixture.store.tails.get(alice)!;
  const span = { fromModseq: 0, toModseq: 9, count: units.length };
  const bytes = encodeDelta({ id: alice, epoch, position, ...span }, units, storeId);
  bytes[bytes.length - 1]! ^= 1;
  const delta = decodeDelta(bytes, { id: alice, storeId });
  assert.equal(delta.units.length, units.length - 1);
  assert.ok(delta.damage !== undefined);
  await fixture.close(false);
});

test("a head says what it was given", async () => {
  const fixture = await changedFixture(3);
  const { state } = await fixture.account();
  const head = {
    id: alice,
    epoch,
    position,
    modseq: state.modseq,
    snapshot: { name: "snapshot-x", bytes: 4 },
    deltas: [{ name: "delta-x", bytes: 5 }],
    packs: [{ name: "pack-x", bytes: 2 ** 40 }],
    mailboxes: summariesOf(state),
  };
  assert.deepEqual(decodeHead(encodeHead(head, storeId), { id: alice, storeId }), head);
  assert.throws(() => decodeHead(encodeHead(head, storeId), { id: "bob" as AccountId, storeId }), {
    name: "FormatError",
  });
  await fixture.close(false);
});

test("a pack gives back messages, cached fields and places", async () => {
  const random = seededRandom(4);
  const writer = new PackWriter(storeId, "pack");
  const sizes = [0, 10, 5_000, 90_000, limits.compressBlockBytes + 1, 900_000];
  const bodies = sizes.map((size, i) => {
    const body = i % 2 === 0 ? random.bytes(size) : new Uint8Array(size).fill(65);
    return body;
  });
  const place = {
    mailbox: 1 as MailboxNumber,
    name: "INBOX",
    uidValidity: 9,
    uid: 8,
    bits: 3,
    keywords: ["Work", "ünicode"],
    savedAt: 77,
    uidl: "u1",
  };
  const info = { internalDate: 5, sentDate: Number.NaN, thread: 4, messageIdHash: 2 ** 51 };
  for (const [i, body] of bodies.entries()) {
    const stored = await storeBody(body, crc32(body), slices());
    if (i % 2 === 1 && body.length > 1000) assert.ok(stored.stored.length < body.length / 10);
    writer.add({ message: i + 1, ...info, places: [place] }, stored, random.bytes(i * 100));
  }
  const { pieces, added } = await writer.finish(slices());
  const bytes = Buffer.from(concatBytes(pieces));
  assert.equal(bytes.length, added.bytes);
  const table = decodePackTable(bytes, storeId);
  assert.deepEqual(table.entries, added.entries);
  const scanned = [...scanEntries(bytes)];
  assert.deepEqual(
    scanned.map(({ offset }) => offset),
    table.entries.map(({ offset }) => offset),
  );
  for (const [i, { offset, length, fieldsOffset, fieldsLength }] of table.entries.entries()) {
    const entry = decodeEntry(bytes.subarray(offset, offset + length));
    assert.deepEqual(Buffer.from(await restoreBody(entry, slices())), Buffer.from(bodies[i]!));
    assert.deepEqual(entry.places, [place]);
    assert.equal(entry.message, i + 1);
    assert.equal(entry.messageIdHash, info.messageIdHash);
    assert.equal(checkedFields({ bytes, at: 0 }, fieldsOffset, fieldsLength).length, i * 100);
  }
});

test("names say what they were made of, and sort like it", () => {
  const random = seededRandom(5);
  const names = [1, 2, 0x10, 0x1000].map((modseq) =>
    objectName({ kind: "delta", epoch, modseq }, random),
  );
  assert.deepEqual([...names].sort(), names);
  assert.deepEqual(parseObjectName(names[2]!), { kind: "delta", epoch, modseq: 16 });
  const keys = objectName({ kind: "keys", epoch, messages: 0x100 }, random);
  assert.deepEqual(parseObjectName(keys), { kind: "keys", epoch, messages: 256 });
  const head = objectName({ kind: "head", epoch, position }, random);
  assert.deepEqual(parseObjectName(head), { kind: "head", epoch, position });
  assert.equal(parseObjectName("delta-00000001-0.0-abc"), undefined);
  assert.equal(parseObjectName("note.txt"), undefined);
  assert.deepEqual(parseObjectKey(`${accountFolder(alice)}${head}`), { id: alice, name: head });
});
