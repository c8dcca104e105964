import assert from "node:assert/strict";
import { test } from "node:test";
import { fromLatin1, latin1 } from "../../base/bytes.ts";
import { limits } from "../../base/limits.ts";
import { seededRandom } from "../../base/random.ts";
import { SmtpDecoder } from "./decoder.ts";

/** What came out, in words: verbs, replies, and the octets of messages with their flags. */
function run(input: string, pieces: number | (() => number) = input.length): string[] {
  const decoder = new SmtpDecoder();
  const bytes = fromLatin1(input);
  const out: string[] = [];
  let text = "";
  let chunks = 0;
  for (let at = 0; at < bytes.length;) {
    const count = Math.max(1, typeof pieces === "number" ? pieces : pieces());
    decoder.push(Uint8Array.from(bytes.subarray(at, at + count)));
    at += count;
    for (let event = decoder.next(); event.kind !== "more"; event = decoder.next()) {
      switch (event.kind) {
        case "command":
          out.push(event.command.verb);
          if (event.command.verb === "DATA") decoder.startData();
          if (event.command.verb === "BDAT") {
            decoder.startChunk(event.command.size, chunks === 0);
            chunks = event.command.last ? 0 : chunks + 1;
          }
          break;
        case "error":
          out.push(`${event.reply.code}`);
          break;
        case "data":
          assert.ok(event.bytes.length > 0);
          text += latin1(event.bytes);
          break;
        case "data-end":
          out.push(`${event.bareCr ? "cr " : ""}${event.bareLf ? "lf " : ""}<${text}>`);
          text = "";
          break;
      }
    }
  }
  if (text !== "") out.push(`unfinished <${text}>`);
  return out;
}

/** The same however it is cut. */
function all(input: string): string[] {
  const whole = run(input);
  for (const pieces of [1, 2, 3]) assert.deepEqual(run(input, pieces), whole);
  return whole;
}

test("Pipelined commands, and lines that are none", () => {
  assert.deepEqual(all("LHLO x\r\nFROB\r\nNOOP\nQUIT\r\n"), ["LHLO", "500", "500", "QUIT"]);
});

test("Lines that are too long are skipped", () => {
  const long = `NOOP ${"x".repeat(3 * limits.lmtpLineBytesMax)}\r\nQUIT\r\n`;
  for (const pieces of [long.length, 100, 1]) assert.deepEqual(run(long, pieces), ["500", "QUIT"]);
});

test("The text of DATA", () => {
  const cases: ReadonlyArray<readonly [string, string]> = [
    [".\r\n", "<>"],
    ["a\r\n.\r\n", "<a\r\n>"],
    ["..a\r\n...\r\n..\r\n.\r\n", "<.a\r\n..\r\n.\r\n>"],
    [".a\r\n.\r\n", "<a\r\n>"],
    ["a.b\r\n.\r\n", "<a.b\r\n>"],
    ["\r\n\r\n.\r\n", "<\r\n\r\n>"],
  ];
  for (const [text, expected] of cases)
    assert.deepEqual(all(`DATA\r\n${text}QUIT\r\n`), ["DATA", expected, "QUIT"], text);
});

test("Only CRLF dot CRLF ends DATA", () => {
  const smuggled = "MAIL FROM:<evil@b.example>\r\n";
  const cases: ReadonlyArray<readonly [string, string, string]> = [
    ["\n.\n", "lf ", "\n.\n"],
    ["\n.\r\n", "lf ", "\n.\r\n"],
    ["\r\n.\n", "lf ", "\r\n\n"],
    ["\r.\r", "cr ", "\r.\r"],
    ["\r.\r\n", "cr ", "\r.\r\n"],
    ["\r\n.\r", "cr ", "\r\n\r"],
    ["\r\n.\r\r\n", "cr ", "\r\n\r\r\n"],
    ["\n\r.\r\n", "cr lf ", "\n\r.\r\n"],
    ["\r\n\0.\r\n", "", "\r\n\0.\r\n"],
  ];
  for (const [end, flags, content] of cases) {
    assert.deepEqual(
      all(`DATA\r\na${end}${smuggled}\r\n.\r\n`),
      ["DATA", `${flags}<a${content}${smuggled}\r\n>`],
      JSON.stringify(end),
    );
  }
});

