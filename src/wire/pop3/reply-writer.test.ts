import assert from "node:assert/strict";
import { test } from "node:test";
import { concatBytes, fromLatin1, latin1, utf8 } from "../../base/bytes.ts";
import { limits } from "../../base/limits.ts";
import { Pop3ReplyWriter } from "./reply-writer.ts";
import { Pop3ResponseDecoder, type Pop3ResponseEvent } from "./response-decoder.ts";

const textOf = (writer: Pop3ReplyWriter): string =>
  latin1(concatBytes([new Uint8Array(0), ...writer.take()]));

test("responses", () => {
  const writer = new Pop3ReplyWriter();
  writer.ok("2 320").err("Taken", "IN-USE").err("No").challenge("").line("1 120").end();
  const wanted = "+OK 2 320\r\n-ERR [IN-USE] Taken\r\n-ERR No\r\n+ \r\n1 120\r\n.\r\n";
  assert.equal(writer.length, wanted.length);
  assert.equal(textOf(writer), wanted);
  assert.equal(writer.length, 0);
  writer
    .ok("a")
    .bytes(utf8("x".repeat(1_000)))
    .bytes(utf8("y"))
    .end();
  assert.equal(writer.length, "+OK a\r\n".length + 1_001 + 3);
  assert.match(textOf(writer), /^\+OK a\r\nx{1000}y\.\r\n$/);
});

test("a status cannot break its line or be too long", () => {
  const writer = new Pop3ReplyWriter().ok(`a\r\n+OK é${"x".repeat(1_000)}`);
  const text = textOf(writer);
  assert.equal(text.length, limits.pop3ResponseBytesMax);
  assert.match(text, /^\+OK a\?\?\+OK \?x+\r\n$/);
});

/** Events of responses, whole and octet by octet. */
function responses(text: string, multiline: boolean): Pop3ResponseEvent[] {
  const run = (chunks: readonly Uint8Array[]): Pop3ResponseEvent[] => {
    const decoder = new Pop3ResponseDecoder();
    const out: Pop3ResponseEvent[] = [];
    for (const chunk of chunks) {
      decoder.push(chunk);
      let event = decoder.next(multiline);
      for (; event.kind !== "more"; event = decoder.next(multiline)) out.push(event);
    }
    return out;
  };
  const bytes = fromLatin1(text);
  const whole = run([bytes]);
  assert.deepEqual(run(Array.from(bytes, (octet) => Uint8Array.of(octet))), whole);
  return whole;
}

test("what a client reads", () => {
  const status = { kind: "status", ok: true, code: null, text: "", content: null };
  assert.deepEqual(responses("+OK\r\n-ERR [SYS/TEMP] no\r\n", false), [
    status,
    { ...status, ok: false, code: "SYS/TEMP", text: "no" },
  ]);
  assert.deepEqual(responses("+ AGE=\r\n", true), [
    { kind: "challenge", data: Buffer.from("\0a") },
  ]);
  const [event] = responses("+OK two\r\n1 2\r\n..a\r\n.\r\n", true);
  assert.equal(event?.kind === "status" && latin1(event.content!), "1 2\r\n.a\r\n");
  assert.deepEqual(responses("-ERR no\r\n", true), [{ ...status, ok: false, text: "no" }]);
  for (const broken of ["+OK\n", "ok\r\n", "+OKAY\r\n", "+ !\r\n", "* OK\r\n"])
    assert.equal(responses(broken, false)[0]?.kind, "error", broken);
});
