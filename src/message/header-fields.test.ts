import assert from "node:assert/strict";
import { test } from "node:test";
import { fromLatin1, latin1 } from "#base/bytes.ts";
import { fieldsOf, headerFields, headerTexts, headerValues } from "./header-fields.ts";

const header = [
  "From alice@example.org Mon Oct  5 10:00:00 2026",
  "Received: from a",
  "\tby b",
  "FROM: Alice <alice@example.org>",
  "Subject : =?utf-8?q?Gr=C3=BC?=",
  " =?utf-8?q?=C3=9Fe?=",
  "received: second",
  "no field here",
  ": no name",
  "X-Empty:",
  "X-8: \xe4",
  "",
  "Body: no field",
  "",
].join("\r\n");

const cases: readonly [names: string[], not: boolean, expected: string][] = [
  [["from"], false, "FROM: Alice <alice@example.org>\r\n\r\n"],
  [["Received"], false, "Received: from a\r\n\tby b\r\nreceived: second\r\n\r\n"],
  [["SUBJECT"], false, "Subject : =?utf-8?q?Gr=C3=BC?=\r\n =?utf-8?q?=C3=9Fe?=\r\n\r\n"],
  [["x-empty", "x-8"], false, "X-Empty:\r\nX-8: \xe4\r\n\r\n"],
  [["x-missing"], false, "\r\n"],
  [["body"], false, "\r\n"],
  [[], false, "\r\n"],
  [["received", "subject", "x-8"], true, "FROM: Alice <alice@example.org>\r\nX-Empty:\r\n\r\n"],
];

test("HEADER.FIELDS and HEADER.FIELDS.NOT keep the bytes of the fields", () => {
  for (const [names, not, expected] of cases)
    assert.equal(latin1(headerFields(fromLatin1(header), names, not)), expected, names.join());
});

test("a header without its last line end", () => {
  assert.equal(latin1(headerFields(fromLatin1("To: a\r\nCc: b"), ["cc"], false)), "Cc: b\r\n\r\n");
  assert.equal(latin1(headerFields(fromLatin1(""), ["cc"], true)), "\r\n");
});

test("values, raw and decoded", () => {
  const bytes = fromLatin1(header);
  assert.deepEqual(headerValues(bytes, "Received"), ["from a\tby b", "second"]);
  assert.deepEqual(headerTexts(bytes, "subject"), ["Grüße"]);
  assert.deepEqual(headerTexts(bytes, "x-8"), ["ä"]);
  assert.deepEqual(headerValues(bytes, "x-empty"), [""]);
  assert.deepEqual(headerValues(bytes, "body"), []);
});

test("all fields lie in the header, one after the other", () => {
  let previous = 0;
  for (const field of fieldsOf(fromLatin1(header))) {
    assert.ok(previous <= field.start && field.start < field.nameEnd);
    assert.ok(field.nameEnd < field.valueStart && field.valueStart <= field.end);
    previous = field.end;
  }
  assert.equal(previous, header.indexOf("\r\n\r\n") + 2);
});
