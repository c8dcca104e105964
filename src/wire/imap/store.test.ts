import assert from "node:assert/strict";
import { test } from "node:test";
import { commandOf, errorOf } from "./testing.ts";

test("STORE in its forms", () => {
  assert.deepEqual(commandOf("a UID STORE 7,5,9 (UNCHANGEDSINCE 0) +flags.silent (\\sEEN $Junk)"), {
    name: "STORE",
    tag: "a",
    uid: true,
    set: { pairs: [7, 7, 5, 5, 9, 9], saved: false },
    unchangedSince: 0,
    mode: "add",
    silent: true,
    flags: ["\\Seen", "$Junk"],
  });
  const bare = commandOf("a STORE $ -FLAGS \\Deleted b");
  assert.deepEqual(bare["flags"], ["\\Deleted", "b"]);
  assert.equal(bare["mode"], "remove");
  assert.equal(bare["silent"], false);
  const clear = commandOf("a STORE 1 FLAGS ()");
  assert.deepEqual(clear["flags"], []);
  assert.equal(clear["mode"], "replace");
  assert.equal(clear["unchangedSince"], null);
  const broken = [
    "STORE 1",
    "STORE 1 FLAGS",
    "STORE 1 FROB (a)",
    "STORE 1 *FLAGS (a)",
    "STORE 1 FLAGS (a",
    "STORE 1 FLAGS (\\)",
    "STORE 1 FLAGS (a  b)",
    "STORE 1 () FLAGS (a)",
    "STORE 1 (UNCHANGEDSINCE) FLAGS (a)",
    "STORE 1 FLAGS (\u00fc)",
    'STORE 1 FLAGS ("a")',
  ];
  for (const line of broken) errorOf(`a ${line}`);
});

test("COPY, MOVE and EXPUNGE", () => {
  assert.deepEqual(commandOf("a UID MOVE 1:2 inbox"), {
    name: "MOVE",
    tag: "a",
    uid: true,
    set: { pairs: [1, 2], saved: false },
    mailbox: "INBOX",
  });
  assert.equal(commandOf("a COPY * b")["name"], "COPY");
  assert.equal(commandOf("a EXPUNGE")["uids"], null);
  assert.deepEqual(commandOf("a UID EXPUNGE 3:*")["uids"], { pairs: [3, 0], saved: false });
  for (const line of ["COPY 1", "MOVE 1 a b", "EXPUNGE 1", "UID EXPUNGE", "UID EXPUNGE x"])
    errorOf(`a ${line}`);
});

test("a modification sequence may have 63 bits; here none is above 2^53-1", () => {
  const command = commandOf("a STORE 1 (UNCHANGEDSINCE 9223372036854775807) FLAGS (a)");
  assert.equal(command["unchangedSince"], Number.MAX_SAFE_INTEGER);
});
