import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteWriter, FormatError } from "#base/bytes.ts";
import { crc32 } from "#base/crc.ts";
import { seededRandom } from "#base/random.ts";
import { decodeFrozenSession, encodeFrozenSession } from "./frozen-session.ts";

test("bytes with a right checksum and anything before it are read or refused", () => {
  const random = seededRandom(5);
  let read = 0;
  for (let i = 0; i < 20_000; i++) {
    const out = new ByteWriter(64);
    out.u8(1).u8(random.below(128));
    for (let texts = 0; texts < 2; texts++) out.text("abc".slice(random.below(4)));
    out.raw(random.bytes(random.below(40)));
    out.u32(crc32(out.view()));
    try {
      const session = decodeFrozenSession(out.take());
      // What can be read can be written and read again.
      assert.deepEqual(decodeFrozenSession(encodeFrozenSession(session)), session);
      read++;
    } catch (error) {
      assert(error instanceof FormatError, `round ${i}: ${String(error)}`);
    }
  }
  assert(read > 0);
});
