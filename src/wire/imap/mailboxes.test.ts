import assert from "node:assert/strict";
import { test } from "node:test";
import { commandOf, errorOf } from "./testing.ts";

const mailboxOf = (text: string, utf8 = false): unknown =>
  commandOf(`a DELETE ${text}`, { utf8 })["mailbox"];

test("Mailbox names in all their spellings", () => {
  assert.equal(mailboxOf("iNboX"), "INBOX");
  assert.equal(mailboxOf('"inbox"'), "INBOX");
  assert.equal(mailboxOf("{5+}\r\ninbox"), "INBOX");
  assert.equal(mailboxOf("inbox/a"), "inbox/a");
  assert.equal(mailboxOf("a]b"), "a]b");
  assert.equal(mailboxOf('"a \\"b\\\\"'), 'a "b\\');
  assert.equal(mailboxOf("Entw&APw-rfe"), "Entw\u00fcrfe");
  assert.equal(mailboxOf("{2+}\r\n\u00c3\u00bc"), "\u00fc");
  assert.equal(mailboxOf('"\u00c3\u00bc&-"', true), "\u00fc&-");
  errorOf("a DELETE R&D");
  errorOf("a DELETE {1+}\r\n\u00fc");
  errorOf('a DELETE "\u00c3\u00bc"');
  errorOf('a DELETE "\u00fc"', { utf8: true });
  errorOf(`a DELETE ${"a".repeat(10_000)}`);
});

test("SELECT with its parameters", () => {
  assert.deepEqual(commandOf("a SELECT box (CONDSTORE)"), {
    name: "SELECT",
    tag: "a",
    mailbox: "box",
    condstore: true,
    qresync: null,
  });
  const qresyncOf = (text: string): unknown =>
    commandOf(`a EXAMINE box (QRESYNC (${text}))`)["qresync"];
  const set = (...pairs: number[]): unknown => ({ pairs, saved: false });
  const head = { uidValidity: 67, modSeq: 900601151940450 };
  assert.deepEqual(qresyncOf("67 900601151940450"), { ...head, knownUids: null, match: null });
  assert.deepEqual(qresyncOf("67 900601151940450 41:211"), {
    ...head,
    knownUids: set(41, 211),
    match: null,
  });
  const match = { seqs: set(1, 1, 5, 5), uids: set(7, 8) };
  assert.deepEqual(qresyncOf("67 900601151940450 41:211 (1,5 7:8)"), {
    ...head,
    knownUids: set(41, 211),
    match,
  });
  assert.deepEqual(qresyncOf("67 900601151940450 (1,5 7:8)"), { ...head, knownUids: null, match });
  const broken = [
    "SELECT",
    "SELECT ()",
    "SELECT box ()",
    "SELECT box (FROB)",
    "SELECT box (QRESYNC)",
    "SELECT box (QRESYNC (0 5))",
    "SELECT box (QRESYNC (1 0))",
    "SELECT box (QRESYNC (1 9300000000000000000))",
    "SELECT box (QRESYNC (1 5 1:*))",
    "SELECT box (QRESYNC (1 5 $))",
    "SELECT box (QRESYNC (1 5 1 (1)))",
    "SELECT box (QRESYNC (1 5) QRESYNC (1 5))",
    "SELECT box CONDSTORE",
  ];
  for (const line of broken) errorOf(`a ${line}`);
});

test("CREATE and RENAME", () => {
  assert.equal(commandOf("a CREATE box/")["mailbox"], "box/");
  assert.equal(commandOf("a CREATE box")["specialUse"], null);
  const create = commandOf("a CREATE box (USE (\\drafts \\Own))");
  assert.deepEqual(create["specialUse"], ["\\Drafts", "\\Own"]);
  assert.deepEqual(commandOf("a RENAME inbox b"), {
    name: "RENAME",
    tag: "a",
    from: "INBOX",
    to: "b",
  });
  for (const line of [
    "CREATE",
    "CREATE a (USE)",
    "CREATE a (USE (Sent))",
    "RENAME a",
    "RENAME a b c",
  ])
    errorOf(`a ${line}`);
});

test("Quotas", () => {
  assert.equal(commandOf('a GETQUOTA ""')["root"], "");
  assert.equal(commandOf("a GETQUOTAROOT inbox")["mailbox"], "INBOX");
  const quota = commandOf('a SETQUOTA "#user" (storage 512 MESSAGE 9007199254740991)');
  assert.deepEqual(quota["limits"], [
    { resource: "STORAGE", limit: 512 },
    { resource: "MESSAGE", limit: 9007199254740991 },
  ]);
  errorOf('a SETQUOTA "" (STORAGE)');
  errorOf('a SETQUOTA "" (STORAGE -1)');
});

test("STATUS", () => {
  assert.deepEqual(commandOf("a STATUS inbox (messages DELETED-STORAGE MAILBOXID MESSAGES)"), {
    name: "STATUS",
    tag: "a",
    mailbox: "INBOX",
    items: ["MESSAGES", "DELETED-STORAGE", "MAILBOXID"],
  });
  for (const line of ["STATUS a", "STATUS a ()", "STATUS a (FROB)", "STATUS a MESSAGES"])
    errorOf(`a ${line}`);
});
