import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { capabilities } from "#protocols/imap/index.ts";
import { samples } from "../../src/wire/imap/testing.ts";
import { parseTranscript, type Step, type Transcript } from "./runner.ts";

const folder = new URL("./imap/", import.meta.url);
const transcripts: readonly Transcript[] = readdirSync(folder)
  .sort()
  .map((file) => parseTranscript(file, readFileSync(new URL(file, folder), "utf8")));

/** Over before a transcript begins. */
const beforeLogin = new Set(["AUTHENTICATE", "LOGIN", "STARTTLS"]);
/** The quota is the operator's, and what follows COMPRESS is no text. */
const refusedHere = new Set(["SETQUOTA", "COMPRESS"]);
const testedElsewhere: ReadonlyMap<string, string> = new Map([
  ["SASL-IR", "src/proxy/login/imap.test.ts"],
]);

/** What is sent by the tag of its answer, and how it is answered, in the order of the steps. */
function answers(steps: readonly Step[]): { command: string; status: string }[] {
  const sent = new Map<string, string>();
  const found: { command: string; status: string }[] = [];
  for (const step of steps) {
    const { connection } = step.at;
    if (step.kind === "send") {
      const [, tag, command] = /^(\S+) (?:UID )?(\S+)/i.exec(step.pieces[0]!.text) ?? [];
      if (tag !== undefined) sent.set(`${connection} ${tag}`, command!.toUpperCase());
    }
    if (step.kind !== "expect") continue;
    for (const { text } of step.choices) {
      const [, tag, status] = /^(\S+) (OK|NO|BAD)\b/.exec(text) ?? [];
      const command = sent.get(`${connection} ${tag}`);
      if (command !== undefined) found.push({ command, status: status! });
    }
  }
  return found;
}

const all = transcripts.flatMap(({ steps }) => answers(steps));

for (const command of Object.keys(samples)) {
  test(`${command} has a transcript in which it succeeds`, (t) => {
    if (beforeLogin.has(command)) return t.skip("it comes before a transcript begins");
    if (refusedHere.has(command)) return t.skip("it never succeeds in a transcript");
    assert(all.some((one) => one.command === command && one.status === "OK"));
  });
  test(`${command} has a transcript in which it is refused`, () => {
    assert(all.some((one) => one.command === command && one.status !== "OK"));
  });
}

for (const capability of capabilities)
  test(`${capability} has a transcript that names it and refuses something`, () => {
    const elsewhere = testedElsewhere.get(capability);
    if (elsewhere !== undefined) {
      const text = readFileSync(new URL(`../../${elsewhere}`, import.meta.url), "utf8");
      assert(text.includes(capability), `${elsewhere} does not name it`);
      return;
    }
    const name = capability.toUpperCase();
    const naming = transcripts.filter(
      ({ requires, steps }) =>
        requires.some((one) => one.toUpperCase() === name) ||
        steps.some(({ at }) => at.capability === name),
    );
    assert.notEqual(naming.length, 0, "no transcript names it");
    assert(naming.some(({ steps }) => answers(steps).some(({ status }) => status !== "OK")));
  });
