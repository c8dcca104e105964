import assert from "node:assert/strict";
import { test } from "node:test";
import { concatBytes, latin1, utf8 } from "../../base/bytes.ts";
import { seededRandom } from "../../base/random.ts";
import { Pop3Decoder, type Pop3Event } from "./decoder.ts";
import { DotStuffer, TopCutter } from "./dots.ts";
import { Pop3ReplyWriter } from "./reply-writer.ts";
import { Pop3ResponseDecoder } from "./response-decoder.ts";

const seed = 20_262;

const lines = [
  ...["USER alice", "PASS secret", "AUTH PLAIN AGEAYg==", "AUTH SCRAM-SHA-256", "LIST", "LIST 2"],
  ...["UIDL", "RETR 1", "TOP 1 10", "DELE 3", "LANG en", "CAPA", "STLS", "QUIT", "", "*", "x"],
];

test(`any octets are commands or errors, however they are cut (seed ${seed})`, () => {
  const random = seededRandom(seed);
  const run = (chunks: readonly Uint8Array[], sasl: boolean): Pop3Event[] => {
    const decoder = new Pop3Decoder();
    const out: Pop3Event[] = [];
    for (const chunk of chunks) {
      decoder.push(chunk);
      for (;;) {
        const event = sasl ? decoder.readLine() : decoder.next();
        if (event.kind === "more") break;
        out.push(event as Pop3Event);
      }
    }
    return out;
  };
  for (let round = 0; round < 20_000; round++) {
    const picked = Array.from({ length: 1 + random.below(4) }, () => random.below(lines.length));
    const bytes = Uint8Array.from(utf8(picked.map((index) => `${lines[index]}\r\n`).join("")));
    for (let edits = random.below(4); edits > 0; edits--)
      bytes[random.below(bytes.length)] = random.below(256);
    const at = random.below(bytes.length + 1);
    const sasl = random.below(4) === 0;
    const cut = run([bytes.subarray(0, at), bytes.subarray(at)], sasl);
    assert.deepEqual(cut, run([bytes], sasl), `round ${round}`);
  }
});

test(`a message comes out as it went in (seed ${seed})`, () => {
  const random = seededRandom(seed);
  const alphabet = utf8("..a\r\n");
  for (let round = 0; round < 20_000; round++) {
    const message = Uint8Array.from({ length: random.below(30) }, () =>
      random.below(3) === 0 ? 0x0d : alphabet[random.below(alphabet.length)]!,
    );
    const text = latin1(message).replace(/\r\n|[\r\n]/g, "\r\n");
    const bytes = utf8(text);
    const at = random.below(bytes.length + 1);
    const stuffer = new DotStuffer();
    const writer = new Pop3ReplyWriter().ok("");
    for (const piece of [bytes.subarray(0, at), bytes.subarray(at)])
      writer.bytes(stuffer.push(piece));
    writer.bytes(stuffer.end()).ok("next");
    const decoder = new Pop3ResponseDecoder();
    decoder.push(concatBytes(writer.take()));
    const event = decoder.next(true);
    assert.ok(event.kind === "status");
    const wanted = text === "" || text.endsWith("\r\n") ? text : `${text}\r\n`;
    assert.equal(latin1(event.content!), wanted, `round ${round}`);
    const next = decoder.next(false);
    assert.equal(next.kind === "status" && next.text, "next");
  }
});

test(`TOP gives as many lines as were asked for (seed ${seed})`, () => {
  const random = seededRandom(seed);
  for (let round = 0; round < 10_000; round++) {
    const text = Array.from(
      { length: random.below(20) },
      () => ["a", "\r\n", "\r\n", "."][random.below(4)],
    ).join("");
    const wanted = random.below(4);
    const cutter = new TopCutter(wanted);
    const at = random.below(text.length + 1);
    const got = [text.slice(0, at), text.slice(at)].map((part) => latin1(cutter.push(utf8(part))));
    const ends = /^(?:\r\n|[^]*?\r\n\r\n)/.exec(text);
    const header = ends?.[0] ?? text;
    const body = text.slice(header.length).match(/[^\n]*\n|[^\n]+$/g) ?? [];
    assert.equal(got.join(""), header + body.slice(0, wanted).join(""), JSON.stringify(text));
  }
});

test(`any octets are responses or errors (seed ${seed})`, () => {
  const random = seededRandom(seed);
  for (let round = 0; round < 20_000; round++) {
    const decoder = new Pop3ResponseDecoder();
    const bytes = Uint8Array.from(utf8("+OK [A] b\r\n1 2\r\n..\r\n.\r\n-ERR x\r\n+ AGE=\r\n"));
    for (let edits = random.below(5); edits > 0; edits--)
      bytes[random.below(bytes.length)] = random.below(256);
    decoder.push(bytes);
    for (let events = 0; decoder.next(random.below(2) === 0).kind !== "more"; events++)
      assert.ok(events < 20);
  }
});
