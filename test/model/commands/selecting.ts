/** SELECT, EXAMINE, CLOSE, UNSELECT, and coming back with QRESYNC. */
import type { Token } from "#wire/index.ts";
import { type Mailbox, type Message, present, sameFlags } from "../account.ts";
import type { Dice } from "../dice.ts";
import { demand, demandEqual } from "../failure.ts";
import { canonical, nameOf, quotedName } from "../names.ts";
import type { Generator, Memory, World } from "../planned.ts";
import type { SessionModel, Told } from "../session.ts";
import { numbersOf, setOf } from "../sets.ts";
import { likelyName } from "./mailboxes.ts";

interface Resync {
  readonly memory: Memory;
  readonly modseq: number;
  /** Text of the parameter. */
  readonly text: string;
  /** Uids that the client asks about; undefined: all. */
  readonly known: ReadonlySet<number> | undefined;
}

/** What a client that remembers the mailbox says when it comes back. RFC 7162 §3.2.5 */
function randomResync({ dice, memories }: World, mailbox: Mailbox): Resync | undefined {
  const { uidValidity } = mailbox;
  const usable = memories.filter(
    (memory) => memory.mailbox === mailbox && memory.uidValidity === uidValidity,
  );
  if (usable.length === 0) return undefined;
  const memory = dice.pick(usable);
  const older = usable.filter(({ modseq }) => modseq <= memory.modseq);
  // Claiming to know less than one does must do no harm.
  const modseq = dice.oneIn(3) ? dice.pick(older).modseq : memory.modseq;
  const uids = [...memory.messages.keys()].map(({ uid }) => uid);
  const last = uids.at(-1) ?? 0;
  let text = `${memory.uidValidity} ${modseq}`;
  let known: Set<number> | undefined;
  if (dice.oneIn(3) && last > 0) {
    known = new Set(dice.oneIn(2) ? uids : numbersOf(`1:${last}`));
    text += ` ${setOf([...known])}`;
  }
  if (dice.oneIn(3) && uids.length > 0) text += ` ${matchData(dice, uids)}`;
  return { memory, modseq, text: `QRESYNC (${text})`, known };
}

/** Some sequence numbers with the uids that they had. */
function matchData(dice: Dice, uids: readonly number[]): string {
  const seqs = dice.some(uids.map((_, index) => index + 1));
  return `(${setOf(seqs)} ${setOf(seqs.map((seq) => uids[seq - 1]!))})`;
}

/** Remembers the selected mailbox, all of which must have been told. */
export function remember({ memories }: World, session: SessionModel): void {
  const { view } = session;
  if (view === undefined || view.mailbox.deleted) return;
  const { mailbox } = view;
  const { uidValidity } = mailbox;
  if (uidValidity === undefined) return;
  memories.push({
    mailbox,
    uidValidity,
    modseq: mailbox.highestModseq,
    messages: new Map(view.list.map((message) => [message, view.believed.get(message)!.flags])),
  });
}

/** What the client knows after it was told what it missed must be what there is. RFC 7162 §3.2.5 */
export function checkResync(
  told: Told,
  resync: Pick<Resync, "memory" | "modseq" | "known">,
  visible: readonly Message[],
): void {
  const { memory, modseq, known } = resync;
  const { mailbox } = memory;
  const asked = (uid: number): boolean => known === undefined || known.has(uid);
  const messages = new Map(memory.messages);
  const vanished = new Set(told.vanishedEarlier);
  for (const uid of vanished) {
    demand(uid < mailbox.uidNext && asked(uid), `VANISHED (EARLIER) ${uid} was not asked for`);
    const message = mailbox.messages.find((each) => each.uid === uid);
    demand(message?.goneAt !== undefined || message === undefined, `Uid ${uid} has not vanished`);
    if (message !== undefined) messages.delete(message);
  }
  // While the history reaches back, all that went since is told, known to this client or not.
  for (const { uid, goneAt } of mailbox.messages)
    if (goneAt !== undefined && goneAt > modseq && asked(uid) && modseq >= mailbox.historyFloor)
      demand(vanished.has(uid), `Uid ${uid} has vanished, which was not told`);
  const fetched = new Set<Message>();
  for (const { message, items } of told.fetches) {
    if (!items.has("FLAGS")) continue;
    demand(items.has("UID") && items.has("MODSEQ"), "A changed message without UID and MODSEQ");
    messages.set(message, message.flags);
    fetched.add(message);
  }
  for (const message of visible) {
    if (!asked(message.uid)) continue;
    const flags = messages.get(message);
    demand(flags !== undefined, `The client never heard of uid ${message.uid}`);
    demand(sameFlags(flags, message.flags), `The client has old flags of uid ${message.uid}`);
    demand(message.modseq > modseq === fetched.has(message), `FETCH of ${message.uid} by modseq`);
  }
  for (const { uid, goneAt } of messages.keys())
    demand(goneAt === undefined || !asked(uid), `The client keeps uid ${uid}, which is gone`);
}

