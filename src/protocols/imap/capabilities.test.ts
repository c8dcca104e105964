import assert from "node:assert/strict";
import { test } from "node:test";
import { Bug } from "#base/assert.ts";
import { capabilityNames, servedCapabilities } from "./capabilities.ts";
import { capabilities } from "./command-table.ts";

test("A capability needs all of its commands", () => {
  const move = { name: "MOVE", state: "selected", capabilities: ["MOVE"] } as const;
  const copy = { name: "COPY", state: "selected", capabilities: ["UIDPLUS"] } as const;
  const served = servedCapabilities([move, copy]);
  assert.ok(served.includes("MOVE"));
  assert.ok(!served.includes("UIDPLUS"));
  assert.ok(!served.includes("IMAP4rev1"));
});

test("A command cannot declare what does not count on it", () => {
  for (const capability of ["X-FROB", "IDLE", "toString"])
    assert.throws(
      () => servedCapabilities([{ name: "MOVE", state: "selected", capabilities: [capability] }]),
      Bug,
    );
});

test("Everything is served", () => {
  const announced = capabilities.map((name) => name.replace(/^APPENDLIMIT=\d+$/, "APPENDLIMIT"));
  const missing = capabilityNames.filter((name) => !announced.includes(name));
  // RFC 9394 is decoded and may be served later.
  assert.deepEqual(
    missing.filter((name) => name !== "PARTIAL"),
    [],
  );
});
