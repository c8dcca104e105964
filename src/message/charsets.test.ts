import assert from "node:assert/strict";
import { test } from "node:test";
import { fromLatin1 } from "#base/bytes.ts";
import { charsetDecoder, decodeCharset, isAsciiCompatible, knowsCharset } from "./charsets.ts";
import { foldCase } from "./folding.ts";

const cases: readonly [label: string, bytes: string, text: string][] = [
  ["utf-8", "\xc3\xa4", "ä"],
  ["UTF8", "\xc3\xa4", "ä"],
  ['"utf-8"', "\xc3\xa4", "ä"],
  ["utf-8", "\xc3", "\ufffd"],
  ["us-ascii", "abc", "abc"],
  ["us-ascii", "\xc3\xa4", "ä"],
  ["us-ascii", "\xe4", "ä"],
  ["", "\xc3\xa4", "ä"],
  ["iso-8859-1", "\xe4\x80", "ä€"],
  ["iso-8859-15", "\xa4", "€"],
  ["windows-1251", "\xcf", "П"],
  ["koi8-r", "\xce", "н"],
  ["shift_jis", "\x93\xfa", "日"],
  ["cp932", "\x93\xfa", "日"],
  ["gb18030", "\xc4\xe3", "你"],
  ["big5", "\xa7\x41", "你"],
  ["euc-kr", "\xb0\xa1", "가"],
  ["cp437", "\x84", "ä"],
  ["cp850", "\x84", "ä"],
  ["utf-7", "+AOQ-", "ä"],
  ["utf-16le", "a\0", "a"],
  ["utf-16be", "\0a", "a"],
  ["x-martian", "\xc3\xa4", "ä"],
  ["x-martian", "\xe4", "ä"],
  ["base64", "abc", "abc"],
  ["hex", "abc", "abc"],
  ["iso-2022-kr", "abc", "abc"],
  ["replacement", "abc", "abc"],
  ["__proto__", "abc", "abc"],
  ["constructor", "abc", "abc"],
];

test("charsets, at once and byte by byte", () => {
  for (const [label, bytes, text] of cases) {
    assert.equal(decodeCharset(fromLatin1(bytes), label), text, label);
    const decoder = charsetDecoder(label);
    let out = "";
    for (const byte of fromLatin1(bytes)) out += decoder.push(Uint8Array.of(byte));
    assert.equal(out + decoder.end(), text, label);
  }
});

test("known and unknown ones", () => {
  for (const label of ["utf-8", "US-ASCII", "iso-8859-1", "koi8-r", "cp437", "gb2312", "utf-7"])
    assert.ok(knowsCharset(label), label);
  for (const label of ["", "x-martian", "base64", "hex", "replacement", "constructor"])
    assert.ok(!knowsCharset(label), label);
});

test("labels from messages do not fill the memory", () => {
  for (let i = 0; i < 5000; i++) decodeCharset(fromLatin1("x"), `x-${i}`);
  assert.equal(decodeCharset(fromLatin1("\xce"), "koi8-r"), "н");
});

test("where ASCII bytes are ASCII", () => {
  for (const label of ["", "us-ascii", "utf-8", "iso-8859-2", "windows-1250"])
    assert.ok(isAsciiCompatible(label || "us-ascii"), label);
  for (const label of [
    "iso-2022-jp",
    "utf-7",
    "utf-16",
    "shift_jis",
    "big5",
    "gb18030",
    "x-martian",
  ])
    assert.ok(!isAsciiCompatible(label), label);
});

test("folding", () => {
  assert.equal(foldCase("aBc_1"), "ABC_1");
  assert.equal(foldCase("Straße"), "STRASSE");
  assert.equal(foldCase("ΣΑΣ"), foldCase("σας"));
  assert.equal(foldCase("é"), foldCase("E\u0301"));
  assert.equal(foldCase("ﬁn"), "FIN");
  assert.equal(foldCase("\u212a"), "K");
});
