import assert from "node:assert/strict";
import { test } from "node:test";
import type { FetchItem } from "./fetch.ts";
import { commandOf, errorOf } from "./testing.ts";

const itemsOf = (items: string): FetchItem[] =>
  commandOf(`a FETCH 1 ${items}`)["items"] as FetchItem[];

test("Sets, items and modifiers make a FETCH", () => {
  assert.deepEqual(commandOf("a uid fetch 1:*,5 (UID flags) (CHANGEDSINCE 12345 VANISHED)"), {
    name: "FETCH",
    tag: "a",
    uid: true,
    set: { pairs: [1, 0, 5, 5], saved: false },
    items: [{ item: "UID" }, { item: "FLAGS" }],
    changedSince: 12345,
    vanished: true,
  });
  assert.deepEqual(commandOf("a FETCH $ UID")["set"], { pairs: [], saved: true });
});

test("Macros stand alone", () => {
  const names = (items: string): string[] => itemsOf(items).map((item) => item.item);
  assert.deepEqual(names("FAST"), ["FLAGS", "INTERNALDATE", "RFC822.SIZE"]);
  assert.deepEqual(names("all"), ["FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE"]);
  assert.deepEqual(names("FULL"), ["FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODY"]);
  errorOf("a FETCH 1 (ALL)");
  errorOf("a FETCH 1 ALL UID");
});

test("Every plain item is read", () => {
  const names = [
    ["FLAGS", "UID", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODYSTRUCTURE", "BODY"],
    ["MODSEQ", "EMAILID", "THREADID", "SAVEDATE", "RFC822", "RFC822.HEADER", "RFC822.TEXT"],
  ].flat();
  assert.deepEqual(
    itemsOf(`(${names.join(" ")})`),
    names.map((item) => ({ item })),
  );
});

test("Sections and their labels", () => {
  const cases: ReadonlyArray<readonly [string, string, number[], string | null, string[]]> = [
    ["BODY[]", "BODY[]", [], null, []],
    ["body.peek[1.2.3]", "BODY[1.2.3]", [1, 2, 3], null, []],
    ["BODY[header]", "BODY[HEADER]", [], "HEADER", []],
    ["BODY[2.TEXT]", "BODY[2.TEXT]", [2], "TEXT", []],
    ["BODY[2.mime]", "BODY[2.MIME]", [2], "MIME", []],
    [
      'BODY.PEEK[1.HEADER.FIELDS (From "to" {3+}\r\nX-y)]',
      "BODY[1.HEADER.FIELDS (From to X-y)]",
      [1],
      "HEADER.FIELDS",
      ["From", "to", "X-y"],
    ],
    [
      'BODY[HEADER.FIELDS.NOT ("a(b" "c\\"")]',
      'BODY[HEADER.FIELDS.NOT ("a(b" "c\\"")]',
      [],
      "HEADER.FIELDS.NOT",
      ["a(b", 'c"'],
    ],
  ];
  for (const [text, label, part, sectionText, fields] of cases) {
    const peek = text.toUpperCase().startsWith("BODY.PEEK");
    const section = { part, text: sectionText, fields };
    assert.deepEqual(itemsOf(text), [{ item: "BODY[]", section, peek, partial: null, label }]);
  }
});

test("Partial sections", () => {
  const partialOf = (text: string): unknown => (itemsOf(text)[0] as { partial: unknown }).partial;
  assert.deepEqual(partialOf("BODY[]<0.4096>"), { offset: 0, count: 4096 });
  assert.deepEqual(partialOf("BINARY.PEEK[1]<5.1>"), { offset: 5, count: 1 });
  for (const text of ["BODY[]<0>", "BODY[]<0.0>", "BODY[]<-1.5>", "BODY[]<1.2", "BODY<1.2>"])
    errorOf(`a FETCH 1 ${text}`);
});

test("BINARY and PREVIEW", () => {
  assert.deepEqual(itemsOf("(BINARY[1.2] BINARY.SIZE[] PREVIEW PREVIEW (LAZY) UID)"), [
    { item: "BINARY[]", part: [1, 2], peek: false, partial: null, label: "BINARY[1.2]" },
    { item: "BINARY.SIZE", part: [], label: "BINARY.SIZE[]" },
    { item: "PREVIEW", lazy: false },
    { item: "PREVIEW", lazy: true },
    { item: "UID" },
  ]);
  assert.deepEqual(itemsOf("PREVIEW (LAZY)"), [{ item: "PREVIEW", lazy: true }]);
  const command = commandOf("a FETCH 1 PREVIEW (CHANGEDSINCE 5)");
  assert.deepEqual(command["items"], [{ item: "PREVIEW", lazy: false }]);
  assert.equal(command["changedSince"], 5);
});

test("What is not a FETCH", () => {
  const broken = [
    "FETCH",
    "FETCH 1",
    "FETCH 1 ()",
    "FETCH 1 (FLAGS  UID)",
    "FETCH 1 FLAGS UID",
    "FETCH 0 FLAGS",
    "FETCH 1 FROB",
    "FETCH 1 BODY[0]",
    "FETCH 1 BODY[1.]",
    "FETCH 1 BODY[.1]",
    "FETCH 1 BODY[MIME]",
    "FETCH 1 BODY[FROB]",
    "FETCH 1 BODY[HEADER.FIELDS ()]",
    'FETCH 1 BODY[HEADER.FIELDS ("a b")]',
    'FETCH 1 BODY[HEADER.FIELDS ("a:")]',
    "FETCH 1 BODY[HEADER.FIELDS (a)",
    "FETCH 1 BODY.PEEK",
    "FETCH 1 BINARY[HEADER]",
    "FETCH 1 BINARY.SIZE[1]<0.1>",
    "FETCH 1 PREVIEW (EAGER)",
    "FETCH 1 FLAGS (CHANGEDSINCE 0)",
    "FETCH 1 FLAGS (CHANGEDSINCE 1 CHANGEDSINCE 2)",
    "FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)",
    "UID FETCH 1 FLAGS (VANISHED)",
    "FETCH 1 FLAGS ()",
  ];
  for (const line of broken) errorOf(`a ${line}`);
  errorOf(`a FETCH 1 BODY[${"1.".repeat(200)}1]`);
});
