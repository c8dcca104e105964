/** Random search programs, and which messages they mean. RFC 9051 §6.4.4 */
import { utf8 } from "#base/bytes.ts";
import { type Message, systemFlags } from "../account.ts";
import { type Address, bodyWords, type Content, dateTexts } from "../contents.ts";
import type { World } from "../planned.ts";
import type { SessionModel, ViewModel } from "../session.ts";
import { inSet, randomSet } from "../sets.ts";
import { randomModseq } from "./changing.ts";

export interface Program {
  /** `{}` stands for a literal. */
  readonly text: string;
  readonly literals: readonly Uint8Array[];
  readonly asksModSeq: boolean;
  matches(message: Message): boolean;
}

const dayMs = 86_400_000;

/** What is looked for in an address. */
function addressText({ name, mailbox, host }: Address): string {
  return `${name ?? ""} ${mailbox}@${host}`;
}

function contains(text: string, needle: string): boolean {
  return text.toLowerCase().includes(needle.toLowerCase());
}

function plain(text: string, matches: (message: Message) => boolean): Program {
  return { text, literals: [], asksModSeq: false, matches };
}

/** A string as quoted or literal. */
function withText(
  world: World,
  key: string,
  { needle, matches }: { needle: string; matches: (message: Message) => boolean },
): Program {
  const ascii = /^[ -~]*$/.test(needle);
  if (ascii && !world.dice.oneIn(6)) return plain(`${key} "${needle}"`, matches);
  return { text: `${key} {}`, literals: [utf8(needle)], asksModSeq: false, matches };
}

const headerNeedles = [
  "hello",
  "GARDEN",
  "grüner",
  "re:",
  "alice",
  "example.net",
  "zoë",
  "",
] as const;

function textKey(world: World): Program {
  const { dice } = world;
  const kind = dice.pick(["FROM", "TO", "CC", "SUBJECT", "BODY", "TEXT", "HEADER"]);
  if (kind === "BODY" || kind === "TEXT") {
    const needle = dice.pick([...bodyWords, "KÜRBIS", "is here", "nowhere", "X-Serial"]);
    return withText(world, kind, {
      needle,
      matches: ({ content }) =>
        content.parts.some(({ text }) => contains(text, needle)) ||
        (kind === "TEXT" && content.header.some((line) => contains(line, needle))),
    });
  }
  if (kind === "HEADER") return headerKey(world);
  const needle = dice.pick(headerNeedles);
  return withText(world, kind, {
    needle,
    matches: ({ content }) => {
      if (kind === "SUBJECT")
        return content.subject.header !== undefined && contains(content.subject.text, needle);
      const list = content[kind.toLowerCase() as "from" | "to" | "cc"];
      return list.some((address) => contains(addressText(address), needle));
    },
  });
}

function headerKey(world: World): Program {
  const { dice, contents } = world;
  const field = dice.pick(["X-Tag", "Message-ID", "In-Reply-To", "x-none"]);
  const needle = dice.oneIn(3)
    ? ""
    : field === "X-Tag"
      ? dice.pick(["BLUE", "gre"])
      : (dice.pick(contents).messageId ?? "m1");
  const valueOf = ({ tag, messageId, inReplyTo }: Content): string | undefined =>
    ({ "X-Tag": tag, "Message-ID": messageId, "In-Reply-To": inReplyTo })[field];
  return withText(world, `HEADER ${field}`, {
    needle,
    matches: ({ content }) => {
      const value = valueOf(content);
      return value !== undefined && contains(value, needle);
    },
  });
}

function dateKey({ dice, clock }: World): Program {
  const key = dice.pick([
    "BEFORE",
    "ON",
    "SINCE",
    "SENTBEFORE",
    "SENTON",
    "SENTSINCE",
    "SAVEDBEFORE",
    "SAVEDON",
    "SAVEDSINCE",
  ]);
  const day = Math.floor(clock.now() / dayMs) - dice.below(4);
  const dayOf = (message: Message): number | undefined => {
    if (key.startsWith("SENT")) return message.content.sent?.day;
    const seconds = key.startsWith("SAVED") ? message.savedAt : message.internalDate;
    return Math.floor((seconds * 1000) / dayMs);
  };
  return plain(`${key} ${dateTexts(day * dayMs, 0).day}`, (message) => {
    const own = dayOf(message);
    if (own === undefined) return false;
    return key.endsWith("BEFORE") ? own < day : key.endsWith("ON") ? own === day : own >= day;
  });
}

