import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { fromLatin1 } from "#base/bytes.ts";
import { limits } from "#base/limits.ts";
import { encodeCachedFields } from "./cached-fields.ts";
import { MessageParser, parseMessage } from "./parse.ts";
import type { MessagePart, ParsedMessage } from "./part.ts";
import { previewOf } from "./preview.ts";

const directory = new URL("../../test/messages/", import.meta.url);
const names = readdirSync(directory)
  .filter((name) => name.endsWith(".eml"))
  .map((name) => name.slice(0, -4));

function read(name: string): Buffer {
  return readFileSync(new URL(`${name}.eml`, directory));
}

/** `multipart/mixed[text/plain image/png]`. */
function shape(part: MessagePart): string {
  const own = `${part.type}/${part.subtype}`;
  if (part.children.length === 0) return own;
  return `${own}[${part.children.map(shape).join(" ")}]`;
}

const shapes: Readonly<Record<string, string>> = {
  "alternative-html": "multipart/alternative[text/plain text/html]",
  attachment: "multipart/mixed[text/plain application/pdf]",
  "bare-cr": "text/plain",
  "base64-broken": "text/plain",
  "base64-text": "text/plain",
  "body-only": "text/plain",
  "closed-at-once": "multipart/mixed[text/plain]",
  "content-type-without-subtype": "text/plain",
  "continuation-first": "text/plain",
  cp437: "text/plain",
  digest: "multipart/digest[message/rfc822[text/plain] message/rfc822[text/plain] text/plain]",
  dsn: "multipart/report[text/plain message/delivery-status text/rfc822-headers]",
  "duplicate-fields": "text/html",
  "eight-bit-header": "text/plain",
  empty: "text/plain",
  "empty-parts": "multipart/mixed[text/plain text/plain text/html text/plain]",
  "folded-blank": "text/plain",
  "format-flowed": "text/plain",
  forwarded: "multipart/mixed[text/plain message/rfc822[multipart/mixed[text/plain image/png]]]",
  "from-line": "text/plain",
  "garbage-content-type": "text/plain",
  groups: "text/plain",
  "header-cut-by-outer": "multipart/mixed[multipart/alternative[text/plain text/plain] text/plain]",
  "header-only": "text/plain",
  "header-only-no-line-end": "text/plain",
  "html-only": "text/html",
  "huge-header": "text/plain",
  "i18n-header": "text/plain",
  "inner-not-closed": "multipart/mixed[multipart/alternative[text/plain] text/plain]",
  "iso-2022-jp": "text/plain",
  "lf-only": "text/plain",
  "many-recipients": "text/plain",
  "message-global": "multipart/mixed[message/global[text/plain]]",
  "missing-boundary": "multipart/mixed[text/plain]",
  "missing-close": "multipart/mixed[text/plain text/plain]",
  "mixed-line-ends": "text/plain",
  "no-parts": "multipart/mixed[text/plain]",
  nul: "text/plain",
  "obsolete-header": "text/plain",
  plain: "text/plain",
  "prefix-boundary": "multipart/mixed[multipart/alternative[text/plain text/plain] text/plain]",
  "random-bytes": "text/plain",
  "rfc2231-filename": "multipart/mixed[application/octet-stream]",
  "rfc822-at-top": "message/rfc822[text/plain]",
  "same-boundary-nested": "multipart/mixed[multipart/alternative[text/plain] text/plain]",
  signed: "multipart/signed[text/plain application/pgp-signature]",
  "transport-padding": "multipart/mixed[text/plain]",
  "unknown-charset": "text/plain",
  "utf-7": "text/plain",
};

test("the shape of every message", () => {
  for (const name of names) {
    if (name.startsWith("deep")) continue;
    assert.equal(shape(parseMessage(read(name)).root), shapes[name], name);
  }
});

const previews: Readonly<Record<string, string>> = {
  "alternative-html": "Plain form.",
  attachment: "Grüße – siehe Anhang.",
  "bare-cr": "one two three",
  "base64-broken": "Hello thereHello",
  "base64-text": "Ümlaute und mehr: searchable",
  cp437: "äöü DOS",
  "duplicate-fields": "x",
  "eight-bit-header": "äöü",
  empty: "",
  "format-flowed": "This is a paragraph that flows over several lines.",
  "garbage-content-type": "",
  "html-only": "Grüße Second line €<5 third",
  "iso-2022-jp": "日本語 text",
  nul: "onetwo",
  "unknown-charset": "Café on Mars.",
  "utf-7": "Hi äö +5",
};

test("previews", () => {
  for (const [name, preview] of Object.entries(previews))
    assert.equal(previewOf(parseMessage(read(name))), preview, name);
});

