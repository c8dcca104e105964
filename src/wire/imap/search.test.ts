import assert from "node:assert/strict";
import { test } from "node:test";
import { limits } from "../../base/limits.ts";
import { commandOf, errorOf } from "./testing.ts";

const programOf = (text: string): unknown => commandOf(`a SEARCH ${text}`)["program"];
const flag = (name: string, set = true): unknown => ({ key: "FLAG", flag: name, set });

test("Keys of all kinds", () => {
  const cases: ReadonlyArray<readonly [string, unknown]> = [
    ["ALL", { key: "ALL" }],
    ["unseen", flag("\\Seen", false)],
    ["KEYWORD $Junk", flag("$Junk")],
    ["UNKEYWORD a", flag("a", false)],
    ["NEW", { key: "AND", keys: [{ key: "RECENT" }, flag("\\Seen", false)] }],
    ["OLD", { key: "NOT", of: { key: "RECENT" } }],
    ["FROM {2+}\r\n\u00fc(", { key: "FROM", value: "octets:\u00fc(" }],
    ["SUBJECT a]b", { key: "SUBJECT", value: "octets:a]b" }],
    ['HEADER X-y ""', { key: "HEADER", field: "X-y", value: "octets:" }],
    ["SENTON 1-Feb-1994", { key: "SENTON", day: 8797 }],
    ['SAVEDSINCE "1-Feb-1994"', { key: "SAVEDSINCE", day: 8797 }],
    ["SAVEDATESUPPORTED", { key: "SAVEDATESUPPORTED" }],
    ["LARGER 0", { key: "LARGER", size: 0 }],
    ["OLDER 60", { key: "OLDER", seconds: 60 }],
    ["MODSEQ 0", { key: "MODSEQ", modSeq: 0, entry: null }],
    [
      'MODSEQ "/flags/\\\\draft" all 620162338',
      { key: "MODSEQ", modSeq: 620162338, entry: { entry: "/flags/\\draft", type: "all" } },
    ],
    ["EMAILID M1-a_b", { key: "EMAILID", id: "M1-a_b" }],
    ["$", { key: "SEQ", set: { pairs: [], saved: true } }],
    ["UID $", { key: "UID", set: { pairs: [], saved: true } }],
    ["2,4:*", { key: "SEQ", set: { pairs: [2, 2, 4, 0], saved: false } }],
    ["(((SEEN)))", flag("\\Seen")],
    [
      "NOT (SEEN DRAFT)",
      { key: "NOT", of: { key: "AND", keys: [flag("\\Seen"), flag("\\Draft")] } },
    ],
    ["OR SEEN DRAFT", { key: "OR", left: flag("\\Seen"), right: flag("\\Draft") }],
    ["SEEN DRAFT", { key: "AND", keys: [flag("\\Seen"), flag("\\Draft")] }],
  ];
  for (const [text, expected] of cases) assert.deepEqual(programOf(text), expected, text);
});

test("Return options and charsets", () => {
  const none = { min: false, max: false, all: false, count: false, save: false, partial: null };
  const returnsOf = (text: string): unknown => commandOf(`a SEARCH ${text} ALL`)["returns"];
  assert.equal(commandOf("a SEARCH ALL")["returns"], null);
  assert.deepEqual(returnsOf("RETURN ()"), { ...none, all: true });
  assert.deepEqual(returnsOf("RETURN (MIN max)"), { ...none, min: true, max: true });
  assert.deepEqual(returnsOf("RETURN (SAVE COUNT)"), { ...none, save: true, count: true });
  const partial = (from: number, to: number): unknown => ({ ...none, partial: { from, to } });
  assert.deepEqual(returnsOf("RETURN (PARTIAL 23500:24000)"), partial(23500, 24000));
  assert.deepEqual(returnsOf("RETURN (PARTIAL 10:1)"), partial(1, 10));
  assert.deepEqual(returnsOf("RETURN (PARTIAL -1:-100)"), partial(-1, -100));
  assert.deepEqual(returnsOf("RETURN (PARTIAL -100:-1)"), partial(-1, -100));
  assert.equal(commandOf("a SEARCH CHARSET utf-8 ALL")["charset"], "UTF-8");
  assert.equal(
    commandOf('a UID SEARCH RETURN (ALL) CHARSET "us-ascii" ALL')["charset"],
    "US-ASCII",
  );
  assert.equal(commandOf("a UID SEARCH ALL")["uid"], true);
});

test("SORT and THREAD", () => {
  assert.deepEqual(commandOf("a UID SORT RETURN (COUNT) (REVERSE DATE subject) utf-8 SEEN"), {
    name: "SORT",
    tag: "a",
    uid: true,
    returns: { min: false, max: false, all: false, count: true, save: false, partial: null },
    criteria: [
      { key: "DATE", reverse: true },
      { key: "SUBJECT", reverse: false },
    ],
    charset: "UTF-8",
    program: flag("\\Seen"),
  });
  assert.deepEqual(commandOf("a THREAD orderedsubject US-ASCII ALL"), {
    name: "THREAD",
    tag: "a",
    uid: false,
    algorithm: "ORDEREDSUBJECT",
    charset: "US-ASCII",
    program: { key: "ALL" },
  });
});

test("What is not a search", () => {
  const broken = [
    "SEARCH",
    "SEARCH ",
    "SEARCH FROB",
    "SEARCH ()",
    "SEARCH (SEEN",
    "SEARCH SEEN)",
    "SEARCH NOT",
    "SEARCH OR SEEN",
    "SEARCH KEYWORD \\Seen",
    "SEARCH ON 30-Feb-1994",
    "SEARCH LARGER -1",
    "SEARCH OLDER 0",
    "SEARCH MODSEQ x",
    'SEARCH MODSEQ "/flags/a" any 5',
    "SEARCH SUBJECT \u00fc",
    'SEARCH SUBJECT "\u00fc"',
    "SEARCH CHARSET",
    "SEARCH CHARSET utf-8",
    "SEARCH RETURN (FROB) ALL",
    "SEARCH RETURN (PARTIAL 0:1) ALL",
    "SEARCH RETURN (PARTIAL 1:-1) ALL",
    "SEARCH RETURN (PARTIAL 1:*) ALL",
    "SEARCH RETURN (PARTIAL 1:2 ALL) ALL",
    "SEARCH RETURN (MIN)",
    "SEARCH ALL RETURN (MIN)",
    "SORT (DATE) ALL",
    "SORT () UTF-8 ALL",
    "SORT (REVERSE) UTF-8 ALL",
    "SORT (DATE REVERSE) UTF-8 ALL",
    "SORT (FROB) UTF-8 ALL",
    "THREAD UTF-8 ALL",
    "THREAD REFERENCES UTF-8",
  ];
  for (const line of broken) errorOf(`a ${line}`);
});

test("Depth and number of keys are limited", () => {
  const depth = limits.nestingMax - 1;
  programOf(`${"(".repeat(depth)}SEEN${")".repeat(depth)}`);
  programOf(`${"NOT ".repeat(depth)}SEEN`);
  assert.match(errorOf(`a SEARCH ${"(".repeat(limits.nestingMax)}SEEN`), /deep/);
  assert.match(errorOf(`a SEARCH ${"NOT ".repeat(30_000 / 4)}SEEN`), /deep/);
  assert.match(errorOf(`a SEARCH ${"OR SEEN ".repeat(500)}SEEN`), /deep/);
  assert.match(errorOf(`a SEARCH${" SEEN".repeat(limits.searchKeysMax + 1)}`), /Too many/);
});
