/** SEARCH with its return options, SORT, THREAD. */
import type { Token } from "#wire/index.ts";
import { isGhost, seqOf } from "../addressing.ts";
import type { Message } from "../account.ts";
import { demand, demandEqual } from "../failure.ts";
import type { Generator, Planned, World } from "../planned.ts";
import type { SessionModel, Told } from "../session.ts";
import { numbersOf } from "../sets.ts";
import { compareBy, randomCriteria } from "./sorting.ts";
import { type Program, randomProgram } from "./programs.ts";
import { threadsOf, type Threading } from "./threading.ts";

/** What SEARCH, SORT and THREAD have in common: the messages that are found, and how it ends. */
interface Search {
  readonly uid: boolean;
  readonly prefix: string;
  readonly program: Program;
  readonly found: readonly Message[];
  readonly numberOf: (message: Message) => number;
  readonly base: Pick<Planned, "expected" | "sync" | "literals">;
}

function randomSearch(world: World, session: SessionModel): Search | undefined {
  const { view } = session;
  if (view === undefined) return undefined;
  const { dice } = world;
  const uid = dice.oneIn(2);
  const program = randomProgram(world, session);
  const found = view.list.filter((message) => !isGhost(message) && program.matches(message));
  const ghosts = view.list.some(isGhost);
  // The numbers are those before the command: nothing is renumbered until it has been answered.
  const seqs = new Map(view.list.map((message) => [message, seqOf(view, message)]));
  return {
    uid,
    prefix: uid ? "UID " : "",
    program,
    found,
    numberOf: (message) => (uid ? message.uid : seqs.get(message)!),
    base: {
      expected: [ghosts ? "OK EXPUNGEISSUED" : "OK"],
      sync: uid ? "all" : "held",
      literals: program.literals,
    },
  };
}

const options = ["MIN", "MAX", "ALL", "COUNT", "SAVE"] as const;
type Option = (typeof options)[number];

interface Returns {
  readonly options: ReadonlySet<Option>;
  readonly partial: readonly [number, number] | undefined;
  /** Text after RETURN, undefined without it. */
  readonly text: string | undefined;
}

function randomReturns({ dice }: World, rev2: boolean): Returns {
  if (dice.oneIn(2))
    return { options: new Set(rev2 ? ["ALL"] : []), partial: undefined, text: undefined };
  if (dice.oneIn(8)) return { options: new Set(["ALL"]), partial: undefined, text: "()" };
  const chosen = new Set<Option>(dice.oneIn(2) ? dice.some(options) : [dice.pick(options)]);
  let partial: [number, number] | undefined;
  if (!chosen.has("ALL") && dice.oneIn(4)) {
    const from = dice.between(1, 4);
    partial = dice.oneIn(2) ? [from, from + dice.below(3)] : [-from, -from - dice.below(3)];
  }
  const texts: string[] = [
    ...chosen,
    ...(partial === undefined ? [] : [`PARTIAL ${partial.join(":")}`]),
  ];
  return { options: chosen, partial, text: `(${dice.shuffled(texts).join(" ")})` };
}

/** Positions of a result that a PARTIAL names. RFC 9394 §3.1 */
function partOf(found: readonly Message[], [from, to]: readonly [number, number]): Message[] {
  if (from > 0) return found.slice(from - 1, to);
  return found.filter((_, index) => index - found.length <= from && index - found.length >= to);
}

/** What the options single out; all where one of them is about all. */
function singledOut(found: readonly Message[], { options: chosen, partial }: Returns): Message[] {
  if (chosen.has("ALL") || chosen.has("COUNT")) return [...found];
  const picked = new Set<Message>();
  if (!chosen.has("MIN") && !chosen.has("MAX") && partial === undefined) return [...found];
  if (chosen.has("MIN") && found.length > 0) picked.add(found[0]!);
  if (chosen.has("MAX") && found.length > 0) picked.add(found.at(-1)!);
  if (partial !== undefined) for (const message of partOf(found, partial)) picked.add(message);
  return found.filter((message) => picked.has(message));
}

export const search: Generator = (world, session) => {
  const plan = randomSearch(world, session);
  if (plan === undefined) return undefined;
  const { enabled } = session;
  const returns = randomReturns(world, enabled.rev2);
  const { program, found, prefix } = plan;
  const extended = returns.text !== undefined || enabled.rev2;
  const told = extended ? singledOut(found, returns) : found;
  const modseq = program.asksModSeq ? Math.max(0, ...told.map((message) => message.modseq)) : 0;
  const charset = program.literals.length > 0 || world.dice.oneIn(8) ? "CHARSET UTF-8 " : "";
  const result = returns.text === undefined ? "" : `RETURN ${returns.text} `;
  return {
    ...plan.base,
    text: `${prefix}SEARCH ${result}${charset}${program.text}`,
    responses: ["SEARCH", "ESEARCH"],
    changes: returns.options.has("SAVE"),
    switches: () => {
      if (program.asksModSeq) enabled.condstore = true;
    },
    apply() {
      this.switches!();
      if (returns.options.has("SAVE")) session.saved = new Set(told.map(({ uid }) => uid));
    },
    check: (_, { data }) => {
      if (!extended)
        checkPlain(data, { name: "SEARCH", numbers: found.map(plan.numberOf), modseq });
      else checkExtended(data, { plan, returns, modseq });
    },
  };
};

