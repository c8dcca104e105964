import assert from "node:assert/strict";
import { test } from "node:test";
import { AccountOracle, type Found, type ModelMessage, Violation, withMailbox } from "./oracle.ts";

function found(messages: Record<number, [mark: string, ...flags: string[]]>): Map<string, Found> {
  const map = new Map<number, ModelMessage>();
  for (const [uid, [mark, ...flags]] of Object.entries(messages))
    map.set(Number(uid), { mark, flags: new Set(flags) });
  return new Map([["INBOX", { uidValidity: 1, uidNext: 10, highestModseq: 5, messages: map }]]);
}

function oracleWith(mark: string): AccountOracle {
  const oracle = new AccountOracle("test");
  oracle.deliveryBegins(mark);
  oracle.deliveryAcknowledged(mark);
  oracle.reconcile(found({ 1: [mark] }), oracle.due());
  return oracle;
}

test("an acknowledged delivery that is not there is a violation", () => {
  const oracle = new AccountOracle("test");
  oracle.deliveryBegins("a");
  oracle.deliveryAcknowledged("a");
  assert.throws(() => oracle.reconcile(found({}), oracle.due()), Violation);
});

test("a delivery that was not acknowledged may be there, once", () => {
  const oracle = new AccountOracle("test");
  oracle.deliveryBegins("a");
  oracle.reconcile(found({ 1: ["a"] }), oracle.due());
  assert.throws(() => oracle.reconcile(found({ 1: ["a"], 2: ["a"] }), oracle.due()), Violation);
});

test("flags, uids and counters are held to what was told", () => {
  const oracle = oracleWith("a");
  assert.throws(() => oracle.reconcile(found({ 1: ["a", "\\Seen"] }), oracle.due()), Violation);
  assert.throws(() => oracle.reconcile(found({ 1: ["b"] }), oracle.due()), Violation);
  assert.throws(
    () => oracle.tellCounters("INBOX", { uidValidity: 1, uidNext: 9, highestModseq: 5 }),
    Violation,
  );
});

test("a command whose answer got lost is done or not done, never half", () => {
  for (const flags of [[], ["\\Seen"]]) {
    const oracle = oracleWith("a");
    oracle.begins((model) =>
      withMailbox(model, "INBOX", (messages) =>
        messages.set(1, { mark: "a", flags: new Set(["\\Seen"]) }),
      ),
    );
    oracle.reconcile(found({ 1: ["a", ...flags] }), oracle.due());
  }
  const oracle = oracleWith("a");
  oracle.begins((model) => withMailbox(model, "INBOX", (messages) => messages.delete(1)));
  assert.throws(() => oracle.reconcile(found({ 1: ["a", "\\Seen"] }), oracle.due()), Violation);
});
