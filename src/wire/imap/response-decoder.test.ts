import assert from "node:assert/strict";
import { test } from "node:test";
import { fromLatin1 } from "../../base/bytes.ts";
import { seededRandom } from "../../base/random.ts";
import type { ResponseEvent } from "./response-decoder.ts";
import { ResponseDecoder } from "./response-decoder.ts";
import { plain } from "./testing.ts";

function decode(input: Uint8Array, pieces = input.length): ResponseEvent[] {
  const decoder = new ResponseDecoder();
  const events: ResponseEvent[] = [];
  for (let at = 0; at < input.length; at += pieces) {
    decoder.push(Uint8Array.from(input.subarray(at, at + pieces)));
    for (let event = decoder.next(); event.kind !== "more"; event = decoder.next())
      events.push(event);
  }
  return events;
}

function one(line: string): unknown {
  const bytes = fromLatin1(`${line}\r\n`);
  const events = plain(decode(bytes)) as unknown[];
  assert.deepEqual(plain(decode(bytes, 1)), events);
  assert.equal(events.length, 1, line);
  return events[0];
}

const data = (name: string, number: number | null, ...tokens: unknown[]): unknown => ({
  kind: "data",
  name,
  number,
  tokens,
});

test("Untagged data", () => {
  const cases: ReadonlyArray<readonly [string, unknown]> = [
    ["* 23 EXISTS", data("EXISTS", 23)],
    ["* SEARCH", data("SEARCH", null)],
    ["* search 2 84 (MODSEQ 917162500)", data("SEARCH", null, 2, 84, ["MODSEQ", 917162500])],
    ["* FLAGS (\\Seen $a \\*)", data("FLAGS", null, ["\\Seen", "$a", "\\*"])],
    ['* LIST () "/" a&AOk-', data("LIST", null, [], "octets:/", "a&AOk-")],
    ['* LIST () NIL "a b"', data("LIST", null, [], null, "octets:a b")],
    ["* VANISHED (EARLIER) 1:3,5", data("VANISHED", null, ["EARLIER"], "1:3,5")],
    [
      '* ESEARCH (TAG "a") UID ALL 1:3',
      data("ESEARCH", null, ["TAG", "octets:a"], "UID", "ALL", "1:3"),
    ],
    ["* THREAD (2)(3 6 (4 23)(44))", data("THREAD", null, [2], [3, 6, [4, 23], [44]])],
    [
      '* 5 FETCH (BODY[HEADER.FIELDS (To "a]")]<0> {3}\r\na)\r X "a\\"\\\\" BINARY[1] ~{1}\r\n\0)',
      data("FETCH", 5, [
        'BODY[HEADER.FIELDS (To "a]")]<0>',
        "octets:a)\r",
        "X",
        'octets:a"\\',
        "BINARY[1]",
        "octets:\0",
      ]),
    ],
    [
      '* 1 FETCH (BODY (("TEXT" "PLAIN")("A" NIL) "MIXED"))',
      data("FETCH", 1, [
        "BODY",
        [["octets:TEXT", "octets:PLAIN"], ["octets:A", null], "octets:MIXED"],
      ]),
    ],
  ];
  for (const [line, expected] of cases) assert.deepEqual(one(line), expected, line);
});

test("Status responses, with codes", () => {
  const status = (line: string): unknown => one(line);
  const base = { kind: "status", tag: "a1", status: "OK", code: null, codeTokens: [] };
  assert.deepEqual(status("a1 OK done {5}"), { ...base, text: "done {5}" });
  assert.deepEqual(status("a1 OK [uidnext 5] ok"), {
    ...base,
    code: "UIDNEXT",
    codeTokens: [5],
    text: "ok",
  });
  assert.deepEqual(status("a1 OK [PERMANENTFLAGS (\\Seen \\*)]"), {
    ...base,
    code: "PERMANENTFLAGS",
    codeTokens: [["\\Seen", "\\*"]],
    text: "",
  });
  assert.deepEqual(status("a1 OK [COPYUID 1 1:3 7,9] ok"), {
    ...base,
    code: "COPYUID",
    codeTokens: [1, "1:3", "7,9"],
    text: "ok",
  });
  assert.deepEqual(one("+ idling"), { kind: "continuation", text: "idling" });
  assert.deepEqual(one("+"), { kind: "continuation", text: "" });
});

test("A server that breaks the grammar is told apart", () => {
  const broken = [
    "",
    "*",
    "* ",
    "x FROB",
    "*  LIST",
    "* 5",
    "* LIST (",
    "* LIST )",
    "* LIST (a  b)",
    "* LIST (a)b",
    '* LIST "a',
    '* LIST "a\\b"',
    "* FETCH (BODY[)",
    "* SEARCH 1 ",
    "a OK [",
    "a OK [A",
    "+x",
    `* X ${"(".repeat(1000)}`,
  ];
  for (const line of broken)
    assert.equal((one(line) as { kind: string }).kind, "error", JSON.stringify(line));
  assert.deepEqual(
    decode(fromLatin1("* 1 EXISTS\n* 2 EXISTS\r\n")).map((event) => event.kind),
    ["error", "data"],
  );
});

test("Noise never throws", () => {
  const random = seededRandom(11);
  const alphabet = '*+ab12 ()[]<>{}"\\~\r\n\0\u00ff';
  for (let round = 0; round < 3_000; round++) {
    let text = random.below(2) === 0 ? "* " : "a OK [";
    for (let n = random.below(40); n > 0; n--) text += alphabet[random.below(alphabet.length)]!;
    const bytes = fromLatin1(`${text}\r\n* 1 EXISTS\r\n`);
    assert.deepEqual(plain(decode(bytes, 1)), plain(decode(bytes)), JSON.stringify(text));
  }
});