/** What must be true of the tree of any message. */
function checkTree(message: Uint8Array, parsed: ParsedMessage): void {
  assert.equal(parsed.size, message.length);
  assert.equal(parsed.root.headerStart, 0);
  assert.equal(parsed.root.bodyEnd, message.length);
  let count = 0;
  const check = (part: MessagePart): void => {
    count++;
    assert.ok(part.headerStart <= part.bodyStart && part.bodyStart <= part.bodyEnd);
    let lines = 0;
    for (let at = part.bodyStart; at < part.bodyEnd; at++) if (message[at] === 0x0a) lines++;
    assert.equal(part.lines, lines);
    let end = part.bodyStart;
    for (const child of part.children) {
      assert.ok(child.headerStart >= end && child.bodyEnd <= part.bodyEnd);
      end = child.bodyEnd;
      check(child);
    }
    assert.equal(part.children.length > 0, part.kind !== "leaf");
    assert.ok(part.kind !== "message" || part.children.length === 1);
  };
  check(parsed.root);
  assert.equal(count, parsed.partCount);
}

test("parts lie inside one another and count their lines", () => {
  for (const name of names) checkTree(read(name), parseMessage(read(name)));
});

function parseCut(message: Uint8Array, size: number): ParsedMessage {
  const parser = new MessageParser();
  const chunk = new Uint8Array(size);
  for (let at = 0; at < message.length; at += size) {
    const piece = message.subarray(at, at + size);
    chunk.set(piece);
    parser.push(chunk.subarray(0, piece.length));
    // The caller may use the memory again.
    chunk.fill(0x2d);
  }
  return parser.end();
}

test("the cut of the chunks does not matter", () => {
  for (const name of names) {
    const message = read(name);
    const whole = Buffer.from(encodeCachedFields(parseMessage(message)));
    for (const size of [1, 2, 3, 5, 7, 11, 64, 1000, 4096, 100_000]) {
      if (size === 1 && message.length > 10_000) continue;
      const cut = encodeCachedFields(parseCut(message, size));
      assert.ok(whole.equals(cut), `${name} in chunks of ${size}`);
    }
  }
});

test("limits: depth", () => {
  const levels = (part: MessagePart): number =>
    1 + Math.max(0, ...part.children.map((child) => levels(child)));
  assert.equal(levels(parseMessage(read("deep")).root), limits.mimeDepthMax);
  assert.equal(levels(parseMessage(read("deep-messages")).root), limits.mimeDepthMax);
});

test("limits: number of parts", () => {
  const head = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
  const message = fromLatin1(head + "--b\r\n\r\nx\r\n".repeat(5000) + "--b--\r\n");
  const parsed = parseMessage(message);
  assert.equal(parsed.partCount, limits.mimePartsMax);
  assert.equal(parsed.root.children.at(-1)!.bodyEnd, message.length);
  checkTree(message, parsed);
  assert.deepEqual(parseCut(message, 777).partCount, limits.mimePartsMax);
});

test("limits: size of a header", () => {
  const line = "X-Line: " + "x".repeat(1000) + "\r\n";
  const message = fromLatin1("Subject: s\r\n" + line.repeat(2000) + "\r\nbody\r\n");
  const parsed = parseMessage(message);
  assert.ok(parsed.root.bodyStart <= limits.headerBytesMax);
  assert.ok(parsed.root.bodyStart > limits.headerBytesMax - line.length);
  assert.equal(parseCut(message, 5000).root.bodyStart, parsed.root.bodyStart);
  const oneLine = fromLatin1("Subject: " + "x".repeat(2_000_000) + "\r\n\r\nbody");
  assert.equal(parseMessage(oneLine).root.bodyStart, 0);
  assert.equal(parseCut(oneLine, 5000).root.bodyStart, 0);
});

test("limits: embedded envelopes and parameters", () => {
  const head = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
  const part =
    "--b\r\nContent-Type: message/rfc822\r\n\r\nTo: " + "a,".repeat(1000) + "\r\n\r\nx\r\n";
  const fields = encodeCachedFields(parseMessage(fromLatin1(head + part.repeat(900))));
  assert.ok(fields.length < 1.5 * limits.bodyStructureBytesMax);
});

test("a delimiter line longer than allowed is content", () => {
  const head = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n";
  const message = fromLatin1(head + "--b" + " ".repeat(1000) + "\r\nx\r\n--b--");
  for (const parsed of [parseMessage(message), parseCut(message, 100)])
    assert.equal(parsed.root.children.length, 1);
});

test("what was pushed in small pieces is not searched again and again", () => {
  const parser = new MessageParser();
  const piece = fromLatin1("x".repeat(100));
  for (let i = 0; i < 10_000; i++) parser.push(piece);
  assert.equal(parser.end().size, 1_000_000);
});
