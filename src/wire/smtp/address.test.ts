import assert from "node:assert/strict";
import { test } from "node:test";
import type { Address } from "./address.ts";
import { formatAddress, LineCursor, readPath } from "./address.ts";
import { SmtpSyntaxError } from "./reply.ts";

function read(text: string): Address | null {
  const line = new LineCursor(text);
  const address = readPath(line, "5.1.3");
  assert.equal(line.done, true, text);
  return address;
}

test("Paths of all forms", () => {
  const cases: ReadonlyArray<readonly [string, string, string, string]> = [
    ["<bob@Example.ORG>", "bob", "example.org", "bob@example.org"],
    ["<Bob+x@a-b.example>", "Bob+x", "a-b.example", "Bob+x@a-b.example"],
    ["<@a.example,@b.example:bob@c.example>", "bob", "c.example", "bob@c.example"],
    ['<"a b\\"\\\\>@c"@d.example>', 'a b"\\>@c', "d.example", '"a b\\"\\\\>@c"@d.example'],
    ['<"bob"@d.example>', "bob", "d.example", "bob@d.example"],
    ["<postmaster>", "postmaster", "", "postmaster"],
    ["<a..b.@d.example>", "a..b.", "d.example", "a..b.@d.example"],
    ["<a@[127.0.0.1]>", "a", "[127.0.0.1]", "a@[127.0.0.1]"],
    ["<a@[IPv6:::1]>", "a", "[ipv6:::1]", "a@[ipv6:::1]"],
    ["<\u00fc@d\u00fc.example>", "\u00fc", "d\u00fc.example", "\u00fc@d\u00fc.example"],
    ["<a@under_score.example>", "a", "under_score.example", "a@under_score.example"],
  ];
  for (const [text, local, domain, formatted] of cases) {
    const address = read(text)!;
    assert.equal(address.local, local);
    assert.equal(address.domain, domain);
    assert.equal(address.international, text.includes("\u00fc"));
    assert.equal(formatAddress(address), formatted);
  }
  assert.equal(read("<>"), null);
});

test("What is not a path", () => {
  const broken = [
    ["", "a@b", "<a@b", "a@b>", "< a@b>", "<a @b>", "<a@b >", "<a@>", "<@b>", "<@b:>"],
    ["<@a,b:c@d>", '<"a@b>', '<"a"b@c>', '<""@c>', "<a@b@c>", "<a(c)@b>", "<a@b..c>"],
    ["<a@.b>", "<a@b.>", "<a@-b>", "<a@b->", "<a@[1.2.3.4>", "<a@[]>", "<a@[IPv6:x]>"],
    ["<a@b<c>", "<<a@b>>", "<a,b@c>", "<a\\b@c>", "<a@b c>", `<a@${"x".repeat(300)}>`],
  ].flat();
  for (const text of broken) {
    assert.throws(
      () => read(text),
      (error: unknown) => error instanceof SmtpSyntaxError && error.reply.code === 501,
      text,
    );
  }
});
