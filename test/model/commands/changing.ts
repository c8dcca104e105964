/** STORE, COPY, MOVE, EXPUNGE. */
import { type Addressed, address, isGhost, meaningOf, seqOf } from "../addressing.ts";
import { type Message, present, sameFlags } from "../account.ts";
import { demand, demandEqual } from "../failure.ts";
import { canonical, quotedName } from "../names.ts";
import type { Generator, Planned, World } from "../planned.ts";
import type { SessionModel, Told, ViewModel } from "../session.ts";
import { numbersOf, randomSet } from "../sets.ts";
import { asSet, randomFlags } from "./appending.ts";
import { likelyName } from "./mailboxes.ts";

const modes = ["+", "-", ""] as const;

/** A modseq around those that there are, or none at all. */
export function randomModseq({ dice }: World, { mailbox, list }: ViewModel): number {
  const known = [...list.map(({ modseq }) => modseq), mailbox.highestModseq, 1];
  return Math.max(1, dice.pick(known) + dice.between(-1, 1));
}

interface StorePlan extends Addressed {
  readonly mode: (typeof modes)[number];
  readonly silent: boolean;
  readonly unchangedSince: number | undefined;
  readonly flags: ReadonlySet<string>;
}

function changed(old: ReadonlySet<string>, { mode, flags }: StorePlan): ReadonlySet<string> {
  if (mode === "") return flags;
  if (mode === "+") return new Set([...old, ...flags]);
  return new Set([...old].filter((flag) => !flags.has(flag)));
}

export const store: Generator = (world, session) => {
  const { view } = session;
  if (view === undefined) return undefined;
  const { dice, account } = world;
  const sent = randomFlags(world);
  const plan: StorePlan = {
    ...address(dice, session),
    mode: dice.pick(modes),
    silent: dice.oneIn(3),
    unchangedSince: dice.oneIn(4) ? randomModseq(world, view) - dice.below(2) : undefined,
    flags: asSet(sent),
  };
  const { unchangedSince, messages } = plan;
  const live = messages?.filter((message) => !isGhost(message)) ?? [];
  const guarded = live.filter(({ modseq }) => modseq > (unchangedSince ?? Infinity));
  const done = live.filter((message) => !guarded.includes(message));
  const mine = new Set(done.filter(({ flags }) => !sameFlags(flags, changed(flags, plan))));
  const ghosts = !plan.uid && messages?.some(isGhost) === true;
  const modifier = unchangedSince === undefined ? "" : `(UNCHANGEDSINCE ${unchangedSince}) `;
  const item = `${plan.mode}FLAGS${plan.silent ? ".SILENT" : ""}`;
  const names = sent.length > 0 && dice.oneIn(4) ? sent.join(" ") : `(${sent.join(" ")})`;
  const outcome = `${ghosts ? "NO" : "OK"}${guarded.length > 0 ? " MODIFIED" : ghosts ? " EXPUNGEISSUED" : ""}`;
  return {
    text: `${plan.prefix}STORE ${plan.set} ${modifier}${item} ${names}`,
    expected: view.readOnly ? ["NO READ-ONLY"] : messages === undefined ? ["BAD"] : [outcome],
    sync: plan.uid ? "all" : "held",
    apply: () => {
      if (view.readOnly) return;
      if (unchangedSince !== undefined) session.enabled.condstore = true;
      for (const message of done)
        account.setFlags(view.mailbox, message, changed(message.flags, plan));
      if (!plan.silent) return;
      // The client works out for itself what it has done.
      for (const message of done) {
        const belief = view.believed.get(message)!;
        belief.flags = changed(belief.flags, plan);
      }
    },
    check: ({ codeTokens }, told) => {
      if (view.readOnly) return;
      if (guarded.length > 0)
        demandEqual(
          numbersOf(String(codeTokens[0])),
          guarded.map((message) => (plan.uid ? message.uid : seqOf(view, message))),
          "MODIFIED",
        );
      checkStored(session, told, { plan, done, mine });
      if (!plan.silent || session.enabled.condstore) return;
      for (const message of done) view.believed.get(message)!.modseq = message.modseq;
    },
  };
};

