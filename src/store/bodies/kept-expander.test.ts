import assert from "node:assert/strict";
import { test } from "node:test";
import { zstdCompressSync } from "node:zlib";
import { FormatError } from "#base/bytes.ts";
import { limits } from "#base/limits.ts";
import { seededRandom } from "#base/random.ts";
import { expand, expandInto } from "./compression.ts";
import { keptExpander } from "./kept-expander.ts";

const into = Buffer.allocUnsafe(limits.lentBodyBytesMax + 1);

test("this runtime has a decompressor that can be kept", () => {
  assert(keptExpander() !== undefined);
});

test("frames expand to what they were, one after the other", () => {
  const random = seededRandom(3);
  for (let i = 0; i < 300; i++) {
    const words = Array.from({ length: 40 }, () => Buffer.from(random.bytes(8)).toString("hex"));
    const text = Buffer.from(
      Array.from({ length: random.below(2_000) }, () => words[random.below(40)]).join(" "),
    );
    const frame = zstdCompressSync(text);
    assert(text.equals(expandInto(frame, text.length, into)), `round ${i}`);
    assert(text.equals(expand(frame, text.length)));
  }
});

test("a frame that is broken, cut, or of another length is refused; the next one is not", () => {
  const random = seededRandom(4);
  const text = Buffer.from("Some words that come again and again. ".repeat(500));
  const frame = zstdCompressSync(text);
  for (let i = 0; i < 300; i++) {
    const broken = Buffer.from(frame.subarray(0, 1 + random.below(frame.length)));
    if (broken.length === frame.length) broken[random.below(4)]! ^= 1 + random.below(255);
    assert.throws(() => expandInto(broken, text.length, into), FormatError, `round ${i}`);
    if (i % 10 === 0) assert(text.equals(expandInto(frame, text.length, into)));
  }
  assert.throws(() => expandInto(frame, text.length - 1, into), FormatError);
  assert.throws(() => expandInto(frame, text.length + 1, into), FormatError);
  const trailing = Buffer.concat([frame, Buffer.from("more")]);
  assert.throws(() => expandInto(trailing, text.length, into), FormatError);
});
