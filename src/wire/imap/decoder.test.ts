import assert from "node:assert/strict";
import { test } from "node:test";
import { fromLatin1, latin1, utf8 } from "../../base/bytes.ts";
import { limits } from "../../base/limits.ts";
import type { DecodeEvent } from "./decoder.ts";
import { CommandDecoder } from "./decoder.ts";
import { decodeAll, plain } from "./testing.ts";

function kindsOf(events: readonly DecodeEvent[]): string[] {
  return events.map((event) => {
    if (event.kind === "command") return event.command.name;
    return event.kind === "error" ? `error ${event.tag}` : event.kind;
  });
}

function kinds(text: string): string[] {
  const bytes = fromLatin1(text);
  const whole = kindsOf(decodeAll(bytes));
  assert.deepEqual(kindsOf(decodeAll(bytes, { pieces: 1 })), whole);
  return whole;
}

/** Pushes a text and gives the next event. */
function feed(decoder: CommandDecoder, text: string): DecodeEvent {
  decoder.push(fromLatin1(text));
  return decoder.next();
}

test("Pipelined commands come one after another", () => {
  assert.deepEqual(kinds("a NOOP\r\nb CHECK\r\nc LOGOUT\r\n"), ["NOOP", "CHECK", "LOGOUT"]);
  assert.deepEqual(kinds("a NOOP\nb CHECK\n"), ["NOOP", "CHECK"]);
  assert.deepEqual(kinds("a NOOP\r\nb FROB\r\n\r\nc NOOP"), ["NOOP", "error b", "error *"]);
});

test("A synchronising literal is announced, then read", () => {
  const decoder = new CommandDecoder();
  assert.deepEqual(feed(decoder, "a LOGIN {5}\r\n"), { kind: "continue", tag: "a", size: 5 });
  assert.equal(decoder.next().kind, "more");
  assert.equal(decoder.consumed, 0);
  assert.equal(feed(decoder, "alice {0").kind, "more");
  assert.deepEqual(feed(decoder, "}\r\n"), { kind: "continue", tag: "a", size: 0 });
  const event = feed(decoder, "\r\nb NOOP\r\n");
  const login = { name: "LOGIN", tag: "a", user: "alice", password: "" };
  assert.deepEqual(event, { kind: "command", command: login });
  assert.equal(decoder.consumed, "a LOGIN {5}\r\nalice {0}\r\n\r\n".length);
  assert.deepEqual(kindsOf([decoder.next(), decoder.next()]), ["NOOP", "more"]);
});

test("A refused literal is not waited for", () => {
  const decoder = new CommandDecoder();
  assert.equal(feed(decoder, "a LOGIN {5}\r\n").kind, "continue");
  decoder.refuse();
  assert.deepEqual(kindsOf([feed(decoder, "b NOOP\r\n")]), ["NOOP"]);
});

test("Unknown commands do not get to send their literals", () => {
  assert.deepEqual(kinds("a FROB {5}\r\nb NOOP\r\n"), ["error a", "NOOP"]);
  assert.deepEqual(kinds("a FROB {8+}\r\nx NOOP\r\n x {4+}\r\nabc\n\r\nb NOOP\r\n"), [
    "error a",
    "NOOP",
  ]);
  // A literal that is announced while the command is skipped is one that the client waits for.
  assert.deepEqual(kinds("a FROB {1+}\r\nx {5}\r\nb NOOP\r\n"), ["error a", "NOOP"]);
});

test("Literals belong to their command even where it is broken", () => {
  assert.deepEqual(kinds("a NOOP {9+}\r\nb LOGOUT\n\r\nc NOOP\r\n"), ["error a", "NOOP"]);
  assert.deepEqual(kinds('a LOGIN "{3+}\r\nb x\r\nc NOOP\r\n'), ["error a", "NOOP"]);
});

test("Literals are limited", () => {
  const size = limits.literalBytesMax + 1;
  const decoder = new CommandDecoder();
  const error = feed(decoder, `a LOGIN {${size}}\r\n`);
  assert.equal(error.kind === "error" ? error.code : "", "TOOBIG");
  assert.deepEqual(kindsOf([feed(decoder, "b NOOP\r\n")]), ["NOOP"]);
  assert.equal(feed(decoder, `a LOGIN {${size}+}\r\n`).kind, "fatal");
  assert.equal(feed(decoder, "b NOOP\r\n").kind, "fatal");
  assert.equal(decoder.readLine().kind, "fatal");
  assert.deepEqual(kinds(`a LOGIN {99999999999999999999999+}\r\n`), ["fatal"]);
  assert.deepEqual(kinds(`a FROB {99999999999999999999999+}\r\n`), ["fatal"]);
  const small = new CommandDecoder();
  small.literalBytesMax = 10;
  assert.equal(feed(small, "a LOGIN {11}\r\n").kind, "error");
  assert.equal(feed(small, "a LOGIN {10}\r\n").kind, "continue");
});