function checkPlain(
  data: Told["data"],
  expected: { name: string; numbers: readonly number[]; modseq: number },
): void {
  const { name, numbers, modseq } = expected;
  demandEqual(
    data.map((each) => [each.name, ...each.tokens]),
    [[name, ...numbers, ...(modseq > 0 ? [["MODSEQ", modseq]] : [])]],
    name,
  );
}

/** RFC 9051 §7.3.4, RFC 4731 §3.1, RFC 9394 §3.1 */
function checkExtended(
  data: Told["data"],
  { plan, returns, modseq }: { plan: Search; returns: Returns; modseq: number },
): void {
  const chosen = returns.options;
  const { partial } = returns;
  const silent = chosen.size === 1 && chosen.has("SAVE") && partial === undefined;
  demandEqual(data.length, silent ? 0 : 1, "Number of ESEARCH responses");
  if (silent) return;
  const numbers = plan.found.map(plan.numberOf);
  const expected = new Map<string, unknown>();
  const some = numbers.length > 0;
  if (chosen.has("MIN") && some) expected.set("MIN", numbers[0]);
  if (chosen.has("MAX") && some) expected.set("MAX", numbers.at(-1));
  if (chosen.has("COUNT")) expected.set("COUNT", numbers.length);
  if (chosen.has("ALL") && some) expected.set("ALL", numbers);
  if (modseq > 0) expected.set("MODSEQ", modseq);
  if (partial !== undefined)
    expected.set("PARTIAL", partOf(plan.found, partial).map(plan.numberOf));
  const [tag, ...rest] = data[0]!.tokens;
  demand(data[0]!.name === "ESEARCH" && Array.isArray(tag), "Expected ESEARCH with a tag");
  demandEqual(rest[0] === "UID", plan.uid, "UID in ESEARCH");
  const items = plan.uid ? rest.slice(1) : rest;
  const got = new Map<string, unknown>();
  for (let i = 0; i < items.length; i += 2) {
    const name = String(items[i]);
    let value: unknown = items[i + 1];
    if (name === "ALL") value = numbersOf(String(value));
    if (name === "PARTIAL") value = partialNumbers(value as readonly Token[]);
    got.set(name, value);
  }
  demandEqual([...got].sort(byName), [...expected].sort(byName), "ESEARCH");
}

function partialNumbers([, numbers]: readonly Token[]): number[] {
  return numbers === null ? [] : numbersOf(String(numbers));
}

function byName([a]: [string, unknown], [b]: [string, unknown]): number {
  return a < b ? -1 : 1;
}

export const sort: Generator = (world, session) => {
  const plan = randomSearch(world, session);
  if (plan === undefined) return undefined;
  const { program, found, prefix } = plan;
  const criteria = randomCriteria(world.dice);
  const order = [...found].sort(compareBy(criteria));
  const modseq = program.asksModSeq ? Math.max(0, ...found.map((message) => message.modseq)) : 0;
  return {
    ...plan.base,
    text: `${prefix}SORT (${criteria.join(" ")}) UTF-8 ${program.text}`,
    responses: ["SORT"],
    switches: () => {
      if (program.asksModSeq) session.enabled.condstore = true;
    },
    apply() {
      this.switches!();
    },
    check: (_, { data }) =>
      checkPlain(data, { name: "SORT", numbers: order.map(plan.numberOf), modseq }),
  };
};

export const thread: Generator = (world, session) => {
  const plan = randomSearch(world, session);
  if (plan === undefined) return undefined;
  const { program, found, prefix } = plan;
  const algorithm = world.dice.pick<Threading>(["ORDEREDSUBJECT", "REFERENCES", "REFS"]);
  return {
    ...plan.base,
    text: `${prefix}THREAD ${algorithm} UTF-8 ${program.text}`,
    // MODSEQ in it switches nothing on: THREAD is not among the commands that do. RFC 7162 §3.1
    responses: ["THREAD"],
    check: (_, { data }) =>
      demandEqual(
        data.map(({ tokens }) => tokens),
        [threadsOf(found, algorithm, plan.numberOf)],
        `THREAD=${algorithm}`,
      ),
  };
};
