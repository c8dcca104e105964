import assert from "node:assert/strict";
import { test } from "node:test";
import { ProgressBar } from "./progress-bar.ts";
import { bytesText } from "./terminal.ts";

test("sizes are short", () => {
  const texts = [0, 999, 1_000, 1_549, 99_400, 99_600, 999_600, 2e9, 5e15].map(bytesText);
  assert.deepEqual(texts, [
    "0 B",
    "999 B",
    "1.0 kB",
    "1.5 kB",
    "99.4 kB",
    "100 kB",
    "1.0 MB",
    "2.0 GB",
    "5000 TB",
  ]);
});

test("a progress bar draws only what changes, and leaves nothing behind", () => {
  const written: string[] = [];
  const stream = { columns: 80, write: (text: string) => written.push(text) };
  const bar = new ProgressBar("Work", stream as unknown as NodeJS.WriteStream);
  bar.show(0, 1000);
  bar.show(1, 1000);
  bar.show(500, 1000);
  bar.end();
  bar.end();
  assert.equal(written.length, 3);
  assert.match(written[1] ?? "", /Work {2}█{15}░{15} {2}50 %$/);
  assert.equal(written[2], "\r\u001b[K");
  new ProgressBar("Work", undefined).show(1, 2);
});
