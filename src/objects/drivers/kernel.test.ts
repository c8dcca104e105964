import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { giveMemoryBack } from "./kernel.ts";

const skip =
  process.platform === "linux" && readFileSync("/proc/self/maps", "latin1").includes("/libc.so.6")
    ? false
    : "only glibc keeps freed memory";

test("memory that was freed goes back to the system", { skip }, () => {
  // Small buffers come from malloc's heap, which shrinks from its end only: one stays at each end.
  let many: ArrayBuffer[] = Array.from({ length: 2_000 }, () => new ArrayBuffer(16_384));
  for (const buffer of many) new Uint8Array(buffer).fill(1);
  const last = new ArrayBuffer(16_384);
  many = many.map((buffer) => buffer.transfer(0));
  const before = process.memoryUsage.rss();
  giveMemoryBack();
  const given = before - process.memoryUsage.rss();
  assert.ok(given > 16_000_000, `${given} bytes of 32 MB were given back`);
  assert.equal(many.length + last.byteLength, 2_000 + 16_384);
});
