/** Whatever a peer sends, with its keys or without: data or an end, nothing thrown, nothing kept. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "#base/clock.ts";
import { FormatError, noBytes } from "#base/bytes.ts";
import { seededRandom, systemRandom } from "#base/random.ts";
import { cipherSuites } from "./cipher-suites.ts";
import { RecordLayer } from "./record-layer.ts";
import { RecordReader } from "./record-reader.ts";
import { decodeTls13State, encodeTls13State } from "./state.ts";
import { sealed } from "./testing.ts";
import { nextTrafficKeys, trafficKeys } from "./traffic-keys.ts";

const rounds = 3_000;

test("random records, genuine and not", () => {
  const seed = systemRandom.below(2 ** 32);
  const random = seededRandom(seed);
  const seen = new Set<string>();
  for (let round = 0; round < rounds; round++) {
    const suite = cipherSuites[random.below(3)]!;
    const secret = random.bytes(suite.hashBytes);
    let keys = trafficKeys(suite, secret);
    const state = {
      read: trafficKeys(suite, secret),
      write: trafficKeys(suite, secret),
      keyUpdateOwed: false,
      emptyRecords: 0,
      partialMessage: noBytes,
    };
    let layer = new RecordLayer(state, systemClock);
    const reader = new RecordReader();
    for (let step = 0; step < 20; step++) {
      const type = [0, 20, 21, 22, 22, 23, 23, 23, 99][random.below(9)]!;
      const updates = random.below(4) === 0;
      const content = updates
        ? Buffer.of(24, 0, 0, 1, random.below(3))
        : type === 21 && random.below(2) === 0
          ? Buffer.of(1, 0)
          : random.bytes(random.below(9));
      const bytes = sealed(keys, updates ? 22 : type, content);
      if (updates && content[4]! < 2) keys = nextTrafficKeys(keys);
      if (random.below(16) === 0) bytes[random.below(bytes.length)]! ^= 1 << random.below(8);
      const cut = random.below(bytes.length);
      reader.push(bytes.subarray(0, cut));
      reader.push(bytes.subarray(cut));
      const record = reader.next();
      if (record === undefined) continue;
      if (typeof record === "string") {
        seen.add(record);
        break;
      }
      const received = layer.receive(record);
      seen.add(received.kind === "failed" ? String(received.alert) : received.kind);
      if (received.kind === "closed" || received.kind === "failed") {
        layer.sealAlert("close_notify");
        break;
      }
      if (random.below(3) === 0)
        layer = new RecordLayer(decodeTls13State(encodeTls13State(layer.state)), systemClock);
      if (random.below(3) === 0) layer.seal([random.bytes(random.below(40))]);
    }
  }
  const all = ["data", "nothing", "closed", "bad_record_mac", "unexpected_message", "undefined"];
  for (const kind of all)
    assert.ok(seen.has(kind), `seed ${seed}: no ${kind} in ${[...seen].join()}`);
});

test("random states", () => {
  const seed = systemRandom.below(2 ** 32);
  const random = seededRandom(seed);
  for (let round = 0; round < rounds; round++) {
    const bytes = random.bytes(random.below(230));
    bytes.set(
      [1, 1 + random.below(4), 0x13, random.below(2), random.below(40)].slice(0, bytes.length),
    );
    try {
      const state = decodeTls13State(bytes);
      assert.deepEqual(encodeTls13State(state), bytes, `seed ${seed}`);
    } catch (error) {
      if (!(error instanceof FormatError)) throw new Error(`seed ${seed}`, { cause: error });
    }
  }
});
