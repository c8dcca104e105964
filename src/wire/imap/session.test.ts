import assert from "node:assert/strict";
import { test } from "node:test";
import { fromLatin1, utf8 } from "../../base/bytes.ts";
import { decodeSaslLine, isDoneLine } from "./session.ts";
import { ImapSyntaxError } from "./syntax.ts";
import { commandOf, errorOf } from "./testing.ts";

test("LOGIN takes atoms, quoted strings and literals", () => {
  const login = commandOf('a LOGIN {7+}\r\nal"\r\nce "p \\\\w"');
  assert.equal(login["user"], 'al"\r\nce');
  assert.equal(login["password"], "p \\w");
  assert.equal(commandOf("a LOGIN alice@example.org {2+}\r\n\u00c3\u00bc")["password"], "\u00fc");
  for (const line of [
    "LOGIN a",
    "LOGIN a b c",
    "LOGIN  a b",
    'LOGIN a "b',
    "LOGIN a {1+}\r\n\u00fc",
  ])
    errorOf(`a ${line}`);
});

test("AUTHENTICATE with and without an initial response", () => {
  assert.deepEqual(commandOf("a AUTHENTICATE scram-sha-256"), {
    name: "AUTHENTICATE",
    tag: "a",
    mechanism: "SCRAM-SHA-256",
    initial: null,
  });
  assert.equal(commandOf("a AUTHENTICATE PLAIN AGEAYg==")["initial"], "octets:\0a\0b");
  assert.equal(commandOf("a AUTHENTICATE EXTERNAL =")["initial"], "octets:");
  for (const text of ["PLAIN ", "PLAIN ==", "PLAIN AGEAYg", "PLAIN AG EA", "", '"PLAIN"'])
    errorOf(`a AUTHENTICATE ${text}`);
});

test("Lines of a SASL dialogue and of IDLE", () => {
  assert.deepEqual(Buffer.from(decodeSaslLine(utf8("YWI="))!).toString(), "ab");
  assert.equal(decodeSaslLine(utf8(""))!.length, 0);
  assert.equal(decodeSaslLine(utf8("*")), null);
  for (const text of ["**", "YWI", "YWI=\0", "=", "YQ=", "é"])
    assert.throws(() => decodeSaslLine(fromLatin1(text)), ImapSyntaxError, text);
  assert.equal(isDoneLine(utf8("done")), true);
  assert.equal(isDoneLine(utf8("DONE ")), false);
});

test("ID, ENABLE and COMPRESS", () => {
  assert.equal(commandOf("a ID NIL")["fields"], null);
  assert.deepEqual(commandOf("a ID ()")["fields"], []);
  assert.deepEqual(commandOf('a ID ("name" "x" "os" NIL)')["fields"], [
    ["name", "x"],
    ["os", null],
  ]);
  assert.deepEqual(commandOf("a ENABLE imap4rev2 X-y")["capabilities"], ["IMAP4REV2", "X-Y"]);
  assert.equal(commandOf("a COMPRESS deflate")["algorithm"], "DEFLATE");
  for (const line of [
    "ID",
    "ID (a b)",
    'ID ("a")',
    'ID (NIL "a")',
    "ENABLE",
    "ENABLE ",
    "COMPRESS",
  ])
    errorOf(`a ${line}`);
});
