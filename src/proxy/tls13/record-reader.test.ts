import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "#base/random.ts";
import { RecordReader } from "./record-reader.ts";

function record(type: number, length: number): Buffer {
  return Buffer.concat([Buffer.of(type, 3, 3, length >> 8, length & 255), Buffer.alloc(length, 9)]);
}

test("records from chunks of any size; the rest is given back as it is", () => {
  const random = seededRandom(5);
  for (let round = 0; round < 300; round++) {
    const records = Array.from({ length: 6 }, () =>
      record(20 + random.below(4), random.below(400)),
    );
    const bytes = Buffer.concat([...records, record(23, 500).subarray(0, random.below(505))]);
    const reader = new RecordReader();
    const got: Buffer[] = [];
    const stopAfter = random.below(7);
    for (let at = 0; at < bytes.length;) {
      const size = 1 + random.below(random.below(2) === 0 ? 4 : 700);
      reader.push(bytes.subarray(at, at + size));
      at += size;
      while (got.length < stopAfter) {
        const next = reader.next();
        assert.ok(typeof next !== "string");
        if (next === undefined) break;
        got.push(Buffer.from(next));
      }
    }
    assert.deepEqual(got, records.slice(0, stopAfter));
    const rest = Buffer.from(reader.takeRest());
    assert.ok(Buffer.concat([...got, rest]).equals(bytes));
    assert.equal(reader.midRecord, false);
  }
});

test("what is no record is said once, and given back", () => {
  for (const [bytes, alert] of [
    [Buffer.of(23, 3, 3, 0x41, 0x00, 1), undefined],
    [Buffer.of(23, 3, 3, 0x41, 0x01, 1), "record_overflow"],
    [Buffer.of(19, 3, 3, 0, 1, 1), "unexpected_message"],
    [Buffer.of(24, 3, 3, 0, 1, 1), "unexpected_message"],
  ] as const)
    for (const size of [1, 6]) {
      const reader = new RecordReader();
      for (let at = 0; at < bytes.length; at += size) reader.push(bytes.subarray(at, at + size));
      assert.equal(reader.next(), alert);
      assert.equal(reader.midRecord, true);
      assert.ok(Buffer.from(reader.takeRest()).equals(bytes));
    }
});
