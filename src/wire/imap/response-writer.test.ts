import assert from "node:assert/strict";
import { test } from "node:test";
import { BufferPool } from "../../base/buffer-pool.ts";
import { utf8 } from "../../base/bytes.ts";
import { limits } from "../../base/limits.ts";
import { seededRandom } from "../../base/random.ts";
import { decimalBytesMax, putDecimal, ResponseWriter } from "./response-writer.ts";

function written(write: (writer: ResponseWriter) => void, utf8Enabled = false): string {
  const writer = new ResponseWriter();
  writer.utf8 = utf8Enabled;
  write(writer);
  const { length } = writer;
  const bytes = Buffer.concat(writer.take());
  assert.equal(bytes.length, length);
  assert.equal(writer.length, 0);
  return bytes.toString("utf8");
}

test("Numbers of all sizes", () => {
  const numbers = [0, 9, 10, 99, 12345, 2 ** 31 - 1, 2 ** 31, 4294967295, 1e9, 1e10, 2 ** 53 - 1];
  for (const value of [...numbers, 3_000_000_007, 10_000_000_000_001])
    assert.equal(
      written((writer) => writer.number(value)),
      String(value),
    );
});

test("Strings are quoted where that is possible", () => {
  const cases: ReadonlyArray<readonly [string | Uint8Array | null, string, string]> = [
    [null, "NIL", "NIL"],
    ["", '""', '""'],
    ["a b", '"a b"', '"a b"'],
    ['a"b\\c', '"a\\"b\\\\c"', '"a\\"b\\\\c"'],
    ["a\r\n", "{3}\r\na\r\n", "{3}\r\na\r\n"],
    ["\u00fc", "{2}\r\n\u00fc", '"\u00fc"'],
    [utf8("NIL"), '"NIL"', '"NIL"'],
    ["\t\u007f", '"\t\u007f"', '"\t\u007f"'],
  ];
  for (const [value, plain, enabled] of cases) {
    assert.equal(
      written((writer) => writer.nstring(value)),
      plain,
    );
    assert.equal(
      written((writer) => writer.nstring(value), true),
      enabled,
    );
  }
  const broken = written((writer) => writer.string(Uint8Array.of(0xfc)), true);
  assert.ok(broken.startsWith("{1}\r\n"));
  const long = written((writer) => writer.string("x".repeat(5000)));
  assert.ok(long.startsWith("{5000}\r\nxxx"));
});

test("Names of mailboxes", () => {
  const cases: ReadonlyArray<readonly [string, string, string]> = [
    ["INBOX", "INBOX", "INBOX"],
    ["a b", '"a b"', '"a b"'],
    ["R&D", "R&-D", "R&D"],
    ["\u00fc", "&APw-", '"\u00fc"'],
    ["nil", '"nil"', '"nil"'],
    ["", '""', '""'],
    ["a]", "a]", "a]"],
    ["100%", '"100%"', '"100%"'],
  ];
  for (const [name, plain, enabled] of cases) {
    assert.equal(
      written((writer) => writer.mailbox(name)),
      plain,
    );
    assert.equal(
      written((writer) => writer.mailbox(name), true),
      enabled,
    );
  }
});

test("Status responses hold their line", () => {
  const status = (text: string, enabled = false): string =>
    written((writer) => writer.status("a1", "NO", { code: "ALERT", text }), enabled);
  assert.equal(status("x\r\ny \u00fc"), "a1 NO [ALERT] x  y ?\r\n");
  assert.equal(status("\u00fc", true), "a1 NO [ALERT] \u00fc\r\n");
  assert.equal(
    written((writer) => writer.status("*", "OK", { text: "Hi" })),
    "* OK Hi\r\n",
  );
  assert.equal(
    written((writer) => writer.continuation("")),
    "+ \r\n",
  );
});

test("Lists, sets and dates", () => {
  assert.equal(
    written((writer) => writer.flags([]).space().flags(["\\Seen", "$a"])),
    "() (\\Seen $a)",
  );
  assert.equal(
    written((writer) => writer.ranges(Uint32Array.of(1, 3, 5, 5, 4294967295, 4294967295))),
    "1:3,5,4294967295",
  );
  assert.equal(
    written((writer) => writer.dateTime(837_596_665_000, -420)),
    '"17-Jul-1996 02:44:25 -0700"',
  );
});

test("Large octets pass uncopied and in order", () => {
  const writer = new ResponseWriter();
  const large = new Uint8Array(200_000).fill(0x78);
  writer.ascii("a ").literal(large).ascii(" b ").literal(utf8("y"), true).crlf();
  const chunks = writer.take();
  assert.ok(chunks.includes(large));
  assert.equal(
    Buffer.concat(chunks).toString(),
    `a {200000}\r\n${"x".repeat(200_000)} b ~{1}\r\ny\r\n`,
  );
});

test("What was taken is not written to again", () => {
  const writer = new ResponseWriter();
  const taken: Uint8Array[] = [];
  let expected = "";
  for (let i = 0; i < 3_000; i++) {
    const text = `* ${i} ${"x".repeat(i % 70)}\r\n`;
    writer.ascii(text);
    expected += text;
    if (i % 7 === 0) taken.push(...writer.take());
  }
  taken.push(...writer.take());
  assert.equal(Buffer.concat(taken).toString(), expected);
});

test("Short lines are put into the buffer itself", () => {
  const text = written((writer) => {
    writer.ascii("* ");
    for (let value = 0; value < 3_000; value++) {
      const buffer = writer.room(decimalBytesMax + 1, 1_000);
      const end = putDecimal(buffer, writer.position, value);
      buffer[end] = 0x20;
      writer.wrote(end + 1);
    }
    writer.crlf();
  });
  assert.equal(text, `* ${Array.from({ length: 3_000 }, (_, value) => `${value} `).join("")}\r\n`);
});

test("Buffers of a pool come back with the last chunk that was written into them", () => {
  const pool = new BufferPool(limits.outputBufferBytes);
  const writer = new ResponseWriter(pool);
  const random = seededRandom(7);
  const expected: Uint8Array[] = [];
  const sent: Uint8Array[] = [];
  let given = 0;
  const send = (chunk: Uint8Array, buffer: Buffer | undefined): void => {
    sent.push(Buffer.from(chunk));
    if (buffer === undefined) return;
    given++;
    // Whoever reads it after this reads nonsense.
    buffer.fill(0x23);
    pool.give(buffer);
  };
  for (let i = 0; i < 300; i++) {
    const bytes = random.bytes(random.below(40_000));
    expected.push(bytes);
    if (i % 3 === 0) writer.bytes(bytes);
    else writer.copy(bytes);
    writer.ascii(" and so on");
    expected.push(utf8(" and so on"));
    if (i % 4 === 0) writer.drain(send);
  }
  writer.drain(send);
  assert(Buffer.concat(sent).equals(Buffer.concat(expected)));
  assert(given > 20, `${given}`);
});
