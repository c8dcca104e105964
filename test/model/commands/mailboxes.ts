/** CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE. */
import type { Dice } from "../dice.ts";
import { demandEqual } from "../failure.ts";
import { canonical, nameOf, quotedName } from "../names.ts";
import type { Generator, World } from "../planned.ts";
import type { SessionModel, Told } from "../session.ts";

const names = [
  "INBOX",
  "inbox",
  "A",
  "A/",
  "A/B",
  "A/B/C",
  "B",
  "B/x y",
  "Entwürfe",
  "A/Ü & Co",
  "inBox/Sub",
  "D",
] as const;
const impossible = ["A//B", "/A", "x%y", "*"] as const;

/** A name that may or may not be that of a mailbox. */
export function anyName(dice: Dice): string {
  return dice.oneIn(15) ? dice.pick(impossible) : dice.pick(names);
}

/** Mostly the name of a mailbox that is there, and that others use as well. */
export function likelyName({ dice, account }: World): string {
  if (dice.below(5) < 3) return "INBOX";
  return dice.oneIn(10) ? anyName(dice) : dice.pick(account.mailboxes).name;
}

const uses = ["\\Sent", "\\Drafts", "\\Trash", "\\Junk", "\\All"] as const;

/** In IMAP4rev2 a name that was changed is told. RFC 9051 §6.3.4, §6.3.6 */
function checkOldName(session: SessionModel, told: Told, now: string, before: string): void {
  const answers = told.data.filter(({ name }) => name === "LIST");
  const expected = session.enabled.rev2 && now !== before.replace(/\/$/, "") ? [[now, before]] : [];
  demandEqual(
    answers.map(({ tokens }) => {
      const [, , name, extended] = tokens as [unknown, unknown, never, [never, [never]]];
      return [nameOf(name, true), nameOf(extended[1][0], true)];
    }),
    expected,
    "LIST with OLDNAME",
  );
}

export const create: Generator = ({ dice, account }, session) => {
  const sent = anyName(dice);
  const name = canonical(sent);
  const use = dice.oneIn(5) ? dice.pick(uses) : "";
  const reasons: string[] = [];
  if (name === undefined) reasons.push("NO CANNOT");
  if (account.find(name) !== undefined) reasons.push("NO ALREADYEXISTS");
  if (use === "\\All" || (use !== "" && account.mailboxes.some((box) => box.specialUse === use)))
    reasons.push("NO USEATTR");
  return {
    text: `CREATE ${quotedName(sent, session.utf8)}${use === "" ? "" : ` (USE (${use}))`}`,
    expected: reasons.length === 0 ? ["OK MAILBOXID"] : reasons,
    sync: "all",
    responses: ["LIST"],
    apply: ({ status }) => {
      if (status === "OK") account.create(name!, use);
    },
    check: ({ status, codeTokens }, told) => {
      if (status !== "OK") return;
      demandEqual(codeTokens, [[account.find(name)?.id]], "MAILBOXID");
      checkOldName(session, told, name!, sent);
    },
  };
};

export const remove: Generator = (world, session) => {
  const { account, dice } = world;
  // Seldom: most of a run is about what is in mailboxes.
  const sent = dice.oneIn(2) ? anyName(dice) : likelyName(world);
  const mailbox = account.find(canonical(sent));
  const own = session.view?.mailbox === mailbox;
  return {
    text: `DELETE ${quotedName(sent, session.utf8)}`,
    expected:
      mailbox === undefined
        ? ["NO NONEXISTENT"]
        : mailbox.name === "INBOX"
          ? ["NO CANNOT"]
          : ["OK"],
    sync: "all",
    codes: ["CLOSED"],
    apply: ({ status }) => {
      if (status !== "OK") return;
      account.delete(mailbox!);
      if (own) session.leave();
    },
    check: ({ status }, { codes }) =>
      demandEqual(
        codes.filter(({ code }) => code === "CLOSED").length,
        status === "OK" && own ? 1 : 0,
        "Number of CLOSED codes",
      ),
  };
};

export const rename: Generator = (world, session) => {
  const { account, dice, clock } = world;
  const sent = likelyName(world);
  const target = anyName(dice);
  const from = account.find(canonical(sent));
  const to = canonical(target);
  const reasons: string[] = [];
  if (from === undefined) reasons.push("NO NONEXISTENT");
  if (to === undefined) reasons.push("NO CANNOT");
  if (account.find(to) !== undefined) reasons.push("NO ALREADYEXISTS");
  if (from !== undefined && to?.startsWith(`${from.name}/`) === true) reasons.push("NO CANNOT");
  const inferior = account.mailboxes.filter(
    ({ name }) => from !== undefined && from.name !== "INBOX" && name.startsWith(`${from.name}/`),
  );
  if (inferior.some(({ name }) => account.find(to + name.slice(from!.name.length)) !== undefined))
    reasons.push("NO ALREADYEXISTS");
  const before = from?.name;
  return {
    text: `RENAME ${quotedName(sent, session.utf8)} ${quotedName(target, session.utf8)}`,
    expected: reasons.length === 0 ? ["OK"] : reasons,
    sync: "all",
    responses: ["LIST"],
    apply: ({ status }) => {
      if (status === "OK") account.rename(from!, to!, Math.floor(clock.now() / 1000));
    },
    check: ({ status }, told) => {
      if (status === "OK") checkOldName(session, told, to!, before!);
    },
  };
};

function subscription(word: "SUBSCRIBE" | "UNSUBSCRIBE"): Generator {
  return ({ dice, account }, session) => {
    // Those that lie deep are what RECURSIVEMATCH is about.
    const sent = dice.oneIn(2) ? anyName(dice) : dice.pick(["A/B", "A/B/C", "B/x y"]);
    const name = canonical(sent);
    return {
      text: `${word} ${quotedName(sent, session.utf8)}`,
      expected: name === undefined ? ["NO CANNOT"] : ["OK"],
      sync: "all",
      apply: ({ status }) => {
        if (status !== "OK") return;
        if (word === "SUBSCRIBE") account.subscriptions.add(name!);
        else account.subscriptions.delete(name!);
      },
    };
  };
}

export const subscribe: Generator = subscription("SUBSCRIBE");
export const unsubscribe: Generator = subscription("UNSUBSCRIBE");
