import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { MemoryServer } from "./memory-server.ts";
import { runPortable } from "./portable.ts";
import { parseTranscript, type TranscriptConnection, type TranscriptServer } from "./runner.ts";

/** Sends what it was given, whatever is asked. */
function speaking(...lines: string[]): TranscriptServer {
  const connection: TranscriptConnection = {
    send: () => undefined,
    read: async () => {
      const line = lines.shift();
      return line === undefined ? null : Buffer.from(`${line}\r\n`);
    },
    close: () => undefined,
  };
  return { connect: async () => connection, capabilities: new Set(["CONDSTORE"]) };
}

async function holds(wanted: string[], got: string[], server?: string): Promise<string[]> {
  const source = ["C: a NOOP", ...wanted, "S: a OK"].join("\n");
  const met = await runPortable(
    parseTranscript("test", source),
    speaking(...got, "a OK done"),
    server,
  );
  return met.map(({ why }) => why);
}

const same: [string, string[], string[]][] = [
  [
    "items, flags and strings",
    ['S: * 1 FETCH (FLAGS (\\Seen x) BODY[1] {"ab"})'],
    ['* 1 FETCH (body[1] "ab" FLAGS (X \\SEEN) UID 7)'],
  ],
  [
    "items in two responses",
    ["S: * 1 FETCH (FLAGS () UID 3)"],
    ["* 1 FETCH (UID 3)", "* 1 FETCH (FLAGS ())"],
  ],
  [
    "expunges in another order",
    ["S: * 3 EXPUNGE", "S: * 1 EXPUNGE", "S: * 5 EXISTS"],
    ["* 7 EXISTS", "* 1 EXPUNGE", "* 2 EXPUNGE"],
  ],
  [
    "a message behind an expunged one",
    ["S: * 4 FETCH (FLAGS (\\Seen))", "S: * 2 EXPUNGE"],
    ["* 2 EXPUNGE", "* 3 FETCH (FLAGS (\\Seen))"],
  ],
  [
    "what was not asked for",
    [],
    ["* OK hello", "* CAPABILITY X", "* 0 EXISTS", "* FLAGS (x)", "* 1 FETCH (FLAGS ())"],
  ],
  [
    "status items and names",
    ["S: * STATUS INBOX (MESSAGES 1 UIDNEXT 2)"],
    ['* STATUS "inbox" (UIDNEXT 2 MESSAGES 1)'],
  ],
  ["vanished uids in two responses", ["S: * VANISHED 1:3"], ["* VANISHED 1,3", "* VANISHED 2"]],
  ["codes of capabilities that are not there", ["S: * OK [MAILBOXID (x)]"], []],
  [
    "values that go on",
    ["S: * OK [HIGHESTMODSEQ $m]", "S: * STATUS x (HIGHESTMODSEQ $m)"],
    ["* STATUS x (HIGHESTMODSEQ 12)", "* OK [HIGHESTMODSEQ 12] x"],
  ],
  ["what may be missing", ["S: * LIST () NIL x", "S~"], []],
];
for (const [name, wanted, got] of same)
  test(`it is the same: ${name}`, async () => {
    assert.deepEqual(await holds(wanted, got), []);
  });

const other: [string, string[], string[]][] = [
  [
    "a wrong sequence number",
    ["S: * 4 FETCH (FLAGS (\\Seen))", "S: * 2 EXPUNGE"],
    ["* 2 EXPUNGE", "* 4 FETCH (FLAGS (\\Seen))"],
  ],
  ["an expunge too many", [], ["* 1 EXPUNGE"]],
  ["an expunge that is missing", ["S: * 1 EXPUNGE"], []],
  ["a flag too many", ["S: * 1 FETCH (FLAGS (x))"], ["* 1 FETCH (FLAGS (x y))"]],
  ["a wrong EXISTS", [], ["* 5 EXISTS"]],
  ["an item that nobody asked for", ["S: * 1 FETCH (UID 1)"], ["* 1 FETCH (UID 1 RFC822.SIZE 4)"]],
  ["a search result too many", ["S: * SEARCH 1"], ["* SEARCH 1 2"]],
  ["NIL for a string", ['S: * 1 FETCH (BODY[1] "NIL")'], ["* 1 FETCH (BODY[1] NIL)"]],
  [
    "another value",
    ["S: * OK [HIGHESTMODSEQ $m]", "S: * STATUS x (HIGHESTMODSEQ $m)"],
    ["* STATUS x (HIGHESTMODSEQ 12)", "* OK [HIGHESTMODSEQ 13] x"],
  ],
  ["a difference of another server", ["S: * LIST () NIL x", "@differs other why", "S~"], []],
];
for (const [name, wanted, got] of other)
  test(`it is another: ${name}`, async () => {
    await assert.rejects(holds(wanted, got), /^Error: test:\d+: (expected|did not expect)/);
  });

test("a difference is reported for its server", async () => {
  const wanted = ["S: * LIST () NIL x", "@differs other RFC 1: says nothing", "S~"];
  assert.deepEqual(await holds(wanted, [], "other"), ["RFC 1: says nothing"]);
});

const folder = new URL("./imap/", import.meta.url);
for (const file of readdirSync(folder).sort())
  test(`Roost keeps what is promised: imap/${file}`, async (t) => {
    const transcript = parseTranscript(file, readFileSync(new URL(file, folder), "utf8"));
    if (transcript.settings.size > 0) return t.skip("needs settings");
    const server = new MemoryServer();
    assert.deepEqual(await runPortable(transcript, server), []);
    await Promise.all(server.sessions);
  });
