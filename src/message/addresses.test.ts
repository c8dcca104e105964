import assert from "node:assert/strict";
import { test } from "node:test";
import { parseAddresses } from "./addresses.ts";
import type { Address } from "./addresses.ts";

/** `name|route|mailbox|host`; `-` for what is absent. */
function shown(addresses: readonly Address[]): string[] {
  return addresses.map((a) =>
    [a.name, a.route, a.mailbox, a.host].map((value) => value ?? "-").join("|"),
  );
}

const cases: readonly [field: string, expected: string[]][] = [
  ["", []],
  ["   ,, , ", []],
  ["a@b.example", ["-|-|a|b.example"]],
  ["<a@b.example>", ["-|-|a|b.example"]],
  ["Alice <a@b.example>", ["Alice|-|a|b.example"]],
  ["Alice Example<a@b.example>", ["Alice Example|-|a|b.example"]],
  ["  Alice \t  Example  <a@b.example>", ["Alice Example|-|a|b.example"]],
  ['"Example, Alice" <a@b.example>', ["Example, Alice|-|a|b.example"]],
  ['"A \\"B\\" \\\\C" <a@b.example>', ['A "B" \\C|-|a|b.example']],
  ["John Q. Public <j@b.example>", ["John Q. Public|-|j|b.example"]],
  ["a@b.example (Alice (really))", ["Alice (really)|-|a|b.example"]],
  ["a (comment) @ b . example", ["comment|-|a|b.example"]],
  ["Alice (comment) <a@b.example>", ["Alice|-|a|b.example"]],
  ["a@b.example, c@d.example", ["-|-|a|b.example", "-|-|c|d.example"]],
  ["a.b.c@d.example", ["-|-|a.b.c|d.example"]],
  ["a . b @ c.example", ["-|-|a . b|c.example"]],
  ['"a b"@c.example', ["-|-|a b|c.example"]],
  ["<@r1.example,@r2.example:a@b.example>", ["-|@r1.example,@r2.example|a|b.example"]],
  ["a@[192.0.2.1]", ["-|-|a|[192.0.2.1]"]],
  ["a@[IPv6:2001:db8::1], b@c", ["-|-|a|[IPv6:2001:db8::1]", "-|-|b|c"]],
  ["root", ["-|-|root|"]],
  [
    "Group: a@b.example, c@d.example;",
    ["-|-|Group|-", "-|-|a|b.example", "-|-|c|d.example", "-|-|-|-"],
  ],
  ["undisclosed-recipients:;", ["-|-|undisclosed-recipients|-", "-|-|-|-"]],
  ["Not closed: a@b.example", ["-|-|Not closed|-", "-|-|a|b.example", "-|-|-|-"]],
  ["G:;, a@b", ["-|-|G|-", "-|-|-|-", "-|-|a|b"]],
  ["=?utf-8?q?J=C3=B6rg?= <j@b.example>", ["=?utf-8?q?J=C3=B6rg?=|-|j|b.example"]],
  ["=?utf-8?q?a?= =?utf-8?q?b?= <j@b>", ["=?utf-8?q?a?= =?utf-8?q?b?=|-|j|b"]],
  ["<a (one) (two) @b.example>", ["two|-|a|b.example"]],
  ["<a@b.example", ["-|-|a|b.example"]],
  ["Alice <a@b.example> trailing", ["Alice trailing|-|a|b.example"]],
  ["Alice <>", ["Alice|-||"]],
  ["a@b@c.example", ["-|-|a|b"]],
  ['"not closed <a@b.example>', ["-|-|not closed <a@b.example>|"]],
  ["(only a comment)", []],
  ["a@b; c@d", ["-|-|a|b", "-|-|c|d"]],
  [": ;", ["-|-||-", "-|-|-|-"]],
  ["J\xf6rg <j@b>", ["J\xf6rg|-|j|b"]],
];

test("address lists", () => {
  for (const [field, expected] of cases)
    assert.deepEqual(shown(parseAddresses(field)), expected, field);
});

test("the number of addresses is bounded, and an open group is closed", () => {
  const many = parseAddresses("G: " + "a@b, ".repeat(5000), 10);
  assert.equal(many.length, 11);
  assert.deepEqual(shown(many.slice(-1)), ["-|-|-|-"]);
});

test("hostile nesting is read in one pass", () => {
  for (const piece of ["(", "<", "[", '"', "<@", ":", ";", "\\", "a@"])
    parseAddresses(piece.repeat(60_000));
});
