import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { FormatError, fromLatin1, fromUtf8, latin1 } from "#base/bytes.ts";
import { seededRandom } from "#base/random.ts";
import {
  areKeptFields,
  CachedFields,
  encodeCachedFields,
  shiftCachedFields,
} from "./cached-fields.ts";
import { addressText, decodeEnvelope } from "./decode-envelope.ts";
import { headerFields } from "./header-fields.ts";
import { parseMessage } from "./parse.ts";

const directory = new URL("../../test/messages/", import.meta.url);

function fieldsOf(message: Uint8Array): CachedFields {
  return new CachedFields(encodeCachedFields(parseMessage(message)));
}
function read(name: string): CachedFields {
  return fieldsOf(readFileSync(new URL(`${name}.eml`, directory)));
}

test("ENVELOPE, BODYSTRUCTURE and BODY as IMAP bytes", () => {
  const fields = read("attachment");
  const alice = '(("Alice" NIL "alice" "example.org"))';
  assert.equal(
    latin1(fields.envelope),
    `("Mon, 5 Oct 2026 10:00:00 +0200" "Attachment" ${alice} ${alice} ${alice} ` +
      '((NIL NIL "bob" "example.org")) NIL NIL NIL "<attachment@example.org>")',
  );
  assert.equal(
    latin1(fields.bodyStructure),
    '(("text" "plain" ("charset" "utf-8") NIL NIL "quoted-printable" 44 2 NIL NIL ("de" "en") NIL)' +
      '("application" "pdf" ("name" "report.pdf") "<pdf@example.org>" "The report" "base64" 18 ' +
      '"Q2hlY2sgSW50ZWdyaXR5IQ==" ("attachment" ("filename" "report.pdf" "size" "12")) NIL ' +
      '"http://example.org/report.pdf") "mixed" ("boundary" "=_1") NIL NIL NIL)',
  );
  assert.equal(
    latin1(fields.body),
    '(("text" "plain" ("charset" "utf-8") NIL NIL "quoted-printable" 44 2)' +
      '("application" "pdf" ("name" "report.pdf") "<pdf@example.org>" "The report" "base64" 18) "mixed")',
  );
});

test("embedded messages in BODYSTRUCTURE", () => {
  const carol = '((NIL NIL "carol" "example.net"))';
  assert.equal(
    latin1(read("forwarded").bodyStructure),
    '(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 10 0 NIL NIL NIL NIL)' +
      '("message" "rfc822" NIL NIL NIL "7bit" 261 ' +
      `("4 Oct 2026 09:00 GMT" "Inner" ${carol} ${carol} ${carol} ((NIL NIL "alice" "example.org")) ` +
      'NIL NIL NIL NIL) (("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 11 0 NIL NIL NIL NIL)' +
      '("image" "png" NIL NIL NIL "base64" 12 NIL NIL NIL NIL) "mixed" ("boundary" "inner") NIL NIL NIL)' +
      ' 15 NIL ("inline" NIL) NIL NIL) "mixed" ("boundary" "outer") NIL NIL NIL)',
  );
});