function flagKey({ dice }: World, session: SessionModel): Program {
  const { enabled, view } = session;
  const recent = ({ uid }: Message): boolean => !enabled.rev2 && uid >= view!.recentFloor;
  switch (dice.below(4)) {
    case 0: {
      const keyword = dice.pick(["todo", "$FORWARDED", "later", "never"]);
      const set = dice.oneIn(2);
      return plain(
        `${set ? "" : "UN"}KEYWORD ${keyword}`,
        ({ flags }) => flags.has(keyword.toLowerCase()) === set,
      );
    }
    case 1:
      return dice.pick([
        plain("RECENT", recent),
        plain("OLD", (message) => !recent(message)),
        plain("NEW", (message) => recent(message) && !message.flags.has("\\seen")),
      ]);
    default: {
      const flag = dice.pick(systemFlags);
      const set = dice.oneIn(2);
      const name = flag.slice(1).toUpperCase();
      return plain(`${set ? "" : "UN"}${name}`, ({ flags }) => flags.has(flag) === set);
    }
  }
}

/** RFC 7162 §3.1.5 */
function modseqKey(world: World, view: ViewModel): Program {
  const modseq = randomModseq(world, view);
  const entry = world.dice.oneIn(4) ? '"/flags/\\\\draft" all ' : "";
  const program = plain(`MODSEQ ${entry}${modseq}`, (message) => message.modseq >= modseq);
  return { ...program, asksModSeq: true };
}

function numberKey(world: World, session: SessionModel): Program {
  const { dice, clock, contents, account } = world;
  const view = session.view!;
  switch (dice.below(5)) {
    case 0: {
      const size = dice.pick(contents).bytes.length;
      return dice.oneIn(2)
        ? plain(`LARGER ${size}`, ({ content }) => content.bytes.length > size)
        : plain(`SMALLER ${size}`, ({ content }) => content.bytes.length < size);
    }
    case 1: {
      const seconds = dice.between(1, 3) * 43_200;
      const limit = clock.now() / 1000 - seconds;
      return dice.oneIn(2)
        ? plain(`OLDER ${seconds}`, ({ internalDate }) => internalDate <= limit)
        : plain(`YOUNGER ${seconds}`, ({ internalDate }) => internalDate >= limit);
    }
    case 2:
      return modseqKey(world, view);
    case 3: {
      const kind = dice.pick(["emailId", "threadId"] as const);
      const ids = [...account.facts.values()].flatMap((facts) => facts[kind] ?? []);
      const id = ids.length === 0 ? "Mnone-1" : dice.pick(ids);
      // A message whose ids were never told may have this one.
      if ([...view.list].some(({ content }) => account.facts.get(content)?.[kind] === undefined))
        return plain("ALL", () => true);
      return plain(
        `${kind.toUpperCase()} ${id}`,
        ({ content }) => account.facts.get(content)?.[kind] === id,
      );
    }
    default:
      return plain("ALL", () => true);
  }
}

/** Numbers that are not there mean no message here. */
function setKey({ dice }: World, session: SessionModel): Program {
  const list = [...session.view!.list];
  const saved = session.saved;
  if (dice.oneIn(5)) return plain("$", ({ uid }) => saved.has(uid));
  if (dice.oneIn(2)) {
    const set = randomSet(dice, session.view!.mailbox.uidNext - 1, { beyond: true });
    const last = list.at(-1)?.uid ?? 0;
    return plain(`UID ${set}`, ({ uid }) => inSet(set, uid, last));
  }
  const set = randomSet(dice, list.length, { beyond: true });
  return plain(set, (message) => inSet(set, list.indexOf(message) + 1, list.length));
}

function simpleKey(world: World, session: SessionModel): Program {
  switch (world.dice.below(6)) {
    case 0:
      return textKey(world);
    case 1:
      return dateKey(world);
    case 2:
    case 3:
      return flagKey(world, session);
    case 4:
      return numberKey(world, session);
    default:
      return setKey(world, session);
  }
}

function joined(
  programs: readonly Program[],
  of: { text: (texts: readonly string[]) => string; all: boolean },
): Program {
  return {
    text: of.text(programs.map(({ text }) => text)),
    literals: programs.flatMap(({ literals }) => literals),
    asksModSeq: programs.some(({ asksModSeq }) => asksModSeq),
    matches: (message) =>
      of.all
        ? programs.every((program) => program.matches(message))
        : programs.some((program) => program.matches(message)),
  };
}

function key(world: World, session: SessionModel, depth: number): Program {
  const { dice } = world;
  const next = (): Program => key(world, session, depth - 1);
  if (depth === 0 || dice.oneIn(2)) return simpleKey(world, session);
  switch (dice.below(3)) {
    case 0: {
      const of = next();
      return { ...of, text: `NOT ${of.text}`, matches: (message) => !of.matches(message) };
    }
    case 1:
      return joined([next(), next()], { text: ([a, b]) => `OR ${a} ${b}`, all: false });
    default:
      return joined([next(), next()], { text: (texts) => `(${texts.join(" ")})`, all: true });
  }
}

export function randomProgram(world: World, session: SessionModel): Program {
  const { dice } = world;
  if (dice.oneIn(6)) return plain("ALL", () => true);
  if (dice.oneIn(10)) return modseqKey(world, session.view!);
  const keys = Array.from({ length: dice.oneIn(3) ? 2 : 1 }, () => key(world, session, 2));
  return joined(keys, { text: (texts) => texts.join(" "), all: true });
}
