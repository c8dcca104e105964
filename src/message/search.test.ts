import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { Refusal } from "#base/assert.ts";
import { fromLatin1 } from "#base/bytes.ts";
import { limits } from "#base/limits.ts";
import { seededRandom } from "#base/random.ts";
import { CachedFields, encodeCachedFields } from "./cached-fields.ts";
import { parseMessage } from "./parse.ts";
import type { PartTable } from "./part-table.ts";
import { TextSearch, messageContains, searchableText, searchableTextOf } from "./search.ts";
import type { SearchScope } from "./search.ts";

const directory = new URL("../../test/messages/", import.meta.url);

function partsOf(message: Uint8Array): PartTable {
  return new CachedFields(encodeCachedFields(parseMessage(message))).parts;
}
function contains(message: Uint8Array, scope: SearchScope, needle: string): boolean {
  return messageContains(message, partsOf(message), { needle, scope });
}

const cases: readonly [name: string, scope: SearchScope, needle: string, found: boolean][] = [
  ["plain", "body", "", true],
  ["plain", "body", "HELLO bob", true],
  ["plain", "body", "hello  bob", false],
  ["plain", "body", "Plain text", false],
  ["plain", "text", "Plain text", true],
  ["plain", "text", "subject: plain", true],
  ["empty", "text", "", true],
  ["empty", "text", "a", false],
  ["attachment", "body", "GRÜSSE", true],
  ["attachment", "body", "anhang", true],
  ["attachment", "body", "JVBERi", false],
  ["attachment", "text", "report.pdf", true],
  ["attachment", "body", "report.pdf", false],
  ["base64-text", "body", "SEARCHABLE", true],
  ["base64-text", "body", "ümlaute", true],
  ["eight-bit-header", "body", "ÄÖÜ", true],
  ["eight-bit-header", "text", "jörg", true],
  ["i18n-header", "text", "rückmeldung zu € 5", true],
  ["i18n-header", "text", "jörg müller", true],
  ["i18n-header", "text", "utf-8", false],
  ["iso-2022-jp", "body", "本語", true],
  ["iso-2022-jp", "body", "text", true],
  ["iso-2022-jp", "body", "F|K", false],
  ["utf-7", "body", "hi äö +5", true],
  ["utf-7", "body", "AOQ", false],
  ["cp437", "body", "ÄÖÜ dos", true],
  ["unknown-charset", "body", "café", true],
  ["forwarded", "body", "inner text", true],
  ["forwarded", "body", "Subject: Inner", false],
  ["forwarded", "text", "Subject: Inner", true],
  ["html-only", "body", "<h1>grüße", true],
  ["garbage-content-type", "body", "still", false],
  ["missing-boundary", "body", "nobody knows", true],
  ["dsn", "body", "final-recipient", false],
];

test("searching", () => {
  for (const [name, scope, needle, found] of cases) {
    const message = readFileSync(new URL(`${name}.eml`, directory));
    assert.equal(contains(message, scope, needle), found, `${name} ${scope} ${needle}`);
  }
});

test("what decomposes to ASCII is found in spite of the quick way", () => {
  const message = fromLatin1(
    "Content-Type: text/plain; charset=utf-8\r\n\r\nthe \xef\xac\x81nal word\r\n",
  );
  assert.ok(contains(message, "body", "final"));
});

test("strings that lie across pieces are found", () => {
  const step = limits.searchChunkBytes;
  for (const needle of ["needle", "nädel", "🪡🧵"]) {
    const bytes = Buffer.from(needle);
    for (let shift = 0; shift <= bytes.length; shift++) {
      const message = Buffer.concat([
        Buffer.from("Content-Type: text/plain; charset=utf-8\r\n\r\n"),
        Buffer.alloc(step - shift, "x"),
        bytes,
        Buffer.alloc(100, "y"),
      ]);
      assert.ok(contains(message, "body", needle), `${needle} ${shift}`);
      assert.ok(!contains(message, "body", `${needle}x`));
    }
  }
});

test("the quick way finds what the slow way finds", () => {
  const random = seededRandom(99);
  const word = (size: number): string => {
    let text = "";
    for (let i = 0; i < size; i++) text += "aAbB"[random.below(4)];
    return text;
  };
  for (let round = 0; round < 3000; round++) {
    const text = word(random.below(60));
    const needle = word(1 + random.below(6));
    const message = fromLatin1(`\r\n${text}`);
    assert.equal(
      contains(message, "body", needle),
      text.toLowerCase().includes(needle.toLowerCase()),
      `${needle} in ${text}`,
    );
  }
});

test("the text comes in pieces, each header and text by itself", () => {
  const message = readFileSync(new URL("attachment.eml", directory));
  const pieces = [...searchableText(message, partsOf(message), "text")];
  assert.deepEqual(
    pieces.map(({ part, isHeader, more }) => [part, isHeader, more]),
    [
      [0, true, false],
      [1, true, false],
      [1, false, true],
      [1, false, false],
      [2, true, false],
    ],
  );
  assert.equal(new TextSearch("jörg").inText("An JÖRG"), true);
});

test("the text is the same where the message is read in pieces", async () => {
  const random = seededRandom(11);
  for (const name of readdirSync(directory).filter((name) => name.endsWith(".eml"))) {
    const message = readFileSync(new URL(name, directory));
    const reader = {
      async *pieces(start: number, end: number) {
        for (let at = start; at < end;) {
          const size = 1 + random.below(random.below(2) === 0 ? 5 : 5_000);
          yield message.subarray(at, Math.min(at + size, end));
          at += size;
        }
      },
    };
    for (const scope of ["text", "body"] as const) {
      const whole = new Map<string, string>();
      for (const { part, isHeader, text } of searchableText(message, partsOf(message), scope))
        whole.set(`${part} ${isHeader}`, (whole.get(`${part} ${isHeader}`) ?? "") + text);
      const read = new Map<string, string>();
      for await (const piece of searchableTextOf(reader, partsOf(message), scope)) {
        const key = `${piece.part} ${piece.isHeader}`;
        read.set(key, (read.get(key) ?? "") + piece.text);
      }
      assert.deepEqual(read, whole, name);
    }
  }
});

test("too long a string is refused", () => {
  assert.throws(
    () => new TextSearch("x".repeat(limits.searchNeedleCharactersMax + 1)),
    (error) => error instanceof Refusal && error.code === "LIMIT",
  );
});