/** RFC 9051 §6.4.6, RFC 7162 §3.1.3 */
function checkStored(
  session: SessionModel,
  { fetches }: Told,
  { plan, done, mine }: { plan: StorePlan; done: readonly Message[]; mine: ReadonlySet<Message> },
): void {
  for (const message of done) {
    const answers = fetches.filter((each) => each.message === message);
    const told = (name: string): boolean => answers.some(({ items }) => items.has(name));
    if (!plan.silent) demand(told("FLAGS"), `STORE does not tell the flags of ${message.uid}`);
    if (session.enabled.condstore && mine.has(message))
      demand(told("MODSEQ"), `STORE does not tell the modseq of ${message.uid}`);
    if (plan.uid && answers.length > 0)
      demand(told("UID"), `UID STORE does not tell the uid ${message.uid}`);
  }
}

/** For MOVE to a read-only mailbox nothing else is looked at. */
function transfer(word: "COPY" | "MOVE"): Generator {
  return (world, session) => {
    const { view, enabled } = session;
    if (view === undefined) return undefined;
    const { dice, account, clock } = world;
    const addressed = address(dice, session);
    const { messages, prefix, set } = addressed;
    const sent = likelyName(world);
    const target = account.find(canonical(sent));
    const moves = word === "MOVE";
    const reasons: string[] = [];
    if (messages === undefined) reasons.push("BAD");
    if (messages?.some(isGhost) === true) reasons.push("NO EXPUNGEISSUED");
    if (target === undefined) reasons.push("NO TRYCREATE");
    if (!moves && messages !== undefined && !account.hasRoom(messages.length))
      reasons.push("NO OVERQUOTA");
    const some = messages !== undefined && messages.length > 0;
    const good = !some
      ? "OK"
      : moves
        ? enabled.qresync
          ? "OK HIGHESTMODSEQ"
          : "OK"
        : "OK COPYUID";
    const refused = moves && view.readOnly ? ["NO READ-ONLY"] : reasons;
    const savedAt = Math.floor(clock.now() / 1000);
    let copies: Message[] = [];
    return {
      text: `${prefix}${word} ${set} ${quotedName(sent, session.utf8)}`,
      expected: refused.length > 0 ? refused : [good],
      sync: "all",
      codes: ["COPYUID"],
      apply: ({ status }) => {
        if (status !== "OK") return;
        copies = account.add(
          target!,
          messages!.map((message) => ({ ...message, savedAt })),
        );
        if (moves) account.expunge(view.mailbox, messages!);
      },
      check: ({ status, code, codeTokens }, { codes }) => {
        const untagged = codes.filter((each) => each.code === "COPYUID");
        demandEqual(untagged.length, status === "OK" && moves && some ? 1 : 0, "Untagged COPYUID");
        if (code === "HIGHESTMODSEQ")
          demandEqual(codeTokens, [view.mailbox.highestModseq], "HIGHESTMODSEQ");
        if (status !== "OK" || !some) return;
        const [uidValidity, from, to] = moves ? untagged[0]!.tokens : codeTokens;
        demandEqual(uidValidity, target!.uidValidity, "UIDVALIDITY of COPYUID");
        demandEqual(
          numbersOf(String(from)),
          messages.map(({ uid }) => uid),
          "Source uids",
        );
        demandEqual(
          numbersOf(String(to)),
          copies.map(({ uid }) => uid),
          "Target uids",
        );
      },
    };
  };
}

export const copy: Generator = transfer("COPY");
export const move: Generator = transfer("MOVE");

/** EXPUNGE, and UID EXPUNGE with a set. RFC 9051 §6.4.3, §6.4.9 */
export const expunge: Generator = (world, session): Planned | undefined => {
  const { view, enabled } = session;
  if (view === undefined) return undefined;
  const { dice, account } = world;
  const set = dice.oneIn(2)
    ? undefined
    : dice.oneIn(5)
      ? "$"
      : randomSet(dice, view.mailbox.uidNext - 1, { beyond: true });
  const asked = set === undefined ? view.list : meaningOf(session, set, true)!;
  const gone = asked.filter((message) => !isGhost(message) && message.flags.has("\\deleted"));
  const code = enabled.qresync && gone.length > 0 ? " HIGHESTMODSEQ" : "";
  return {
    text: set === undefined ? "EXPUNGE" : `UID EXPUNGE ${set}`,
    expected: view.readOnly ? ["NO READ-ONLY"] : [`OK${code}`],
    sync: "all",
    apply: ({ status }) => {
      if (status === "OK") account.expunge(view.mailbox, gone);
    },
    check: ({ codeTokens, status }) => {
      if (code !== "" && status === "OK")
        demandEqual(codeTokens, [view.mailbox.highestModseq], "HIGHESTMODSEQ");
      demand(
        present(view.mailbox).every((message) => view.list.includes(message)),
        "Told all",
      );
    },
  };
};
