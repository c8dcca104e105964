/** SEARCH against a naive evaluator over the messages as they were made. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Random, seededRandom } from "#base/random.ts";
import { TestMailbox, type TestMessage } from "./testing.ts";

const seed = 20261122;
const day = 86_400_000;
const words = ["apple", "Banana", "cherry", "größe", "DATE", "e"];
const months = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

/** A message as the evaluator knows it. */
interface Known {
  readonly uid: number;
  readonly bits: number;
  readonly keyword: boolean;
  readonly from: string;
  readonly subject: string;
  readonly body: string;
  readonly extra: string | undefined;
  readonly sentDay: number | undefined;
  readonly internalDay: number;
  readonly size: number;
}

const fold = (text: string): string => text.normalize("NFKD").toUpperCase();
const has = (text: string, part: string): boolean => fold(text).includes(fold(part));
const dateText = (days: number): string => {
  const date = new Date(days * day);
  return `${date.getUTCDate()}-${months[date.getUTCMonth()]}-${date.getUTCFullYear()}`;
};

function make(random: Random, uid: number): { known: Known; message: TestMessage } {
  const word = (): string => words[random.below(words.length)]!;
  const from = `user${random.below(5)}@${word().replace("ö", "o").replace("ß", "s")}.example`;
  const subject = `${word()} ${word()} ${random.below(10)}`;
  const large = random.below(40) === 0 ? "filler line of text\r\n".repeat(7_000) : "";
  const body = `${word()} ${word()}\r\n${large}${word()} ${random.below(30)}\r\n`;
  const extra = random.below(3) === 0 ? word().replace("ö", "o").replace("ß", "s") : undefined;
  const internalDay = 20_000 + random.below(20);
  const zone = random.below(25) - 12;
  const hour = random.below(24);
  const sentDay = random.below(5) === 0 ? undefined : 20_000 + random.below(20);
  const head = [`From: ${from}`];
  head.push(`Subject: =?utf-8?b?${Buffer.from(subject).toString("base64")}?=`);
  if (extra !== undefined) head.push(`X-Extra: ${extra}`);
  if (sentDay !== undefined) {
    const [date, month, year] = dateText(sentDay).split("-");
    const sign = zone < 0 ? "-" : "+";
    const hours = String(Math.abs(zone)).padStart(2, "0");
    head.push(`Date: ${date} ${month} ${year} ${hour}:30:00 ${sign}${hours}00`);
  }
  const base64 = random.below(2) === 0;
  head.push("Content-Type: text/plain; charset=utf-8");
  if (base64) head.push("Content-Transfer-Encoding: base64");
  const encoded = Buffer.from(body).toString("base64").replace(/.{76}/g, "$&\r\n");
  const text = `${head.join("\r\n")}\r\n\r\n${base64 ? encoded : body}`;
  const bits = random.below(32);
  const keyword = random.below(2) === 0;
  const size = Buffer.byteLength(text);
  const known = { uid, bits, keyword, from, subject, body, extra, sentDay, internalDay, size };
  const internalDate = internalDay * day + random.below(day);
  return { known, message: { text, bits, keywords: keyword ? ["$Key"] : [], internalDate } };
}

type Test = (message: Known, seq: number) => boolean;
type Generated = readonly [string, Test];

const flags = { SEEN: 1, ANSWERED: 2, FLAGGED: 4, DELETED: 8, DRAFT: 16 } as const;

