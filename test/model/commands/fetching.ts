/** FETCH with its items and modifiers. */
import { address, isGhost } from "../addressing.ts";
import type { Message } from "../account.ts";
import { demand, demandEqual } from "../failure.ts";
import { sectionText } from "../facts.ts";
import type { Dice } from "../dice.ts";
import type { Generator } from "../planned.ts";
import type { SessionModel, Told } from "../session.ts";
import { inSet } from "../sets.ts";
import { randomModseq } from "./changing.ts";

interface Item {
  readonly sent: string;
  /** Names in the response. */
  readonly names: readonly string[];
  readonly setsSeen?: boolean;
  /** Octets of a partial. */
  readonly range?: { readonly offset: number; readonly count: number; readonly section: string };
}

const plain = (name: string): Item => ({ sent: name, names: [name] });

const simple: readonly Item[] = [
  "FLAGS",
  "FLAGS",
  "UID",
  "UID",
  "MODSEQ",
  "INTERNALDATE",
  "RFC822.SIZE",
  "ENVELOPE",
  "BODYSTRUCTURE",
  "BODY",
  "EMAILID",
  "THREADID",
  "SAVEDATE",
  "PREVIEW",
  "RFC822.HEADER",
].map(plain);

const macros: readonly Item[] = [
  { sent: "FAST", names: ["FLAGS", "INTERNALDATE", "RFC822.SIZE"] },
  { sent: "ALL", names: ["FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE"] },
  { sent: "FULL", names: ["FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODY"] },
];

const sections = [
  "",
  "HEADER",
  "TEXT",
  "HEADER.FIELDS (SUBJECT FROM X-NONE)",
  "HEADER.FIELDS.NOT (DATE TO)",
  "1",
  "2",
  "2.MIME",
  "3",
] as const;

function sectionItem(dice: Dice): Item {
  const binary = dice.oneIn(4);
  const section = binary ? dice.pick(["", "1", "2", "3"]) : dice.pick(sections);
  const peek = dice.oneIn(2);
  const kind = binary ? "BINARY" : "BODY";
  const sent = `${kind}${peek ? ".PEEK" : ""}[${section}]`;
  const name = `${kind}[${section}]`;
  if (binary && dice.oneIn(3)) return plain(`BINARY.SIZE[${section}]`);
  if (binary || dice.oneIn(3)) return { sent, names: [name], setsSeen: !peek };
  const range = { offset: dice.below(200), count: dice.between(1, 200), section };
  return {
    sent: `${sent}<${range.offset}.${range.count}>`,
    names: [`${name}<${range.offset}>`],
    setsSeen: !peek,
    range,
  };
}

function randomItem(dice: Dice): Item {
  if (dice.oneIn(10)) {
    const name = dice.pick(["RFC822", "RFC822.TEXT"]);
    return { sent: name, names: [name], setsSeen: true };
  }
  return dice.oneIn(3) ? sectionItem(dice) : dice.pick(simple);
}

/** Items with different names in the response. */
function randomItems(dice: Dice): { text: string; items: readonly Item[] } {
  if (dice.oneIn(6)) {
    const macro = dice.pick(macros);
    return { text: macro.sent, items: [macro] };
  }
  const items: Item[] = [];
  for (let left = dice.between(1, 4); left > 0; left--) {
    const item = randomItem(dice);
    if (!items.some(({ names }) => names[0] === item.names[0])) items.push(item);
  }
  const text = items.map(({ sent }) => sent).join(" ");
  return { text: items.length > 1 || dice.oneIn(2) ? `(${text})` : text, items };
}

