/**
 * Runs a transcript against any server: it compares what the RFCs promise.
 *
 * All that comes up to the answer of a command, or to what the transcript waits for, is one group.
 * In it, as RFC 9051 §7 and §2.3 leave it free: untagged responses come in any order, sequence
 * numbers are taken as those at the start of the group; FETCH items may be spread and spelled as
 * one likes; flags, attributes and status items have no order, and there may be more of them; text
 * is free; response codes of RFC 5530 may be missing. FETCH of FLAGS, UID and MODSEQ, a true
 * EXISTS, RECENT, FLAGS, CAPABILITY and OK may be there without being asked for.
 * Which of several sessions is told of \Recent is not looked at (RFC 3501 §2.3.2). After an answer
 * that replaces a refusal (`S~`) anything may have come before it. UIDs of a new mailbox are taken to be 1, 2, 3 and so on.
 */
import type { Values } from "./pattern.ts";
import { Group, parseResponse, type Response } from "./portable-group.ts";
import { Responses } from "./responses.ts";
import {
  type Difference,
  type Step,
  type Transcript,
  type TranscriptServer,
  variable,
  type Wanted,
} from "./runner.ts";

/** The largest literal that is sent though the transcript lets it be refused before. Bytes. */
const fillerBytesMax = 10_000;

interface Talk {
  readonly responses: Responses;
  /** Read while a continuation request was waited for. */
  readonly ahead: (string | null)[];
  exists: number;
  recent: number;
}

/**
 * `name` is what `@differs` calls the server. Gives the differences that were met. Errors: `Error`
 * that names the line and what came instead.
 */
export async function runPortable(
  transcript: Transcript,
  server: TranscriptServer,
  name?: string,
): Promise<Difference[]> {
  const values: Values = new Map();
  const talks = new Map<string, Talk>();
  const met: Difference[] = [];
  const steps = transcript.steps.filter(
    ({ at }) => at.capability === undefined || server.capabilities.has(at.capability),
  );
  const alone = new Set(steps.map(({ at }) => at.connection)).size === 1;
  try {
    for (let index = 0; index < steps.length;) {
      const { at } = steps[index]!;
      let talk = talks.get(at.connection);
      if (talk === undefined) {
        const responses = new Responses(await server.connect());
        talks.set(at.connection, (talk = { responses, ahead: [], exists: 0, recent: 0 }));
      }
      const group = steps.slice(index, index + groupLength(steps, index));
      index += group.length;
      try {
        const [first] = group;
        if (first!.kind === "send") await send(first!, talk, values);
        else if (first!.kind === "close") talk.responses.close();
        else met.push(...(await expectGroup(group, { talk, values, name, alone, server })));
      } catch (error) {
        const text = error instanceof Error ? error.message : String(error);
        throw new Error(`${transcript.name}:${at.line}: ${text}`, { cause: error });
      }
    }
  } finally {
    for (const { responses } of talks.values()) responses.close();
  }
  return met;
}

const isUntagged = (text: string): boolean => text.startsWith("* ");

/** Steps from `from` on that are compared together. */
function groupLength(steps: readonly Step[], from: number): number {
  const first = steps[from]!;
  if (first.kind === "send" || first.kind === "close") return 1;
  let length = 0;
  for (const step of steps.slice(from)) {
    if (step.kind === "send" || step.kind === "close") break;
    if (step.at.connection !== first.at.connection) break;
    length++;
    if (step.kind === "expect" && step.choices.some(({ text }) => !isUntagged(text))) break;
  }
  return length;
}

async function send(
  step: Extract<Step, { kind: "send" }>,
  talk: Talk,
  values: Values,
): Promise<void> {
  for (const piece of step.pieces) {
    const text = piece.text.replace(variable, (whole, name: string) =>
      name === "$" ? "$" : (values.get(name) ?? whole),
    );
    await talk.responses.send(text);
    const refusable = /\{(\d+)\}\r\n$/.exec(text);
    if (refusable === null) continue;
    for (;;) {
      const response = await talk.responses.next();
      if (response?.startsWith("+") === true) break;
      talk.ahead.push(response);
      if (response === null || !isUntagged(response)) return;
    }
    if (piece.waits) continue;
    const bytes = Number(refusable[1]);
    if (bytes > fillerBytesMax) throw new Error(`asked for ${bytes} bytes that are too many`);
    await talk.responses.send(`${"x".repeat(bytes)}\r\n`);
  }
}

interface Comparing {
  readonly talk: Talk;
  readonly values: Values;
  readonly name: string | undefined;
  readonly alone: boolean;
  readonly server: TranscriptServer;
}

async function expectGroup(steps: readonly Step[], to: Comparing): Promise<Difference[]> {
  const { talk, values } = to;
  const wanted = steps.flatMap((step): readonly Wanted[] =>
    step.kind === "expect" ? step.choices : [],
  );
  const loose = steps.some(({ kind }) => kind === "skip");
  const ended = wanted.some(({ text }) => !isUntagged(text));
  const received: Response[] = [];
  for (;;) {
    const complete = !ended || (received.length > 0 && received.at(-1)?.kind !== "untagged");
    if (complete) {
      const { exists, recent } = talk;
      const { capabilities } = to.server;
      const group = new Group(received, {
        ...{ values, exists, recent, capabilities, loose },
        alone: to.alone,
      });
      const outcome = group.compare(wanted, to.name);
      if (typeof outcome !== "string") {
        talk.exists = group.exists;
        talk.recent = group.recent;
        for (const [name, value] of group.values) values.set(name, value);
        return outcome;
      }
      if (ended || received.at(-1)?.kind === "closed") throw new Error(outcome);
    }
    const text = talk.ahead.length > 0 ? talk.ahead.shift()! : await talk.responses.next();
    received.push(parseResponse(text));
  }
}
