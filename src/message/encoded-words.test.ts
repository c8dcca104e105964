import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeHeaderText, parameterText } from "./encoded-words.ts";
import { parameter, parseParameterised, withoutComments } from "./parameters.ts";

const words: readonly [value: string, text: string][] = [
  ["", ""],
  ["plain text", "plain text"],
  ["=?iso-8859-1?Q?J=F6rg?=", "Jörg"],
  ["=?ISO-8859-1?q?a_b?= c", "a b c"],
  ["=?utf-8?B?R3LDvMOfZQ==?=", "Grüße"],
  ["=?utf-8*de?B?R3LDvMOfZQ==?=", "Grüße"],
  ["(=?us-ascii?Q?a?=)", "(a)"],
  ["=?us-ascii?Q?a?= =?us-ascii?Q?b?=", "ab"],
  ["=?us-ascii?Q?a?=  \t =?utf-8?B?Yg==?=", "ab"],
  ["=?us-ascii?Q?a?= b", "a b"],
  ["=?us-ascii?Q?a?=b=?us-ascii?Q?c?=", "abc"],
  ["=?utf-8?Q?=E2=82?= =?utf-8?Q?=AC?=", "€"],
  ["=?utf-8?B?4g==?= =?utf-8?Q?=82=AC?=", "€"],
  ["=?iso-2022-jp?B?GyRCRnxLXDhsGyhC?=", "日本語"],
  ["=?koi8-r?B?7snLz8zByg==?=", "Николай"],
  ["=?gb2312?B?xOO6ww==?=", "你好"],
  ["=?cp437?Q?=84?=", "ä"],
  ["=?utf-8?Q?a b?=", "a b"],
  ["=?utf-8?Q?broken", "=?utf-8?Q?broken"],
  ["=?utf-8?X?a?=", "=?utf-8?X?a?="],
  ["=?utf-8?Q?=ZZ?=", "=ZZ"],
  ["=?x-martian?Q?caf=C3=A9?=", "café"],
  ["=?x-martian?Q?caf=E9?=", "café"],
  ["=??Q?a?=", "=??Q?a?="],
  ["=?utf-8?Q??= x", " x"],
  ["=? =?us-ascii?Q?a?=", "=? a"],
  ["Stra\xc3\x9fe", "Straße"],
  ["Stra\xdfe", "Straße"],
  ["\xc3\xa4 =?us-ascii?Q?a?= \xe4", "ä a ä"],
];

test("encoded words", () => {
  for (const [value, text] of words) assert.equal(decodeHeaderText(value), text, value);
});

test("hostile encoded words are read in one pass", () => {
  for (const piece of ["=?", "=?a?q?", "=?a?q?=", "=?a?b?AA?= ", "=?a?q?x"])
    decodeHeaderText(piece.repeat(20_000));
});

const parameters: readonly [field: string, name: string, raw: string | undefined, text: string][] =
  [
    ["a/b; name=x", "name", "x", "x"],
    ['a/b; NAME="x y"', "name", "x y", "x y"],
    ['a/b; name="x; \\"y\\""; z=1', "name", 'x; "y"', 'x; "y"'],
    ["a/b; name = x ; z=1", "name", "x", "x"],
    ["a/b; name=a b", "name", "a b", "a b"],
    ["a/b; name=", "name", "", ""],
    ["a/b (comment; name=no); name=yes", "name", "yes", "yes"],
    ["a/b; name*=utf-8''%E2%82%AC", "name", undefined, "€"],
    ["a/b; name*=%41", "name", undefined, "A"],
    ["a/b; name*0=a; name*1=b; name*2=c", "name", "abc", "abc"],
    ["a/b; name*1=b; name*0=a", "name", "ab", "ab"],
    ["a/b; name*0=a; name*2=c", "name", "a", "a"],
    ["a/b; name*0*=utf-8''%E2%82; name*1*=%AC", "name", undefined, "€"],
    ['a/b; name*0="a\'%"; name*1*=%E2%82%AC', "name", undefined, "a'%€"],
    ["a/b; name=plain; name*=utf-8''better", "name", "plain", "better"],
    ["a/b; name==?utf-8?Q?=C3=A4?=", "name", "=?utf-8?Q?=C3=A4?=", "ä"],
    ["a/b;;; ; name=x;", "name", "x", "x"],
    ["a/b; =x; name=y", "name", "y", "y"],
    ['a/b; name="not closed', "name", "not closed", "not closed"],
    ["a/b; name=x; name=y", "name", "x", "x"],
  ];

test("parameters, their continuations and charsets", () => {
  for (const [field, name, raw, text] of parameters) {
    const { value, params } = parseParameterised(field);
    assert.equal(value, "a/b", field);
    assert.equal(parameter(params, name), raw, field);
    assert.equal(parameterText(params, name), text, field);
  }
  assert.equal(parameterText([], "name"), undefined);
});

test("comments", () => {
  assert.equal(withoutComments("a (b (c) \\) d) e"), "a   e");
  assert.equal(withoutComments('"(a)" (b)'), '"(a)"  ');
  assert.equal(withoutComments("a (never closed"), "a  ");
  assert.equal(withoutComments("a ) b"), "a ) b");
});

test("the number of parameters is bounded", () => {
  assert.equal(parseParameterised("a/b" + "; x=y".repeat(5000)).params.length, 200);
  assert.ok(parseParameterised("a/b" + "; x*999=y".repeat(5000)).params.length <= 200);
});
