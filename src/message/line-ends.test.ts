import assert from "node:assert/strict";
import { test } from "node:test";
import { concatBytes, fromLatin1, latin1 } from "#base/bytes.ts";
import { LineEndNormaliser, normaliseLineEnds } from "./line-ends.ts";

const cases: readonly [text: string, expected: string][] = [
  ["", ""],
  ["\n", "\r\n"],
  ["\r\n", "\r\n"],
  ["\n\n", "\r\n\r\n"],
  ["\r\n\n\r\n", "\r\n\r\n\r\n"],
  ["a\nb\r\nc\rd\0\n", "a\r\nb\r\nc\rd\0\r\n"],
  ["\r", "\r"],
  ["\r\r\n", "\r\r\n"],
  ["no line end", "no line end"],
  ["end in CR\r", "end in CR\r"],
];

test("bare LF becomes CRLF, bare CR and NUL stay", () => {
  for (const [text, expected] of cases)
    assert.equal(latin1(normaliseLineEnds(fromLatin1(text))), expected);
});

test("the cut of the chunks does not matter", () => {
  for (const [text, expected] of cases) {
    const bytes = fromLatin1(text);
    for (let size = 1; size <= bytes.length; size++) {
      const normaliser = new LineEndNormaliser();
      const out: Uint8Array[] = [];
      for (let at = 0; at < bytes.length; at += size)
        out.push(normaliser.push(bytes.subarray(at, at + size)));
      assert.equal(latin1(concatBytes(out)), expected);
      assert.equal(normaliser.added, expected.length - text.length);
    }
  }
});

test("bytes that are right already are not copied", () => {
  const bytes = fromLatin1("a\r\nb\r\n\r\n");
  assert.equal(normaliseLineEnds(bytes), bytes);
});

test("a message of line ends alone", () => {
  const out = normaliseLineEnds(new Uint8Array(10_000_000).fill(0x0a));
  assert.equal(out.length, 20_000_000);
  assert.equal(normaliseLineEnds(out), out);
});
