import assert from "node:assert/strict";
import { test } from "node:test";
import { parseMessageIds } from "./message-ids.ts";
import { baseSubject } from "./subject.ts";

const subjects: readonly [subject: string, text: string, isReplyOrForward: boolean][] = [
  ["", "", false],
  ["Hello", "Hello", false],
  ["Re: Hello", "Hello", true],
  ["re : Hello", "Hello", true],
  ["RE:Hello", "Hello", true],
  ["Fwd: Hello", "Hello", true],
  ["FW: Hello", "Hello", true],
  ["Re: Fwd: Re: Hello", "Hello", true],
  ["Re[2]: Hello", "Hello", true],
  ["Re [2] : Hello", "Hello", true],
  ["[list] Hello", "Hello", false],
  ["[list] Re: [list] Hello", "Hello", true],
  ["Re: [a] [b] Hello", "Hello", true],
  ["[list]", "[list]", false],
  ["[a] [b]", "[b]", false],
  ["Re: [list]", "[list]", true],
  ["Hello (fwd)", "Hello", true],
  ["Hello (FWD)  (fwd) ", "Hello", true],
  ["[Fwd: Hello]", "Hello", true],
  ["[fwd: Re: [fwd: Hello (fwd)]]", "Hello", true],
  ["Re:", "", true],
  ["Reason: Hello", "Reason: Hello", false],
  ["Ref: Hello", "Ref: Hello", false],
  ["a \t  b\r\n c", "a b c", false],
  ["[[a] b", "[[a] b", false],
  ["(fwd)", "", true],
  ["Antwort: Hello", "Antwort: Hello", false],
];

test("base subjects", () => {
  for (const [subject, text, isReplyOrForward] of subjects)
    assert.deepEqual(baseSubject(subject), { text, isReplyOrForward }, subject);
});

test("hostile subjects are read in one pass", () => {
  for (const piece of ["[", "[a]", "re:", "(fwd)", "[fwd:", "]", " "])
    baseSubject(piece.repeat(100_000));
});

const ids: readonly [field: string, expected: string[]][] = [
  ["", []],
  ["<a@b>", ["a@b"]],
  ["<a@b> <c@d>\t<e@f>", ["a@b", "c@d", "e@f"]],
  ["<a@b><c@d>", ["a@b", "c@d"]],
  ["text <a@b> (comment) text", ["a@b"]],
  ["a@b", []],
  ["<>", []],
  ["<a@b", []],
  ["< a @ b >", ["a@b"]],
  ['<"a"@b>', ["a@b"]],
  ['<"a b"@b>', ["ab@b"]],
  ['<"a>b"@c>', ['"a>b"@c']],
  ['<"\\a\\"b"@c>', ['"a\\"b"@c']],
  ['<"open@b>', ['"open@b']],
  ["<no-at-sign>", ["no-at-sign"]],
];

test("message ids", () => {
  for (const [field, expected] of ids) assert.deepEqual(parseMessageIds(field), expected, field);
});

test("of too many ids the first and the last ones stay", () => {
  const field = Array.from({ length: 20 }, (_, i) => `<${i}@x>`).join(" ");
  assert.deepEqual(parseMessageIds(field, 4), ["0@x", "17@x", "18@x", "19@x"]);
});
