import assert from "node:assert/strict";
import { test } from "node:test";
import { normalDomain, normalName, splitDetail } from "./names.ts";

test("normal names", () => {
  const cases: readonly (readonly [string, string | undefined])[] = [
    ["alice", "alice"],
    ["Alice@Example.ORG", "alice@example.org"],
    ["alice@example.org.", "alice@example.org"],
    ["a@b@example.org", "a@b@example.org"],
    ["Jose\u0301@b\u00fccher.example", "jos\u00e9@xn--bcher-kva.example"],
    ["jos\u00e9@XN--BCHER-KVA.example", "jos\u00e9@xn--bcher-kva.example"],
    ["", undefined],
    ["@example.org", undefined],
    ["alice@", undefined],
    ["alice@.", undefined],
    ["alice@example..org", undefined],
    ["alice@example.org\u3002", "alice@example.org"],
    ["al ice", undefined],
    ["alice\0", undefined],
    ["alice\u2028", undefined],
    ["\ud800", undefined],
    ["a".repeat(321), undefined],
  ];
  for (const [text, normal] of cases) assert.equal(normalName(text), normal, text);
  for (const [, normal] of cases)
    if (normal !== undefined) assert.equal(normalName(normal), normal, "stays as it is");
  assert.equal(normalDomain("a@b"), undefined);
});

test("details", () => {
  assert.deepEqual(splitDetail("a+b+c@d"), { base: "a@d", detail: "b+c" });
  assert.deepEqual(splitDetail("a+b"), { base: "a", detail: "b" });
  assert.deepEqual(splitDetail("a+@d"), { base: "a@d", detail: "" });
  assert.equal(splitDetail("+a@d"), undefined);
  assert.equal(splitDetail("a@d+e"), undefined);
});
