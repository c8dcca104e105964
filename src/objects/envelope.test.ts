import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32 } from "#base/crc.ts";
import { hex } from "#base/bytes.ts";
import { type EnvelopeFault, EnvelopeError, encodeEnvelope, readEnvelope } from "./envelope.ts";

const storeId = new Uint8Array(16).map((_, i) => i + 1);
const expected = { storeId, kinds: ["head", "pack"] as const, version: 2 };
const sample = (): Uint8Array => encodeEnvelope({ kind: "pack", version: 2, storeId, keyId: 0 });

/** Changes bytes and makes the checksum right again. */
function altered(at: number, value: number): Uint8Array {
  const bytes = sample();
  bytes[at] = value;
  Buffer.from(bytes.buffer).writeUInt32LE(crc32(bytes.subarray(0, 28)), 28);
  return bytes;
}

function faultOf(bytes: Uint8Array): EnvelopeFault {
  try {
    readEnvelope(bytes, expected);
  } catch (error) {
    assert.ok(error instanceof EnvelopeError);
    assert.ok(error.message.length > 20);
    return error.fault;
  }
  return assert.fail("was accepted");
}

test("an envelope is written as documented and read back", () => {
  assert.equal(
    hex(sample()).slice(0, 56),
    // Magic, version, kind, store id, key id.
    ["524f5354", "0200", "1300", "0102030405060708090a0b0c0d0e0f10", "00000000"].join(""),
  );
  const envelope = readEnvelope(sample(), expected);
  assert.deepEqual(
    { ...envelope, storeId: hex(envelope.storeId) },
    {
      kind: "pack",
      version: 2,
      storeId: hex(storeId),
      keyId: 0,
    },
  );
  assert.equal(readEnvelope(altered(4, 1), expected).version, 1);
});

test("what is not expected is refused with its reason", () => {
  assert.equal(faultOf(new Uint8Array(0)), "damaged");
  assert.equal(faultOf(sample().subarray(0, 31)), "damaged");
  assert.equal(faultOf(new Uint8Array(64)), "damaged");
  assert.equal(faultOf(altered(4, 3)), "version");
  assert.equal(faultOf(altered(4, 0)), "version");
  assert.equal(faultOf(altered(6, 200)), "kind");
  assert.equal(faultOf(altered(6, 18)), "kind");
  assert.equal(faultOf(altered(8, 77)), "store");
  assert.equal(faultOf(altered(24, 1)), "encrypted");
  for (let at = 0; at < 32; at++) {
    const bytes = sample();
    bytes[at]! ^= 0x10;
    assert.equal(faultOf(bytes), "damaged", `byte ${at}`);
  }
});
