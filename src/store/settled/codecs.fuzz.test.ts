import assert from "node:assert/strict";
import { test } from "node:test";
import type { Epoch } from "#base/brand.ts";
import { ByteReader, FormatError, concatBytes } from "#base/bytes.ts";
import { systemClock } from "#base/clock.ts";
import { type Random, seededRandom } from "#base/random.ts";
import { storeSmallBody } from "../bodies/compression.ts";
import { PackWriter, decodePackTable, scanEntries } from "../bodies/pack-codec.ts";
import { decodeEntry } from "../bodies/pack-entry.ts";
import { decodeUnit } from "../index/change-codec.ts";
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
import { checkKeys, encodeKeys } from "./keys-codec.ts";
import { cutSnapshot, decodeSnapshot, encodeSnapshot } from "./snapshot-codec.ts";

const storeId = new Uint8Array(16).fill(7);
const epoch = 3 as Epoch;
const position = { segment: 5, batch: 6, index: 7 };
const expected = { id: alice, storeId };

/** Sound bytes of each format. */
async function samples(): Promise<Record<string, Uint8Array>> {
  const fixture = new StoreFixture({ seed: 11 });
  await fixture.open();
  const account = await fixture.account();
  for (let i = 0; i < 60; i++) {
    changeSomething(account, fixture.random);
    if (i % 20 === 19) deliverToAll([account], makeMessage(fixture.random));
  }
  await account.durable();
  const { state } = account;
  const { units } = fixture.store.tails.get(alice)!;
  const cut = cutSnapshot(state);
  const origin = { epoch, position, storeId };
  const writer = new PackWriter(storeId, "pack");
  const info = {
    message: 1,
    internalDate: 1,
    sentDate: 1,
    thread: 1,
    messageIdHash: 1,
    places: [],
  };
  const body = fixture.random.bytes(300);
  writer.add(info, storeSmallBody(body, 0), body);
  const named = { name: "snapshot-x", bytes: 4 };
  const head = { id: alice, epoch, position, modseq: 1, snapshot: named, deltas: [], packs: [] };
  const keys = await account.keys.readAll(new Slices(systemClock).rest);
  const span = { fromModseq: 0, toModseq: 9, count: units.length };
  await fixture.close(false);
  return {
    snapshot: concatBytes(await encodeSnapshot(cut, origin, new Slices(systemClock))),
    keys: concatBytes(await encodeKeys({ state, keys, storeId }, new Slices(systemClock))),
    delta: encodeDelta({ id: alice, epoch, position, ...span }, units, storeId),
    head: encodeHead({ ...head, mailboxes: summariesOf(state) }, storeId),
    pack: concatBytes((await writer.finish(new Slices(systemClock))).pieces),
    entry: concatBytes((await writer.finish(new Slices(systemClock))).pieces.slice(1, 3)),
    unit: concatBytes(units.slice(1, 2).map(({ unit }) => unit)),
  };
}

const decoders: Record<string, (bytes: Uint8Array) => unknown> = {
  snapshot: (bytes) => decodeSnapshot(bytes, expected),
  keys: (bytes) => checkKeys(bytes, storeId),
  delta: (bytes) => decodeDelta(bytes, expected),
  head: (bytes) => decodeHead(bytes, expected),
  pack: (bytes) => [...scanEntries(bytes), decodePackTable(bytes, storeId)],
  entry: (bytes) => decodeEntry(bytes),
  unit: (bytes) => decodeUnit(new ByteReader(bytes)),
};

function damaged(bytes: Uint8Array, random: Random): Uint8Array {
  const copy = bytes.slice(0, random.below(3) === 0 ? random.below(bytes.length) : bytes.length);
  for (let i = random.below(3); i >= 0 && copy.length > 0; i--)
    copy[random.below(copy.length)] = random.below(256);
  return copy;
}

test("decoders throw nothing but FormatError, whatever they are given", async () => {
  const sound = await samples();
  const random = seededRandom(12);
  for (const [name, decode] of Object.entries(decoders)) {
    decode(sound[name]!);
    for (let i = 0; i < 2_000; i++) {
      const bytes = i % 10 === 0 ? random.bytes(random.below(200)) : damaged(sound[name]!, random);
      try {
        decode(bytes);
      } catch (error) {
        const isFormat = error instanceof FormatError;
        assert.ok(isFormat, `${name}, case ${i}: ${(error as Error).stack}`);
      }
    }
  }
});