test("All literals of a command together are limited", () => {
  const literal = `{${limits.literalBytesMax}+}\r\n${"x".repeat(limits.literalBytesMax)}`;
  const decoder = new CommandDecoder();
  let event = feed(decoder, `a ID ("a" `);
  for (let i = 0; event.kind === "more" && i < 10; i++) event = feed(decoder, `${literal} "a" `);
  assert.equal(event.kind, "fatal");
});

test("Lines are limited, and what is too long is skipped", () => {
  const long = "x".repeat(limits.commandLineBytesMax);
  for (const pieces of [1 << 20, 4096]) {
    const input = fromLatin1(`a LOGIN ${long}${long}${long}\r\nb NOOP\r\n`);
    assert.deepEqual(kindsOf(decodeAll(input, { pieces })), ["error a", "NOOP"]);
  }
  assert.deepEqual(kindsOf(decodeAll(fromLatin1(`${long}x\r\nb NOOP\r\n`), { pieces: 1000 })), [
    "error *",
    "NOOP",
  ]);
  // The literal at the end of it is skipped, too.
  const literal = fromLatin1(`a LOGIN ${long} {8+}\r\nx NOOP\r\n\r\nb NOOP\r\n`);
  for (const pieces of [1 << 20, 997])
    assert.deepEqual(kindsOf(decodeAll(literal, { pieces })), ["error a", "NOOP"]);
  // The limit holds for the lines of a command together.
  const parts = `a ID ("a" {1+}\r\nb ${`"${"x".repeat(30_000)}" {1+}\r\nb `.repeat(3)}`;
  assert.deepEqual(kindsOf(decodeAll(fromLatin1(parts), { pieces: 1 << 20 })).slice(0, 1), [
    "error a",
  ]);
});

test("Many arguments are limited", () => {
  const events = decodeAll(utf8(`a STORE 1 FLAGS (${"a ".repeat(limits.argumentsMax)}a)\r\n`));
  assert.deepEqual(kindsOf(events), ["error a"]);
});

test("APPEND streams its messages", () => {
  const text =
    'a APPEND inbox (\\seen) "17-Jul-1996 02:44:25 -0700" {5+}\r\nhello {0+}\r\n UTF8 (~{2+}\r\n\0x)\r\n';
  const expected = [
    { kind: "append", tag: "a", mailbox: "INBOX" },
    {
      kind: "append-message",
      head: {
        flags: ["\\Seen"],
        date: { ms: 837596665000, zoneMinutes: -420 },
        size: 5,
        sync: false,
        literal8: false,
        utf8: false,
      },
    },
    { kind: "append-data", bytes: "octets:hello" },
    { kind: "append-message-end" },
    {
      kind: "append-message",
      head: { flags: [], date: null, size: 0, sync: false, literal8: false, utf8: false },
    },
    { kind: "append-message-end" },
    {
      kind: "append-message",
      head: { flags: [], date: null, size: 2, sync: false, literal8: true, utf8: true },
    },
    { kind: "append-data", bytes: "octets:\0x" },
    { kind: "append-message-end" },
    { kind: "append-end" },
  ];
  const bytes = fromLatin1(text);
  for (const pieces of [1, 3, 1000])
    assert.deepEqual(plain(decodeAll(bytes, { pieces })), expected, `${pieces}`);
});

test("The mailbox of an APPEND may be a literal", () => {
  const decoder = new CommandDecoder();
  assert.deepEqual(feed(decoder, "a APPEND {3}\r\n"), { kind: "continue", tag: "a", size: 3 });
  assert.deepEqual(feed(decoder, "box {4}\r\n"), { kind: "append", tag: "a", mailbox: "box" });
  const head = decoder.next();
  assert.equal(head.kind === "append-message" && head.head.sync, true);
  assert.deepEqual(
    [feed(decoder, "{8}\r\r\n"), decoder.next(), decoder.next(), decoder.next()].map(plain),
    [
      { kind: "append-data", bytes: "octets:{8}\r" },
      { kind: "append-message-end" },
      { kind: "append-end" },
      { kind: "more" },
    ],
  );
});

test("A refused APPEND is skipped whole", () => {
  const next = (decoder: CommandDecoder): string => kindsOf([decoder.next()])[0]!;
  // Nothing was sent yet: nothing will be.
  for (const events of [1, 2]) {
    const decoder = new CommandDecoder();
    decoder.push(utf8("a APPEND box {5}\r\n"));
    for (let i = 0; i < events; i++) decoder.next();
    decoder.refuse();
    decoder.push(utf8("b NOOP\r\n"));
    assert.equal(next(decoder), "NOOP");
  }
  // The message comes anyway, and more after it.
  for (const events of [1, 2, 3, 4]) {
    const decoder = new CommandDecoder();
    decoder.push(utf8("a APPEND box {5+}\r\nx NO"));
    for (let i = 0; i < events; i++) decoder.next();
    decoder.refuse();
    decoder.push(utf8("P (\\Seen) {8+}\r\nx NOOP\r\n\r\nb NOOP\r\n"));
    assert.equal(next(decoder), "NOOP");
    assert.equal(next(decoder), "more");
  }
  // After `+` was sent, in the middle and at the end of the message.
  for (const sent of ["x", "x NOOP"]) {
    const decoder = new CommandDecoder();
    decoder.push(utf8("a APPEND box {6}\r\n"));
    decoder.next();
    decoder.next();
    decoder.push(utf8(sent));
    while (decoder.next().kind === "append-data");
    decoder.refuse();
    decoder.push(utf8(`${"x NOOP".slice(sent.length)} {5}\r\nb NOOP\r\n`));
    assert.equal(next(decoder), "NOOP");
  }
});

