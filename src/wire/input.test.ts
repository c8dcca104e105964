import assert from "node:assert/strict";
import { test } from "node:test";
import { fromLatin1, latin1 } from "../base/bytes.ts";
import { seededRandom } from "../base/random.ts";
import { InputBuffer } from "./input.ts";

test("Octets come out as they went in, and views stay what they were", () => {
  const random = seededRandom(41);
  const input = new InputBuffer();
  const views: Uint8Array[] = [];
  let pushed = "";
  for (let n = 0; n < 3_000; n++) {
    const chunk = Buffer.from(random.bytes(random.below(40)));
    pushed += latin1(chunk);
    input.push(chunk);
    if (random.below(3) > 0) views.push(input.take(random.below(input.length + 1)));
    input.release();
  }
  views.push(input.take(input.length));
  assert.equal(views.map((view) => latin1(view)).join(""), pushed);
  assert.equal(input.total, pushed.length);
});

test("What lies beyond the end is not found", () => {
  const input = new InputBuffer();
  input.push(fromLatin1("ab"));
  input.push(fromLatin1("c\n"));
  assert.equal(input.lineFeed(input.start), input.start + 3);
  input.take(4);
  assert.equal(input.lineFeed(input.start), -1);
  input.release();
  assert.equal(input.bytes.length, 0);
});