export const fetch: Generator = (world, session) => {
  const { view, enabled } = session;
  if (view === undefined) return undefined;
  const { dice, account } = world;
  const { uid, prefix, set, messages } = address(dice, session);
  const { text, items } = randomItems(dice);
  // Who has QRESYNC uses it.
  const resyncs = uid && enabled.qresync && dice.oneIn(view.list.some(isGhost) ? 2 : 3);
  const changedSince =
    resyncs && dice.oneIn(2) ? 1 : resyncs || dice.oneIn(5) ? randomModseq(world, view) : undefined;
  const vanished = resyncs || (changedSince !== undefined && uid && dice.oneIn(10));
  const modifier =
    changedSince === undefined
      ? ""
      : ` (CHANGEDSINCE ${changedSince}${vanished ? " VANISHED" : ""})`;
  const names = new Set(items.flatMap((item) => item.names));
  if (uid) names.add("UID");
  if (changedSince !== undefined) names.add("MODSEQ");
  const meant = messages?.filter(
    (message) => !isGhost(message) && message.modseq > (changedSince ?? 0),
  );
  const setsSeen = items.some((item) => item.setsSeen === true) && !view.readOnly;
  const ghosts = messages?.some(isGhost) === true;
  const allowed = messages !== undefined && (!vanished || enabled.qresync);
  const seenBefore = vanished ? vanishedMemory(session, changedSince!) : undefined;
  const last = view.list.at(-1)?.uid ?? 0;
  const lastEver = Math.max(view.uidNextSeen - 1, 1);
  const switches = (): void => {
    if (names.has("MODSEQ")) enabled.condstore = true;
  };
  return {
    text: `${prefix}FETCH ${set} ${text}${modifier}`,
    expected: !allowed ? ["BAD"] : [!ghosts ? "OK" : uid ? "OK EXPUNGEISSUED" : "NO EXPUNGEISSUED"],
    sync: uid ? "all" : "held",
    changes: setsSeen,
    claims: (fetched) => [...names].every((name) => fetched.items.has(name)),
    switches,
    apply: () => {
      switches();
      if (!setsSeen) return;
      // What is read with much else between is marked in several steps.
      view.mailbox.inSteps = true;
      for (const message of meant!) {
        const before = { flags: message.flags, modseq: message.modseq };
        const seen = new Set([...message.flags, "\\seen"]);
        if (account.setFlags(view.mailbox, message, seen)) message.before = before;
      }
    },
    check: (_, told) => {
      for (const message of meant!) message.before = undefined;
      checkFetched(told, { meant: meant!, items, names });
      demandEqual(told.vanishedEarlier !== undefined && !vanished, false, "VANISHED (EARLIER)");
      if (seenBefore === undefined) return;
      const within = (each: number, end: number): boolean =>
        set === "$" ? session.saved.has(each) : inSet(set, each, end);
      // What `*` is where messages are gone is not said.
      const asked = (each: number): boolean => within(each, last) && within(each, lastEver);
      const may = (each: number): boolean => within(each, last) || within(each, lastEver);
      checkVanished(told, { session, ...seenBefore, asked, may });
    },
  };
};

/** Every message that is meant is answered once with all that was asked for. */
function checkFetched(
  { fetches }: Told,
  asked: { meant: readonly Message[]; items: readonly Item[]; names: ReadonlySet<string> },
): void {
  const { meant, items, names } = asked;
  for (const message of meant) {
    const answers = fetches.filter(
      (each) => each.message === message && [...names].every((name) => each.items.has(name)),
    );
    demand(answers.length >= 1, `FETCH does not answer for uid ${message.uid}`);
    for (const {
      range,
      names: [name],
    } of items) {
      if (range === undefined) continue;
      const whole = sectionText(message.content, range.section);
      const got = answers[0]!.items.get(name!);
      demandEqual(
        got === null ? null : (got as Uint8Array).length,
        whole === null ? null : whole.slice(range.offset, range.offset + range.count).length,
        `Octets of ${name} of uid ${message.uid}`,
      );
    }
  }
  const flagItems = new Set(["UID", "FLAGS", "MODSEQ"]);
  for (const { message, items: got } of fetches)
    for (const name of got.keys())
      demand(
        flagItems.has(name) || (names.has(name) && meant.includes(message)),
        `FETCH tells ${name} of uid ${message.uid}, which nobody asked for`,
      );
}

interface Vanishing {
  readonly since: number;
  /** Uids that were gone for this session before the command. */
  readonly gone: ReadonlySet<number>;
}

function vanishedMemory({ view }: SessionModel, since: number): Vanishing {
  const { list, uidNextSeen } = view!;
  const shown = new Set(list.map(({ uid }) => uid));
  const all = Array.from({ length: uidNextSeen - 1 }, (_, index) => index + 1);
  return { since, gone: new Set(all.filter((uid) => !shown.has(uid))) };
}

/** RFC 7162 §3.2.6 */
function checkVanished(
  told: Told,
  {
    session,
    since,
    gone,
    asked,
    may,
  }: Vanishing & { session: SessionModel } & Record<"asked" | "may", (uid: number) => boolean>,
): void {
  const { mailbox } = session.view!;
  const vanished = new Set(told.vanishedEarlier);
  for (const uid of vanished)
    demand(gone.has(uid), `VANISHED (EARLIER) ${uid}, which the session still saw`);
  for (const { uid, goneAt } of mailbox.messages) {
    if (vanished.has(uid)) demand(may(uid), `VANISHED (EARLIER) ${uid}, which was not asked for`);
    const known = since >= mailbox.historyFloor;
    if (asked(uid) && gone.has(uid) && goneAt !== undefined && (goneAt > since || !known))
      demand(vanished.has(uid), `${uid} has vanished since ${since}, which was not told`);
  }
}
