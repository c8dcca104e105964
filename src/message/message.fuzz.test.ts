import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { asBuffer } from "#base/bytes.ts";
import { seededRandom, systemRandom } from "#base/random.ts";
import { parseAddresses } from "./addresses.ts";
import { CachedFields, encodeCachedFields } from "./cached-fields.ts";
import { parseDate } from "./dates.ts";
import { decodeEnvelope } from "./decode-envelope.ts";
import { decodeHeaderText } from "./encoded-words.ts";
import { headerFields } from "./header-fields.ts";
import { LineEndNormaliser, normaliseLineEnds } from "./line-ends.ts";
import { MessageParser, parseMessage } from "./parse.ts";
import type { MessagePart } from "./part.ts";
import { TextSearch, searchableText } from "./search.ts";
import { sectionRange } from "./sections.ts";
import { decodedSize } from "./transfer-encoding.ts";

const seed = systemRandom.below(1_000_000);
const random = seededRandom(seed);
const directory = new URL("../../test/messages/", import.meta.url);
const messages = readdirSync(directory)
  .filter((name) => name.endsWith(".eml"))
  .map((name) => readFileSync(new URL(name, directory)))
  .filter((message) => message.length < 8000);

const pieces = [
  "\r\n",
  "\n",
  "\r",
  "\r\n\r\n",
  "--",
  "--x",
  "\r\n--x\r\n",
  "\r\n--x--\r\n",
  "Content-Type: multipart/mixed; boundary=x\r\n",
  "Content-Type: message/rfc822\r\n\r\n",
  "Content-Transfer-Encoding: base64\r\n",
  "Content-Transfer-Encoding: quoted-printable\r\n",
  "Content-Type: text/plain; charset=iso-2022-jp\r\n",
  "Content-Type: text/html; charset=utf-8\r\n",
  "Subject: =?utf-8?b?",
  "=?utf-8?q?=C3?=",
  "To: a:b <c@d>, (",
  "name*0*=utf-8''%",
  '"',
  "\\",
  "\0",
  "\xff",
  "=",
  " ",
].map((text) => Buffer.from(text, "latin1"));

/** A message of the corpus with pieces put in, taken out, doubled and bytes changed. */
function mutated(): Buffer {
  let message = Buffer.from(messages[random.below(messages.length)]!);
  for (let i = random.below(8); i >= 0; i--) {
    const at = random.below(message.length + 1);
    const to = Math.min(at + random.below(80), message.length);
    const piece =
      random.below(3) === 0 ? message.subarray(at, to) : pieces[random.below(pieces.length)]!;
    const rest = random.below(2) === 0 ? at : to;
    message = Buffer.concat([message.subarray(0, at), piece, message.subarray(rest)]);
    if (message.length > 0 && random.below(3) === 0)
      message[random.below(message.length)] = random.below(256);
  }
  return message;
}

function cut(message: Buffer): Buffer[] {
  const out: Buffer[] = [];
  for (let at = 0; at < message.length;) {
    const size = 1 + random.below(random.below(2) === 0 ? 8 : 400);
    out.push(message.subarray(at, at + size));
    at += size;
  }
  return out;
}

function checkPart(message: Buffer, part: MessagePart): void {
  assert.ok(part.headerStart <= part.bodyStart && part.bodyStart <= part.bodyEnd);
  let lines = 0;
  for (let at = part.bodyStart; at < part.bodyEnd; at++) if (message[at] === 0x0a) lines++;
  assert.equal(part.lines, lines);
  let end = part.bodyStart;
  for (const child of part.children) {
    assert.ok(child.headerStart >= end && child.bodyEnd <= part.bodyEnd);
    end = child.bodyEnd;
    checkPart(message, child);
  }
}

