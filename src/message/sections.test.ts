import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { CachedFields, encodeCachedFields } from "./cached-fields.ts";
import { parseMessage } from "./parse.ts";
import { findPart, sectionRange } from "./sections.ts";
import type { SectionKind } from "./sections.ts";

const directory = new URL("../../test/messages/", import.meta.url);

/** `1.2.MIME` of a message of test/messages, or null. */
function section(name: string, specifier: string): string | null {
  const message = readFileSync(new URL(`${name}.eml`, directory));
  const { parts } = new CachedFields(encodeCachedFields(parseMessage(message)));
  const words = specifier.split(".").filter((word) => word !== "");
  const path = words.filter((word) => /^\d+$/.test(word)).map(Number);
  const kind = (words[path.length] ?? "") as SectionKind;
  const range = sectionRange(parts, path, kind);
  return range === null ? null : message.toString("latin1", range.start, range.end);
}

const inner =
  "From: carol@example.net\r\nTo: alice@example.org\r\nSubject: Inner\r\n" +
  "Date: 4 Oct 2026 09:00 GMT\r\nContent-Type: multipart/mixed; boundary=inner\r\n\r\n";
const innerText =
  "--inner\r\n\r\nInner text.\r\n--inner\r\nContent-Type: image/png\r\n" +
  "Content-Transfer-Encoding: base64\r\n\r\niVBORw0KGgo=\r\n--inner--\r\n";

const cases: readonly [name: string, specifier: string, expected: string | null][] = [
  ["plain", "1", "Hello Bob,\r\n\r\nthis is all.\r\n"],
  ["plain", "TEXT", "Hello Bob,\r\n\r\nthis is all.\r\n"],
  ["plain", "MIME", null],
  ["plain", "1.HEADER", null],
  ["plain", "1.TEXT", null],
  ["plain", "1.1", null],
  ["plain", "2", null],
  ["plain", "0", null],
  ["body-only", "HEADER", "\r\n"],
  ["body-only", "1.MIME", "\r\n"],
  ["body-only", "1", "No header at all.\r\n"],
  ["empty", "", ""],
  ["empty", "HEADER", ""],
  ["empty", "1", ""],
  ["header-only", "TEXT", ""],
  ["forwarded", "1", "See below."],
  ["forwarded", "1.MIME", "\r\n"],
  ["forwarded", "2.MIME", "Content-Type: message/rfc822\r\nContent-Disposition: inline\r\n\r\n"],
  ["forwarded", "2", inner + innerText],
  ["forwarded", "2.HEADER", inner],
  ["forwarded", "2.TEXT", innerText],
  ["forwarded", "2.1", "Inner text."],
  ["forwarded", "2.1.MIME", "\r\n"],
  ["forwarded", "2.2", "iVBORw0KGgo="],
  ["forwarded", "2.2.MIME", "Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n"],
  ["forwarded", "2.2.HEADER", null],
  ["forwarded", "2.3", null],
  ["forwarded", "2.1.1", null],
  ["forwarded", "3", null],
  ["rfc822-at-top", "1", "From: dan@example.net\r\nSubject: Inside\r\n\r\nInner body.\r\n"],
  ["rfc822-at-top", "1.HEADER", "From: dan@example.net\r\nSubject: Inside\r\n\r\n"],
  ["rfc822-at-top", "1.TEXT", "Inner body.\r\n"],
  ["rfc822-at-top", "1.1", "Inner body.\r\n"],
  ["rfc822-at-top", "1.1.MIME", "From: dan@example.net\r\nSubject: Inside\r\n\r\n"],
  ["rfc822-at-top", "1.2", null],
  ["digest", "2.1", "Second."],
  ["prefix-boundary", "1.2", "inner two"],
  ["prefix-boundary", "2", "outer two"],
  ["same-boundary-nested", "2", "B"],
  ["closed-at-once", "1", ""],
  ["missing-boundary", "1", "--x\r\n\r\nNobody knows where parts begin.\r\n--x--\r\n"],
  ["missing-close", "2", "Second, cut off"],
];

test("sections", () => {
  for (const [name, specifier, expected] of cases)
    assert.equal(section(name, specifier), expected, `${name} ${specifier}`);
});

test("the whole message is the message", () => {
  const message = readFileSync(new URL("attachment.eml", directory));
  assert.equal(section("attachment", ""), message.toString("latin1"));
  assert.equal(
    section("attachment", "HEADER")! + section("attachment", "TEXT")!,
    message.toString("latin1"),
  );
});

test("parts for BINARY", () => {
  const message = readFileSync(new URL("attachment.eml", directory));
  const { parts } = new CachedFields(encodeCachedFields(parseMessage(message)));
  assert.equal(findPart(parts, [2])?.encoding, "base64");
  assert.equal(findPart(parts, [1])?.encoding, "quoted-printable");
  assert.equal(findPart(parts, [1])?.charset, "utf-8");
  assert.equal(findPart(parts, [3]), null);
  assert.equal(findPart(parts, []), null);
});
