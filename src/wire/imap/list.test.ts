import assert from "node:assert/strict";
import { test } from "node:test";
import { commandOf, errorOf } from "./testing.ts";

const noSelect = { subscribed: false, remote: false, recursiveMatch: false, specialUse: false };
const noReturns = { subscribed: false, children: false, specialUse: false, status: null };

test("The basic LIST", () => {
  assert.deepEqual(commandOf('a LIST "" %'), {
    name: "LIST",
    tag: "a",
    reference: "",
    patterns: ["%"],
    extended: false,
    select: noSelect,
    returns: noReturns,
  });
  assert.deepEqual(commandOf('a LIST a/ "b&AOk-*"')["patterns"], ["b\u00e9*"]);
  assert.deepEqual(commandOf('a LIST "" ""')["patterns"], [""]);
  assert.deepEqual(commandOf("a LSUB a *]b"), {
    name: "LSUB",
    tag: "a",
    reference: "a",
    pattern: "*]b",
  });
});

test("The extended LIST", () => {
  const line =
    'a LIST (SUBSCRIBED REMOTE RECURSIVEMATCH SPECIAL-USE) "" ("a*" %b) ' +
    "RETURN (SUBSCRIBED children SPECIAL-USE STATUS (MESSAGES UNSEEN MESSAGES))";
  assert.deepEqual(commandOf(line), {
    name: "LIST",
    tag: "a",
    reference: "",
    patterns: ["a*", "%b"],
    extended: true,
    select: { subscribed: true, remote: true, recursiveMatch: true, specialUse: true },
    returns: {
      subscribed: true,
      children: true,
      specialUse: true,
      status: ["MESSAGES", "UNSEEN"],
    },
  });
  for (const text of ['() "" *', '"" (*)', '"" * RETURN ()']) {
    const command = commandOf(`a LIST ${text}`);
    assert.equal(command["extended"], true, text);
    assert.deepEqual(command["select"], noSelect);
    assert.deepEqual(command["returns"], noReturns);
  }
});

test("What is not a LIST", () => {
  const broken = [
    'LIST ""',
    'LIST "" ()',
    'LIST (FROB) "" *',
    'LIST (RECURSIVEMATCH) "" *',
    'LIST (RECURSIVEMATCH REMOTE) "" *',
    'LIST "" * RETURN',
    'LIST "" * RETURN (FROB)',
    'LIST "" * RETURN (STATUS)',
    'LIST "" * RETURN (STATUS ())',
    'LIST "" * FROB',
    "LIST * (a)(b)",
    'LIST "" a&b',
    'LSUB ""',
    'LSUB "" (a)',
  ];
  for (const line of broken) errorOf(`a ${line}`);
});
