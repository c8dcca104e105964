import assert from "node:assert/strict";
import { test } from "node:test";
import { fromLatin1, latin1 } from "../../base/bytes.ts";
import { seededRandom } from "../../base/random.ts";
import { InputBuffer } from "../input.ts";
import { BareLineEnds, DotDecoder } from "./dots.ts";

test("A text full of dots comes in few pieces", () => {
  const input = new InputBuffer();
  const dots = new DotDecoder();
  const line = "..\r\n";
  input.push(fromLatin1(line.repeat(20_000)));
  let pieces = 0;
  let text = "";
  for (let piece = dots.next(input); piece !== "more"; piece = dots.next(input)) {
    assert.ok(piece !== "end");
    pieces++;
    text += latin1(piece);
  }
  assert.equal(text, ".\r\n".repeat(20_000));
  assert.ok(pieces <= 3, `${pieces} pieces`);
});

test("So does one whose dots are followed by a bare CR", () => {
  const input = new InputBuffer();
  const dots = new DotDecoder();
  input.push(fromLatin1(".\rX\r\n".repeat(20_000)));
  let pieces = 0;
  while (dots.next(input) !== "more") pieces++;
  assert.ok(pieces <= 5, `${pieces} pieces`);
});

test("Bare line ends agree with their definition", () => {
  const random = seededRandom(31);
  const alphabet = ["\r", "\n", "\r\n", "a"];
  for (let round = 0; round < 3_000; round++) {
    const ends = new BareLineEnds();
    let text = "";
    for (let n = random.below(6); n > 0; n--) {
      let piece = "";
      for (let m = random.below(6); m > 0; m--) piece += alphabet[random.below(4)]!;
      ends.scan(Buffer.from(piece));
      text += piece;
    }
    assert.equal(ends.bareCr, /\r(?!\n)/.test(text), JSON.stringify(text));
    assert.equal(ends.bareLf, /(?<!\r)\n/.test(text), JSON.stringify(text));
  }
});