test("8-bit text goes into literals, NUL goes away", () => {
  const envelope = latin1(read("eight-bit-header").envelope);
  assert.match(envelope, /\{9\}\r\nStra\xc3\x9fe \x80 \(\(\{5\}\r\nJ\xc3\xb6rg NIL "joerg"/);
  assert.match(latin1(read("nul").envelope), /^\(NIL "withnul" /);
  assert.match(latin1(read("bare-cr").envelope), /^\(NIL \{7\}\r\nbare\rcr /);
});

test("absent and empty fields differ", () => {
  assert.equal(
    latin1(fieldsOf(fromLatin1("Subject:\r\nSender:\r\nFrom: a@b\r\nTo:\r\n\r\n")).envelope),
    '(NIL "" ((NIL NIL "a" "b")) ((NIL NIL "a" "b")) ((NIL NIL "a" "b")) NIL NIL NIL NIL NIL)',
  );
});

test("numbers and keys", () => {
  const fields = fieldsOf(
    fromLatin1(
      [
        "From: =?utf-8?q?J=C3=B6rg?= <joerg@example.org>",
        "To: Friends: bob@example.org;",
        "Cc: carol@example.org",
        "Subject: Fwd: [list] =?utf-8?q?Gr=C3=BC=C3=9Fe?=",
        "Date: Mon, 5 Oct 2026 01:00:00 +0200",
        "Message-ID: <me@example.org>",
        "In-Reply-To: <p@example.org> <q@example.org>",
        "References: <r@example.org>",
        " <p@example.org>",
        "",
        "Text",
      ].join("\r\n"),
    ),
  );
  assert.equal(fields.messageId, "me@example.org");
  assert.deepEqual(fields.inReplyTo, ["p@example.org", "q@example.org"]);
  assert.deepEqual(fields.references, ["r@example.org", "p@example.org"]);
  assert.deepEqual(fields.threadReferences, fields.references);
  assert.equal(fields.subjectKey, "GRU\u0308SSE");
  assert.equal(fields.isReplyOrForward, true);
  assert.equal(fields.sentInstantMs, Date.parse("2026-10-04T23:00:00Z"));
  assert.equal(fields.sentDay, Date.parse("2026-10-05") / 86_400_000);
  assert.equal(fields.fromKey, "JOERG");
  assert.equal(fields.fromDisplayKey, "JO\u0308RG");
  assert.equal(fields.toKey, "FRIENDS");
  assert.equal(fields.ccKey, "CAROL");
  assert.equal(fromUtf8(fields.preview), "Text");
  assert.equal(fields.messageBytes, fields.headerBytes + 4);
});

test("In-Reply-To stands in for References in THREAD", () => {
  const fields = fieldsOf(fromLatin1("In-Reply-To: <a@x> <b@x>\r\n\r\n"));
  assert.deepEqual(fields.threadReferences, ["a@x"]);
  assert.equal(fields.messageId, "");
  assert.equal(fields.sentInstantMs, undefined);
  assert.equal(fields.sentDay, undefined);
  assert.equal(fields.isReplyOrForward, false);
});

test("a preview has at most 200 characters", () => {
  const fields = fieldsOf(fromLatin1("\r\n" + "\xf0\x9f\x93\xa7".repeat(500)));
  assert.equal(Array.from(fromUtf8(fields.preview)).length, 200);
  const words = fieldsOf(fromLatin1("\r\n" + "word \r\n".repeat(5000)));
  assert.equal(words.preview.length, 199);
});

test("an envelope can be read back", () => {
  for (const name of readdirSync(directory).filter((name) => name.endsWith(".eml"))) {
    const fields = read(name.slice(0, -4));
    const envelope = decodeEnvelope(fields.envelope);
    assert.equal(envelope.from[0] === undefined, fields.fromKey === "", name);
  }
  const { from, cc, subject, to } = decodeEnvelope(read("groups").envelope);
  assert.equal(addressText(from[0]!), 'Quoted "Name", Jr. <q@example.org>');
  assert.equal(cc[0]!.route, "@relay.example.net,@mx.example.net");
  assert.equal(subject, "");
  assert.equal(addressText(to[0]!), "Friends");
  const i18n = decodeEnvelope(read("i18n-header").envelope);
  assert.equal(addressText(i18n.from[0]!), "Jörg Müller <joerg@example.org>");
});

test("damage is a FormatError or harmless", () => {
  const random = seededRandom(815);
  const good = read("forwarded").bytes;
  const reader = (bytes: Uint8Array): void => {
    const fields = new CachedFields(bytes);
    decodeEnvelope(fields.envelope);
    assert.equal(typeof fields.subjectKey, "string");
    assert.equal(typeof fields.sentDay, "number");
    const { parts } = fields;
    for (let index = 0; index < parts.count; index++) parts.entry(index);
    parts.find([2, 1, 3]);
    parts.find([4_000_000, 1]);
  };
  reader(good);
  const tolerant = (bytes: Uint8Array): void => {
    try {
      reader(bytes);
    } catch (error) {
      if (!(error instanceof FormatError) && !(error instanceof assert.AssertionError)) throw error;
    }
  };
  for (let size = 0; size < good.length; size++) {
    if (size < 84) assert.throws(() => reader(good.subarray(0, size)), FormatError);
    tolerant(good.subarray(0, size));
  }
  for (let round = 0; round < 20_000; round++) {
    const bad = Uint8Array.from(good);
    for (let i = random.below(4); i >= 0; i--) bad[random.below(bad.length)] = random.below(256);
    tolerant(bad);
  }
});

test("another version is refused", () => {
  const other = Uint8Array.from(read("plain").bytes);
  other[3] = 1;
  assert.throws(() => new CachedFields(other), FormatError);
});

test("the kept header answers as the whole one does", () => {
  const names = ["Subject", "FROM", "date", "References", "Content-Type", "X-Priority"];
  assert.ok(areKeptFields(names));
  assert.ok(!areKeptFields(["Subject", "Received"]));
  for (const file of readdirSync(directory).filter((name) => name.endsWith(".eml"))) {
    const message = readFileSync(new URL(file, directory));
    const fields = fieldsOf(message);
    const header = message.subarray(0, fields.headerBytes);
    for (const some of [names, ["subject"], ["to", "cc"], []])
      if (fields.keptHeader !== undefined)
        assert.deepEqual(
          headerFields(fields.keptHeader, some, false),
          headerFields(header, some, false),
          `${file}: ${some}`,
        );
  }
});

test("a header of which too much would have to be kept", () => {
  const long = `References:${` <${"x".repeat(60)}@example.org>\r\n`.repeat(80)}Subject: s\r\n\r\n`;
  assert.equal(fieldsOf(Buffer.from(long)).keptHeader, undefined);
  assert.equal(latin1(fieldsOf(Buffer.from("\r\nbody")).keptHeader!), "\r\n");
});

test("shifted fields are those of the message behind further fields", () => {
  const prefix = fromLatin1("Return-Path: <a@example.org>\r\nDelivered-To: b+c@example.org\r\n");
  let compared = 0;
  for (const name of readdirSync(directory)) {
    const bytes = readFileSync(new URL(name, directory));
    // Whoever shifts has a message that begins with a field.
    if (!/^[!-9;-~]+:/.test(latin1(bytes))) continue;
    const whole = encodeCachedFields(parseMessage(Buffer.concat([prefix, bytes])));
    const shifted = shiftCachedFields(encodeCachedFields(parseMessage(bytes)), prefix.length);
    assert.deepEqual(Buffer.from(shifted), Buffer.from(whole), name);
    compared++;
  }
  assert.ok(compared > 30);
});