function codeValue(told: Told, code: string): Token | undefined {
  const found = told.codes.filter((each) => each.code === code);
  demand(found.length <= 1, `${code} comes twice`);
  return found[0]?.tokens[0];
}

/** RFC 9051 §6.3.2, RFC 3501 §6.3.1 */
function checkState(session: SessionModel, told: Told, before: { wasSelected: boolean }): void {
  const { enabled } = session;
  const { mailbox, list, flags, readOnly, recentFloor } = session.view!;
  demandEqual(
    told.codes.some(({ code }) => code === "CLOSED"),
    before.wasSelected,
    "CLOSED",
  );
  demandEqual(codeValue(told, "UIDVALIDITY"), mailbox.uidValidity, "UIDVALIDITY");
  demandEqual(codeValue(told, "UIDNEXT"), mailbox.uidNext, "UIDNEXT");
  demandEqual(codeValue(told, "HIGHESTMODSEQ"), mailbox.highestModseq, "HIGHESTMODSEQ");
  demandEqual(codeValue(told, "MAILBOXID"), [mailbox.id], "MAILBOXID");
  demand(flags.size >= 5, "SELECT without FLAGS");
  const permanent = codeValue(told, "PERMANENTFLAGS") as readonly Token[];
  demandEqual(permanent.length > 0, !readOnly, "PERMANENTFLAGS");
  const unseen = list.findIndex((message) => !message.flags.has("\\seen"));
  if (!enabled.rev2)
    demandEqual(codeValue(told, "UNSEEN"), unseen < 0 ? undefined : unseen + 1, "UNSEEN");
  const recent = list.filter(({ uid }) => uid >= recentFloor).length;
  demandEqual(
    told.counts,
    [["EXISTS", list.length], ...(enabled.rev2 ? [] : [["RECENT", recent]])],
    "Counts",
  );
  const listed = told.data.filter(({ name }) => name === "LIST");
  demandEqual(
    listed.map(({ tokens }) => nameOf(tokens[2], session.utf8)),
    enabled.rev2 ? [mailbox.name] : [],
    "LIST",
  );
}

function selection(word: "SELECT" | "EXAMINE"): Generator {
  return (world, session) => {
    const { dice, account } = world;
    const sent = likelyName(world);
    const mailbox = account.find(canonical(sent));
    const { enabled } = session;
    const resync = mailbox === undefined ? undefined : randomResync(world, mailbox);
    const usesResync = resync !== undefined && (enabled.qresync || dice.oneIn(20));
    const condstore = !usesResync && dice.oneIn(6);
    const parameter = usesResync ? ` (${resync.text})` : condstore ? " (CONDSTORE)" : "";
    const readOnly = word === "EXAMINE";
    const wasSelected = session.view !== undefined;
    const allowed = !usesResync || enabled.qresync;
    return {
      text: `${word} ${quotedName(sent, session.utf8)}${parameter}`,
      expected: !allowed
        ? ["BAD"]
        : mailbox === undefined
          ? ["NO NONEXISTENT"]
          : [readOnly ? "OK READ-ONLY" : "OK READ-WRITE"],
      sync: "none",
      responses: ["LIST"],
      codes: [
        "CLOSED",
        "UIDVALIDITY",
        "UIDNEXT",
        "HIGHESTMODSEQ",
        "MAILBOXID",
        "PERMANENTFLAGS",
        "UNSEEN",
      ],
      apply: () => {
        session.leave();
        if (mailbox === undefined) return;
        if (condstore) enabled.condstore = true;
        session.open(mailbox, { readOnly, recentFloor: mailbox.firstRecent });
        if (!readOnly && !enabled.rev2) mailbox.firstRecent = mailbox.uidNext;
      },
      check: (_, told) => {
        if (mailbox === undefined) return;
        checkState(session, told, { wasSelected });
        if (usesResync) checkResync(told, resync, present(mailbox));
        else demandEqual(told.fetches.length, 0, "Number of FETCH responses");
      },
    };
  };
}

export const select: Generator = selection("SELECT");
export const examine: Generator = selection("EXAMINE");

/** RFC 9051 §6.4.1; what was not announced stays. */
export const close: Generator = ({ account }, session) => {
  const { view, enabled } = session;
  if (view === undefined) return undefined;
  const { mailbox, readOnly } = view;
  const gone = view.list.filter(
    ({ flags, goneAt }) => flags.has("\\deleted") && goneAt === undefined,
  );
  return {
    text: "CLOSE",
    expected: enabled.qresync && !readOnly ? ["OK HIGHESTMODSEQ"] : ["OK"],
    sync: "none",
    apply: () => {
      session.leave();
      if (!readOnly) account.expunge(mailbox, gone);
    },
    check: ({ codeTokens, code }) => {
      if (code !== null) demandEqual(codeTokens, [mailbox.highestModseq], "HIGHESTMODSEQ");
    },
  };
};

export const unselect: Generator = (_, session) => {
  if (session.view === undefined) return undefined;
  return { text: "UNSELECT", expected: ["OK"], sync: "none", apply: () => session.leave() };
};
