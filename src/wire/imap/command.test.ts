import assert from "node:assert/strict";
import { test } from "node:test";
import { fromLatin1 } from "../../base/bytes.ts";
import { commandNames } from "./command.ts";
import { decodeAll, decodeOne, errorOf, plain, samples } from "./testing.ts";

test("Every command has its sample, which decodes to it, octet by octet too", () => {
  assert.deepEqual(Object.keys(samples).toSorted(), commandNames.toSorted());
  for (const [name, lines] of Object.entries(samples)) {
    for (const line of lines) {
      const bytes = fromLatin1(`t1 ${line}\r\n`);
      const events = decodeAll(bytes);
      assert.deepEqual(plain(decodeAll(bytes, { pieces: 1 })), plain(events), line);
      const first = events[0]!;
      if (name === "APPEND") {
        assert.equal(first.kind, "append", line);
        assert.equal(events.at(-1)!.kind, "append-end", line);
      } else {
        assert.equal(events.length, 1, line);
        assert.equal(first.kind === "command" ? first.command.name : first.kind, name, line);
        assert.equal(first.kind === "command" ? first.command.tag : "", "t1", line);
      }
    }
  }
});

test("Names are read in any case, and nothing may follow a command", () => {
  assert.deepEqual(decodeOne("a nOoP"), { kind: "command", command: { tag: "a", name: "NOOP" } });
  for (const [name, lines] of Object.entries(samples)) {
    // LIST and the like may take more words, but never this one.
    for (const line of lines) {
      const events = decodeAll(fromLatin1(`t1 ${line} )\r\n`));
      assert.equal(events.at(-1)!.kind, "error", name);
    }
  }
});

test("Lines without a command are errors with a tag where there is one", () => {
  const cases: ReadonlyArray<readonly [string, string]> = [
    ["", "*"],
    [" ", "*"],
    ["a", "a"],
    ["a ", "a"],
    ["a  NOOP", "a"],
    ["a NOOP ", "a"],
    ["+a NOOP", "*"],
    ["a FROB x", "a"],
    ["a UID", "a"],
    ["a UID NOOP", "a"],
    ["a UID LIST x y", "a"],
    ["a\tNOOP", "a"],
    ["\u00ff NOOP", "*"],
    ["a NOOP\rb", "a"],
  ];
  for (const [line, tag] of cases) {
    const event = decodeOne(line) as { kind: string; tag: string };
    assert.equal(event.kind, "error", line);
    assert.equal(event.tag, tag, line);
  }
});

test("Texts of errors fit on a line of ASCII", () => {
  for (const line of [
    "a FETCH",
    "a FETCH 1",
    "a SEARCH é",
    'a LOGIN "a\\b" c',
    "a SELECT {1+}\r\n\0",
  ])
    assert.match(errorOf(line), /^[\x20-\x7e]+$/);
});
