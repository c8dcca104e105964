import assert from "node:assert/strict";
import { test } from "node:test";
import { concatBytes, latin1, utf8 } from "../../base/bytes.ts";
import { DotStuffer, TopCutter } from "./dots.ts";

/** The content of a response, from pieces cut everywhere in turn. */
function stuffed(text: string): string {
  const bytes = utf8(text);
  const run = (...pieces: Uint8Array[]): string => {
    const stuffer = new DotStuffer();
    const out = pieces.map((piece) => stuffer.push(piece));
    return latin1(concatBytes([...out, stuffer.end()]));
  };
  const whole = run(bytes);
  for (let at = 0; at <= bytes.length; at++)
    assert.equal(run(bytes.subarray(0, at), bytes.subarray(at)), whole);
  assert.equal(run(...Array.from(bytes, (octet) => Uint8Array.of(octet))), whole);
  return whole;
}

test("dots at line starts are doubled, and the end is found by everybody", () => {
  assert.equal(stuffed("a\r\n"), "a\r\n.\r\n");
  assert.equal(stuffed("a"), "a\r\n.\r\n");
  assert.equal(stuffed("a\r"), "a\r\r\n.\r\n");
  assert.equal(stuffed("a\n"), "a\n\r\n.\r\n");
  assert.equal(stuffed(""), ".\r\n");
  assert.equal(stuffed("."), "..\r\n.\r\n");
  assert.equal(stuffed("\n"), "\n\r\n.\r\n");
  assert.equal(stuffed(".\r\n..\r\n.a.b\r\n a.\r\n"), "..\r\n...\r\n..a.b\r\n a.\r\n.\r\n");
  assert.equal(stuffed("\r\n.\r\n..\r\n"), "\r\n..\r\n...\r\n.\r\n");
  // Only CRLF ends a line.
  assert.equal(stuffed("a\n.\r\nb\r\n"), "a\n.\r\nb\r\n.\r\n");
  assert.equal(stuffed("\n.\n.\r."), "\n.\n.\r.\r\n.\r\n");
  assert.equal(stuffed("\r\r\n.\n\r.\r\n."), "\r\r\n..\n\r.\r\n..\r\n.\r\n");
});

test("what needs no dot is not copied", () => {
  const piece = utf8("a.b\r\nc.d\r\n");
  assert.equal(new DotStuffer().push(piece), piece);
});

function top(text: string, lines: number): string {
  const bytes = utf8(text);
  const run = (...pieces: Uint8Array[]): string => {
    const cutter = new TopCutter(lines);
    return latin1(concatBytes([new Uint8Array(0), ...pieces.map((piece) => cutter.push(piece))]));
  };
  const whole = run(bytes);
  for (let at = 0; at <= bytes.length; at++)
    assert.equal(run(bytes.subarray(0, at), bytes.subarray(at)), whole);
  assert.equal(run(...Array.from(bytes, (octet) => Uint8Array.of(octet))), whole);
  return whole;
}

test("TOP: the header, its end, and some lines", () => {
  const message = "A: b\r\n c\r\n\r\none\r\n\r\nthree\r\n";
  assert.equal(top(message, 0), "A: b\r\n c\r\n\r\n");
  assert.equal(top(message, 1), "A: b\r\n c\r\n\r\none\r\n");
  assert.equal(top(message, 2), "A: b\r\n c\r\n\r\none\r\n\r\n");
  assert.equal(top(message, 3), message);
  assert.equal(top(message, 4), message);
  assert.equal(top("A: b", 5), "A: b");
  assert.equal(top("\r\nbody\r\nmore", 1), "\r\nbody\r\n");
  assert.equal(top("A: b\n\nbody\nmore", 1), "A: b\n\nbody\n");
  assert.equal(top("A: b\r\nx\r\r\n\r\nbody", 0), "A: b\r\nx\r\r\n\r\n");
  assert.equal(top("", 3), "");
});
