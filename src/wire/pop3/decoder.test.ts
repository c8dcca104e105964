import assert from "node:assert/strict";
import { test } from "node:test";
import { fromLatin1, latin1, utf8 } from "../../base/bytes.ts";
import { limits } from "../../base/limits.ts";
import { decodePop3SaslLine } from "./command.ts";
import { Pop3Decoder, type Pop3Event } from "./decoder.ts";

/** All events of `text`, whole and octet by octet. */
function events(text: string | Uint8Array): Pop3Event[] {
  const bytes = typeof text === "string" ? utf8(text) : text;
  const run = (chunks: Iterable<Uint8Array>): Pop3Event[] => {
    const decoder = new Pop3Decoder();
    const out: Pop3Event[] = [];
    for (const chunk of chunks) {
      decoder.push(chunk);
      for (let event = decoder.next(); event.kind !== "more"; event = decoder.next()) {
        out.push(event);
        if (event.kind === "fatal") return out;
      }
    }
    return out;
  };
  const whole = run([bytes]);
  const slow = run(Array.from(bytes, (octet) => Uint8Array.of(octet)));
  assert.deepEqual(slow, whole);
  return whole;
}

function command(line: string): unknown {
  const [event, ...more] = events(`${line}\r\n`);
  assert.equal(more.length, 0);
  return event?.kind === "command" ? event.command : event;
}

const error = (text: string): Pop3Event => ({ kind: "error", text });

test("commands", () => {
  for (const name of ["STAT", "NOOP", "RSET", "QUIT", "CAPA", "STLS", "UTF8"])
    assert.deepEqual(command(name.toLowerCase()), { name });
  assert.deepEqual(command("USER alice in chains "), { name: "USER", user: "alice in chains " });
  assert.deepEqual(command("PASS  secret "), { name: "PASS", password: " secret " });
  assert.deepEqual(command("PASS grün"), { name: "PASS", password: "grün" });
  assert.deepEqual(command("LIST"), { name: "LIST", message: null });
  assert.deepEqual(command("List 10"), { name: "LIST", message: 10 });
  assert.deepEqual(command("UIDL 1 "), { name: "UIDL", message: 1 });
  assert.deepEqual(command("RETR 0000000001"), { name: "RETR", message: 1 });
  assert.deepEqual(command("DELE 4294967296"), { name: "DELE", message: 4_294_967_296 });
  assert.deepEqual(command("TOP 1 0"), { name: "TOP", message: 1, lines: 0 });
  assert.deepEqual(command("LANG"), { name: "LANG", range: null });
  assert.deepEqual(command("LANG *"), { name: "LANG", range: "*" });
  assert.deepEqual(command("AUTH scram-sha-256"), {
    ...{ name: "AUTH", mechanism: "SCRAM-SHA-256", initial: null },
  });
  const initial = { name: "AUTH", mechanism: "PLAIN" };
  assert.deepEqual(command("AUTH PLAIN ="), { ...initial, initial: new Uint8Array(0) });
  assert.deepEqual(command("AUTH PLAIN AGE="), { ...initial, initial: Buffer.from("\0a") });
});

test("lines that are no commands", () => {
  for (const line of ["", " ", "APOP a b", "XTND", "STATS", "LI\0ST", "\u00e9"])
    assert.deepEqual(command(line), error("Unknown command"), line);
  assert.deepEqual(command("STAT 1"), error("Too many arguments"));
  assert.deepEqual(command("LIST 1 2"), error("Too many arguments"));
  assert.deepEqual(command("TOP 1 2 3"), error("Too many arguments"));
  assert.deepEqual(command("RETR"), error("Expected a number of a message"));
  assert.deepEqual(command("TOP 1"), error("Expected a number of lines"));
  for (const line of ["RETR -1", "RETR x", "RETR 1,2", "DELE 12345678901", "TOP 1 +1"])
    assert.deepEqual(command(line), error("Not a number"), line);
  assert.deepEqual(command("USER"), error("Expected a user name"));
  assert.deepEqual(command("PASS "), error("Expected a password"));
  assert.deepEqual(command("AUTH"), error("Expected a mechanism"));
  assert.deepEqual(command("AUTH a@b"), error("Expected a mechanism"));
  assert.deepEqual(command("AUTH PLAIN AGE"), error("Not base64"));
  const notUtf8 = events(fromLatin1("USER \u00e9\r\n"));
  assert.deepEqual(notUtf8, [error("Not UTF-8")]);
});

test("pipelined lines, line ends and lengths", () => {
  assert.deepEqual(events("NOOP\r\nSTAT\nQUIT\r\nRE"), [
    { kind: "command", command: { name: "NOOP" } },
    error("Lines end with CRLF"),
    { kind: "command", command: { name: "QUIT" } },
  ]);
  // RFC 2449 §4, CRLF included.
  assert.equal(limits.pop3LineBytesMax, 255);
  const most = limits.pop3LineBytesMax - "USER \r\n".length;
  assert.deepEqual(command(`USER ${"x".repeat(most)}`), { name: "USER", user: "x".repeat(most) });
  assert.deepEqual(events(`USER ${"x".repeat(most + 1)}\r\nNOOP\r\n`), [
    error("Line too long"),
    { kind: "command", command: { name: "NOOP" } },
  ]);
  assert.deepEqual(events("x".repeat(limits.pop3SwallowBytesMax + 1)).at(-1), {
    kind: "fatal",
    text: "Line much too long",
  });
});

test("lines within AUTH may be longer", () => {
  const decoder = new Pop3Decoder();
  const long = "x".repeat(limits.pop3SaslLineBytesMax - 2);
  decoder.push(utf8(`${long}\r\n*\r\nAUTH`));
  assert.equal(decoder.buffered, long.length + 9);
  const line = decoder.readLine();
  assert.equal(line.kind === "line" && latin1(line.bytes), long);
  const cancelled = decoder.readLine();
  assert.equal(cancelled.kind === "line" && decodePop3SaslLine(cancelled.bytes), null);
  assert.equal(decoder.readLine().kind, "more");
  assert.deepEqual(decodePop3SaslLine(utf8("")), new Uint8Array(0));
  assert.throws(() => decodePop3SaslLine(utf8("AGE")), /Not base64/);
});
