import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "#base/random.ts";
import { cipherSuites } from "./cipher-suites.ts";
import { contentType, open, overheadBytes, plaintextBytesMax, seal } from "./record-protection.ts";
import { sealed } from "./testing.ts";
import { nextTrafficKeys, trafficKeys } from "./traffic-keys.ts";
import type { TrafficKeys } from "./traffic-keys.ts";

const random = seededRandom(8446);

for (const suite of cipherSuites) {
  const secret = random.bytes(suite.hashBytes);
  const fresh = (): TrafficKeys => trafficKeys(suite, secret);

  test(`${suite.name}: what is sealed opens again, in any pieces`, () => {
    const [writing, reading] = [fresh(), fresh()];
    for (const length of [0, 1, 100, 4_096, 4_097, plaintextBytesMax]) {
      const content = Buffer.from(random.bytes(length));
      for (const cuts of [[length], [0, length], [length >> 1, length], [1, 2, 3, length]]) {
        const pieces = cuts.map((cut, i) => content.subarray(cuts[i - 1] ?? 0, cut));
        const target = Buffer.alloc(length + overheadBytes + 7, 0xee);
        const what = { pieces, length };
        const end = seal(writing, contentType.applicationData, what, { target, at: 7 });
        assert.equal(end, target.length);
        const opened = open(reading, target.subarray(7));
        assert.ok(typeof opened !== "string");
        assert.equal(opened.type, contentType.applicationData);
        assert.ok(opened.content.equals(content));
      }
    }
    assert.equal(writing.sequence, reading.sequence);
  });

  test(`${suite.name}: any bit that changed, a wrong order, a repetition: bad_record_mac`, () => {
    const writing = fresh();
    const first = sealed(writing, 23, Buffer.from("first"));
    const second = sealed(writing, 23, Buffer.from("second"));
    for (let bit = 0; bit < first.length * 8; bit++) {
      const keys = fresh();
      const changed = Buffer.from(first);
      changed[bit >> 3]! ^= 1 << (bit & 7);
      assert.equal(open(keys, changed), "bad_record_mac");
      assert.equal(keys.sequence, 0);
    }
    const keys = fresh();
    assert.equal(open(keys, second), "bad_record_mac");
    assert.ok(typeof open(keys, first) !== "string");
    assert.equal(open(keys, first), "bad_record_mac");
    assert.ok(typeof open(keys, second) !== "string");
    for (let length = 0; length < first.length; length++)
      assert.equal(open(fresh(), first.subarray(0, length)), "bad_record_mac");
  });

  test(`${suite.name}: padding goes, zeros alone are unexpected_message`, () => {
    const [writing, reading] = [fresh(), fresh()];
    const padded = sealed(writing, 0, Buffer.from([65, 66, 0, 23, 0, 0, 0]));
    const opened = open(reading, padded);
    assert.ok(typeof opened !== "string");
    assert.deepEqual([opened.type, [...opened.content]], [23, [65, 66, 0]]);
    assert.equal(open(reading, sealed(writing, 0, Buffer.alloc(300))), "unexpected_message");
    assert.equal(open(reading, sealed(writing, 0, Buffer.alloc(0))), "unexpected_message");
  });

  test(`${suite.name}: sequence numbers above 2^32, and keys after a KeyUpdate`, () => {
    let [writing, reading] = [fresh(), fresh()];
    writing.sequence = reading.sequence = 2 ** 32 + 5;
    const big = sealed(writing, 23, Buffer.from("big"));
    assert.equal(open({ ...fresh(), sequence: 5 }, big), "bad_record_mac");
    assert.ok(typeof open(reading, big) !== "string");
    [writing, reading] = [nextTrafficKeys(writing), nextTrafficKeys(reading)];
    assert.equal(writing.sequence, 0);
    assert.ok(typeof open(reading, sealed(writing, 23, Buffer.from("new"))) !== "string");
    assert.equal(open(fresh(), sealed(writing, 23, Buffer.from("new"))), "bad_record_mac");
  });
}