function leaf(random: Random, count: number): Generated {
  const pick = <T>(list: readonly T[]): T => list[random.below(list.length)]!;
  const part = pick([...words, "user1", "zzz", "3", "an"]);
  const quoted = `{${Buffer.byteLength(part)}+}\r\n${part}`;
  const days = 19_998 + random.below(24);
  const a = 1 + random.below(count);
  const b = 1 + random.below(count);
  const [low, high] = [Math.min(a, b), Math.max(a, b)];
  const size = 100 + random.below(300);
  const flag = pick(["SEEN", "ANSWERED", "FLAGGED", "DELETED", "DRAFT"] as const);
  return pick<() => Generated>([
    () => [flag, ({ bits }) => (bits & flags[flag]) !== 0],
    () => [`UN${flag}`, ({ bits }) => (bits & flags[flag]) === 0],
    () => ["KEYWORD $KEY", ({ keyword }) => keyword],
    () => ["UNKEYWORD $Key", ({ keyword }) => !keyword],
    () => ["UNKEYWORD $None", () => true],
    () => [`${a}:${b}`, (_, seq) => seq >= low && seq <= high],
    () => [`UID ${a}:${b}`, ({ uid }) => uid >= low && uid <= high],
    () => [`UID ${b}:*`, ({ uid }) => uid >= b || uid === count],
    () => [`FROM ${quoted}`, ({ from }) => has(from, part)],
    () => [`SUBJECT ${quoted}`, ({ subject }) => has(subject, part)],
    () => [`HEADER Subject ${quoted}`, ({ subject }) => has(subject, part)],
    () => [`BODY ${quoted}`, ({ body }) => has(body, part)],
    () => [`HEADER x-extra ${quoted}`, ({ extra }) => extra !== undefined && has(extra, part)],
    () => ['HEADER X-EXTRA ""', ({ extra }) => extra !== undefined],
    () => [`ON ${dateText(days)}`, ({ internalDay }) => internalDay === days],
    () => [`SINCE ${dateText(days)}`, ({ internalDay }) => internalDay >= days],
    () => [`BEFORE ${dateText(days)}`, ({ internalDay }) => internalDay < days],
    () => [`SENTON ${dateText(days)}`, ({ sentDay }) => sentDay === days],
    () => [
      `SENTSINCE ${dateText(days)}`,
      ({ sentDay }) => sentDay !== undefined && sentDay >= days,
    ],
    () => [
      `SENTBEFORE ${dateText(days)}`,
      ({ sentDay }) => sentDay !== undefined && sentDay < days,
    ],
    () => [`LARGER ${size}`, (message) => message.size > size],
    () => [`SMALLER ${size}`, (message) => message.size < size],
    () => ["ALL", () => true],
  ])();
}

function program(random: Random, depth: number, count: number): Generated {
  if (depth === 0) return leaf(random, count);
  const [text, test] = program(random, depth - 1, count);
  const [other, otherTest] = program(random, random.below(depth), count);
  switch (random.below(4)) {
    case 0:
      return [`NOT ${text}`, (message, seq) => !test(message, seq)];
    case 1:
      return [
        `OR ${text} ${other}`,
        (message, seq) => test(message, seq) || otherTest(message, seq),
      ];
    case 2:
      return [
        `(${text} ${other})`,
        (message, seq) => test(message, seq) && otherTest(message, seq),
      ];
    default:
      return [text, test];
  }
}

async function run(later: boolean, rounds: number): Promise<void> {
  const random = seededRandom(seed);
  const mailbox = await TestMailbox.open();
  const made = Array.from({ length: 120 }, (_, i) => make(random, i + 1));
  await mailbox.add(made.map(({ message }) => message));
  if (later) mailbox.readLater();
  const client = await mailbox.select();
  // Ghosts keep their numbers, and are found by nobody.
  const ghosts = [7, 60, 61, 119];
  await mailbox.expunge(ghosts);
  for (let round = 0; round < rounds; round++) {
    const keys = Array.from({ length: 1 + random.below(3) }, () =>
      program(random, random.below(4), made.length),
    );
    const text = keys.map(([key]) => key).join(" ");
    const expected = made
      .map(({ known }) => known)
      .filter(({ uid }) => !ghosts.includes(uid))
      .filter((known) => keys.every(([, test]) => test(known, known.uid)))
      .map(({ uid }) => uid);
    const context = `seed ${seed}, round ${round}: ${text}`;
    const found = await client.numbers("SEARCH", `SEARCH CHARSET UTF-8 ${text}`);
    assert.deepEqual(found, expected, context);
    const counted = await client.command(`SEARCH RETURN (COUNT MIN MAX) CHARSET UTF-8 ${text}`);
    const limits = expected.length > 0 ? ` MIN ${expected[0]} MAX ${expected.at(-1)}` : "";
    assert.ok(
      counted.includes(`)${limits} COUNT ${expected.length}\r\n`),
      `${context}: ${counted}`,
    );
  }
}

test("SEARCH finds what a naive evaluator finds", () => run(false, 250));
test("SEARCH finds the same when contents come later", () => run(true, 25));