test("A broken APPEND is an error, once", () => {
  assert.deepEqual(kinds("a APPEND box\r\nb NOOP\r\n"), ["error a", "NOOP"]);
  assert.deepEqual(kinds('a APPEND box "x"\r\nb NOOP\r\n'), ["error a", "NOOP"]);
  assert.deepEqual(kinds("a APPEND box (x {5}\r\nb NOOP\r\n"), ["error a", "NOOP"]);
  assert.deepEqual(kinds("a APPEND box UTF8 {5}\r\nb NOOP\r\n"), ["error a", "NOOP"]);
  assert.deepEqual(kinds("a APPEND box (x {8+}\r\nx NOOP\r\n {1+}\r\nx\r\nb NOOP\r\n"), [
    "error a",
    "NOOP",
  ]);
  const first = ["append", "append-message", "append-data", "append-message-end"];
  assert.deepEqual(kinds("a APPEND box {1+}\r\nxy\r\nb NOOP\r\n"), [...first, "error a", "NOOP"]);
  assert.deepEqual(kinds("a APPEND box {1+}\r\nx (y {1+}\r\nx\r\nb NOOP\r\n"), [
    ...first,
    "error a",
    "NOOP",
  ]);
  assert.deepEqual(kinds("a APPEND box UTF8 (~{1+}\r\nx\r\nb NOOP\r\n"), [
    ...first,
    "error a",
    "NOOP",
  ]);
});

test("The messages of one APPEND are limited", () => {
  const events = decodeAll(
    utf8(`a APPEND box${" {0+}\r\n".repeat(limits.appendMessagesMax + 1)}\r\n`),
  );
  assert.equal(events.filter((event) => event.kind === "append-message").length, 1000);
  assert.equal(events.at(-1)!.kind, "error");
});

test("Large messages pass without being held", () => {
  const decoder = new CommandDecoder();
  const size = 60 * 1024 * 1024;
  decoder.push(utf8(`a APPEND box {${size}+}\r\n`));
  decoder.next();
  decoder.next();
  const chunk = new Uint8Array(64 * 1024);
  let seen = 0;
  for (let sent = 0; sent < size; sent += chunk.length) {
    decoder.push(chunk);
    const event = decoder.next();
    assert.equal(event.kind, "append-data");
    if (event.kind !== "append-data") continue;
    seen += event.bytes.length;
    assert.equal(event.bytes.buffer, chunk.buffer, "Not copied");
  }
  assert.equal(seen, size);
  assert.equal(decoder.next().kind, "append-message-end");
});

test("Lines outside the command grammar", () => {
  const decoder = new CommandDecoder();
  assert.deepEqual(kindsOf([feed(decoder, "a IDLE\r\nDO")]), ["IDLE"]);
  assert.equal(decoder.readLine().kind, "more");
  decoder.push(utf8("NE\r\nb NOOP\r\n"));
  const line = decoder.readLine();
  assert.equal(line.kind === "line" && latin1(line.bytes), "DONE");
  assert.deepEqual(kindsOf([decoder.next()]), ["NOOP"]);
  decoder.push(utf8("x".repeat(limits.commandLineBytesMax + 1)));
  assert.equal(decoder.readLine().kind, "fatal");
});

test("What is buffered can be taken out", () => {
  const decoder = new CommandDecoder();
  assert.deepEqual(kindsOf([feed(decoder, "a STARTTLS\r\nb NOOP\r\nc ")]), ["STARTTLS"]);
  assert.equal(decoder.buffered, 10);
  assert.equal(latin1(decoder.takeBuffered()), "b NOOP\r\nc ");
  assert.equal(decoder.next().kind, "more");
});

test("Views stay what they were", () => {
  const decoder = new CommandDecoder();
  const views: Uint8Array[] = [];
  for (let i = 0; i < 200; i++) {
    decoder.push(utf8(`a SEARCH SUBJECT "x${i}`));
    decoder.push(utf8('"\r\n'));
    const event = decoder.next();
    assert.equal(event.kind, "command");
    if (event.kind !== "command" || event.command.name !== "SEARCH") continue;
    const { program } = event.command;
    if (program.key === "SUBJECT") views.push(program.value);
  }
  assert.deepEqual(
    views.map((view) => latin1(view)),
    Array.from({ length: 200 }, (_, i) => `x${i}`),
  );
});