test("BDAT takes its octets and nothing else", () => {
  assert.deepEqual(all("BDAT 7\r\na\r\n.\r\nbBDAT 2 LAST\r\n\r\nQUIT\r\n"), [
    "BDAT",
    "<a\r\n.\r\nb>",
    "BDAT",
    "<\r\n>",
    "QUIT",
  ]);
  assert.deepEqual(all("BDAT 3\r\na\r\nBDAT 0 LAST\r\nQUIT\r\n"), [
    "BDAT",
    "<a\r\n>",
    "BDAT",
    "<>",
    "QUIT",
  ]);
  assert.deepEqual(all("BDAT 1\r\n\rBDAT 1 LAST\r\n\nQUIT\r\n").slice(-2), ["<\n>", "QUIT"]);
  assert.deepEqual(all("BDAT 2 LAST\r\na\rRSET\r\n"), ["BDAT", "cr <a\r>", "RSET"]);
  assert.deepEqual(all("BDAT 2 LAST\r\na\nRSET\r\n"), ["BDAT", "lf <a\n>", "RSET"]);
});

test("Bare line ends are found wherever the input is cut", () => {
  const random = seededRandom(17);
  const alphabet = ["\r", "\n", "\r\n", ".", "a", "\r\n."];
  for (let round = 0; round < 4_000; round++) {
    let text = "";
    for (let n = random.below(12); n > 0; n--) text += alphabet[random.below(alphabet.length)]!;
    const input = `DATA\r\n${text}x\r\n.\r\nQUIT\r\n`;
    // The definition, without any cutting.
    const end = /(?:^|\r\n)\.\r\n/.exec(`${text}x\r\n.\r\n`)!;
    const raw = `${text}x\r\n.\r\n`.slice(0, end.index + (end[0].length === 3 ? 0 : 2));
    const content = raw.replace(/^\./, "").replaceAll("\r\n.", "\r\n");
    const bareCr = /\r(?!\n)/.test(content) ? "cr " : "";
    const bareLf = /(?<!\r)\n/.test(content) ? "lf " : "";
    const out = run(input, () => 1 + random.below(4));
    assert.equal(out[1], `${bareCr}${bareLf}<${content}>`, JSON.stringify(text));
  }
});

test("Noise never throws and is not kept", () => {
  const random = seededRandom(23);
  const words = ["MAIL FROM:<", "RCPT TO:<", "a@b", ">", '"', " SIZE=", "BDAT 5", "\r\n", "LHLO x"];
  for (let round = 0; round < 300; round++) {
    const decoder = new SmtpDecoder();
    for (let n = 0; n < 30; n++) {
      const word = fromLatin1(words[random.below(words.length)]!);
      decoder.push(random.below(3) === 0 ? random.bytes(1 + random.below(500)) : word);
      for (let event = decoder.next(); event.kind !== "more"; event = decoder.next())
        if (event.kind === "command" && event.command.verb === "BDAT")
          decoder.startChunk(Math.min(event.command.size, 10), true);
      assert.ok(decoder.buffered <= limits.lmtpLineBytesMax + 500);
    }
  }
});

test("Clear-text input can be dropped before TLS", () => {
  const decoder = new SmtpDecoder();
  decoder.push(fromLatin1("STARTTLS\r\nMAIL FROM:<>\r\n"));
  assert.equal(decoder.next().kind, "command");
  assert.ok(decoder.buffered > 0);
  decoder.dropBuffered();
  assert.equal(decoder.next().kind, "more");
  assert.equal(decoder.buffered, 0);
});

test("Large messages pass uncopied", () => {
  const decoder = new SmtpDecoder();
  decoder.push(fromLatin1("DATA\r\n"));
  decoder.next();
  decoder.startData();
  const chunk = fromLatin1("0123456789abcdef\r\n".repeat(3_640));
  for (let n = 0; n < 100; n++) {
    decoder.push(chunk);
    const event = decoder.next();
    assert.ok(event.kind === "data" && event.bytes.buffer === chunk.buffer);
    assert.equal(decoder.next().kind, "more");
  }
});