/** Balanced, and nothing in it that IMAP could not read: quotes closed, literals as announced. */
function checkImap(bytes: Uint8Array): void {
  const text = asBuffer(bytes).toString("latin1");
  let depth = 0;
  let at = 0;
  while (at < text.length) {
    const rest = text.slice(at, at + 20);
    const literal = /^\{(\d+)\}\r\n/.exec(rest);
    if (literal !== null) at += literal[0].length + Number(literal[1]);
    else if (rest.startsWith('"')) {
      const quoted = /"(?:[^"\\\r\n\0\x80-\xff]|\\["\\])*"/y;
      quoted.lastIndex = at;
      assert.ok(quoted.test(text), "a quoted string");
      at = quoted.lastIndex;
    } else {
      if (rest.startsWith("(")) depth++;
      else if (rest.startsWith(")")) depth--;
      else assert.match(rest[0]!, /[NIL0-9 ]/);
      at++;
      assert.ok(depth > 0 || at === text.length, "one list");
    }
  }
  assert.equal(at, text.length);
  assert.equal(depth, 0);
}

/** Everything that is done to a message, with what must hold. */
function exercise(message: Buffer): void {
  const parsed = parseMessage(message);
  checkPart(message, parsed.root);
  const bytes = encodeCachedFields(parsed);
  const parser = new MessageParser();
  for (const piece of cut(message)) parser.push(Buffer.from(piece));
  assert.ok(asBuffer(bytes).equals(encodeCachedFields(parser.end())), "the cut matters");
  const fields = new CachedFields(bytes);
  for (const imap of [fields.envelope, fields.body, fields.bodyStructure]) checkImap(imap);
  decodeEnvelope(fields.envelope);
  const { parts } = fields;
  for (const path of [[], [1], [2], [1, 1], [2, 1], [1, 2, 1]])
    for (const kind of ["", "HEADER", "TEXT", "MIME"] as const) {
      const range = sectionRange(parts, path, kind);
      assert.ok(range === null || (range.start <= range.end && range.end <= message.length));
    }
  for (let index = 0; index < parts.count; index++) {
    const { encoding, bodyStart, bodyEnd } = parts.entry(index);
    if (encoding !== undefined) decodedSize(message.subarray(bodyStart, bodyEnd), encoding);
  }
  const header = message.subarray(0, fields.headerBytes);
  const some = headerFields(header, ["subject", "to"], false);
  const others = headerFields(header, ["subject", "to"], true);
  assert.ok(some.length + others.length <= header.length + 6);
  if (fields.keptHeader !== undefined)
    assert.ok(asBuffer(headerFields(fields.keptHeader, ["subject", "to"], false)).equals(some));
  let text = 0;
  for (const piece of searchableText(message, parts, "text")) text += piece.text.length;
  assert.ok(text <= message.length * 40 + 100);
  new TextSearch("grü").inMessage(message, parts, "text");
  new TextSearch("text").inMessage(message, parts, "body");
}

test(`mutated messages, seed ${seed}`, () => {
  for (let round = 0; round < 5000; round++) {
    const message = mutated();
    try {
      exercise(message);
    } catch (error) {
      throw new Error(
        `seed ${seed}, round ${round}: ${JSON.stringify(message.toString("latin1"))}`,
        {
          cause: error,
        },
      );
    }
  }
});

test(`random bytes as header values, seed ${seed}`, () => {
  const alphabet = "aZ09 \t\r\n\"\\()<>@,;:[].=?_*%'-\0\xe4\xc3\xbc";
  for (let round = 0; round < 10_000; round++) {
    let text = "";
    for (let left = random.below(40); left > 0; left--)
      text += alphabet[random.below(alphabet.length)];
    parseAddresses(text);
    decodeHeaderText(text);
    parseDate(text);
  }
});

test(`line ends, seed ${seed}`, () => {
  for (let round = 0; round < 2000; round++) {
    let text = "";
    for (let left = random.below(30); left > 0; left--) text += "\r\nab"[random.below(4)];
    const message = Buffer.from(text);
    const expected = text.replace(/(?<!\r)\n/g, "\r\n");
    assert.equal(asBuffer(normaliseLineEnds(message)).toString(), expected);
    const normaliser = new LineEndNormaliser();
    const out = cut(message).map((piece) => asBuffer(normaliser.push(piece)).toString());
    assert.equal(out.join(""), expected);
  }
});
