import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "#base/random.ts";
import { NamePattern } from "./name-pattern.ts";

test("Wildcards, levels, and INBOX in any case", () => {
  const cases: readonly [pattern: string, names: string, others: string][] = [
    ["a", "a", "A b aa a/b"],
    ["*", "a a/b INBOX INBOX/x", ""],
    ["%", "a INBOX", "a/b"],
    ["%/%", "a/b", "a a/b/c"],
    ["a*c", "ac abc a/b/c", "acb"],
    ["a%c", "ac abc", "a/c a/bc"],
    ["%*", "a a/b", ""],
    ["%%%", "a abc", "a/b"],
    ["inbox", "INBOX", "INBOX/x inboxes"],
    ["iNbOx/%", "INBOX/x", "INBOX"],
    ["i%", "INBOX inside", "INBOX/x"],
    ["inbox*", "INBOX INBOX/x", "inboxes"],
    ["", "", "a"],
  ];
  for (const [pattern, names, others] of cases) {
    const matcher = new NamePattern(pattern);
    for (const name of names.split(" ")) assert.ok(matcher.matches(name), `${pattern} ${name}`);
    for (const name of others.split(" ").filter((name) => name !== ""))
      assert.ok(!matcher.matches(name), `${pattern} ${name}`);
  }
});

test("It says the same as a regular expression", () => {
  const random = seededRandom(5);
  const text = (alphabet: string, length: number): string =>
    Array.from({ length }, () => alphabet[random.below(alphabet.length)]!).join("");
  for (let round = 0; round < 5_000; round++) {
    const pattern = text("ab/*%", random.below(8));
    const name = text("ab/", random.below(8));
    const source = pattern.replaceAll("*", "[^]*").replaceAll("%", "[^/]*");
    const expected = new RegExp(`^${source}$`).test(name);
    assert.equal(new NamePattern(pattern).matches(name), expected, `${pattern} ${name}`);
  }
});

test("A hostile pattern takes no longer than another", () => {
  const pattern = new NamePattern("*a".repeat(450));
  assert.equal(pattern.matches("a".repeat(440) + "b".repeat(500)), false);
});
