/** LIST with its options, LSUB, STATUS. */
import type { Token } from "#wire/index.ts";
import { type Mailbox, type ModelAccount, present, sizeOf } from "../account.ts";
import type { Dice } from "../dice.ts";
import { demand, demandEqual } from "../failure.ts";
import { canonical, matchesPattern, nameOf, quotedName, superiors } from "../names.ts";
import type { Generator } from "../planned.ts";
import type { DataResponse, SessionModel } from "../session.ts";
import { likelyName } from "./mailboxes.ts";

export const statusItems = [
  "MESSAGES",
  "UIDNEXT",
  "UIDVALIDITY",
  "UNSEEN",
  "RECENT",
  "DELETED",
  "DELETED-STORAGE",
  "SIZE",
  "HIGHESTMODSEQ",
  "MAILBOXID",
] as const;

type StatusItem = (typeof statusItems)[number];

/** \Recent messages of each mailbox: being told of some takes them from those who come next. */
type Recents = ReadonlyMap<Mailbox, number>;

function recentsOf(account: ModelAccount): Recents {
  const recent = (mailbox: Mailbox): number =>
    present(mailbox).filter(({ uid }) => uid >= mailbox.firstRecent).length;
  return new Map(account.mailboxes.map((mailbox) => [mailbox, recent(mailbox)]));
}

function statusValue(mailbox: Mailbox, item: StatusItem, recents: Recents): unknown {
  const messages = present(mailbox);
  const deleted = messages.filter(({ flags }) => flags.has("\\deleted"));
  switch (item) {
    case "MESSAGES":
      return messages.length;
    case "UIDNEXT":
      return mailbox.uidNext;
    case "UIDVALIDITY":
      return mailbox.uidValidity;
    case "UNSEEN":
      return messages.filter(({ flags }) => !flags.has("\\seen")).length;
    case "RECENT":
      return recents.get(mailbox);
    case "DELETED":
      return deleted.length;
    case "DELETED-STORAGE":
      return sizeOf(deleted);
    case "SIZE":
      return sizeOf(messages);
    case "HIGHESTMODSEQ":
      return mailbox.highestModseq;
    case "MAILBOXID":
      return [mailbox.id];
  }
}

/** Items of a STATUS response. */
export function statusOf(response: DataResponse): Map<string, Token> {
  const list = response.tokens[1] as readonly Token[];
  const items = new Map<string, Token>();
  for (let i = 0; i < list.length; i += 2) items.set(String(list[i]), list[i + 1]!);
  return items;
}

/** Checks STATUS responses: one for each mailbox, with these items. */
export function checkStatus(
  responses: readonly DataResponse[],
  expected: {
    mailboxes: readonly Mailbox[];
    items: readonly string[];
    utf8: boolean;
    recents: Recents;
  },
): void {
  const { mailboxes, items, utf8, recents } = expected;
  const byName = new Map(responses.map((each) => [nameOf(each.tokens[0], utf8), each]));
  demandEqual(
    [...byName.keys()].sort(),
    mailboxes.map(({ name }) => name).sort(),
    "Names in STATUS responses",
  );
  demandEqual(responses.length, mailboxes.length, "Number of STATUS responses");
  for (const mailbox of mailboxes) {
    const values = statusOf(byName.get(mailbox.name)!);
    demandEqual([...values.keys()].sort(), [...items].sort(), `Items of STATUS ${mailbox.name}`);
    for (const [item, value] of values)
      demandEqual(
        value,
        statusValue(mailbox, item as StatusItem, recents),
        `STATUS ${item} of ${mailbox.name}`,
      );
  }
}

/** HIGHESTMODSEQ switches CONDSTORE on. RFC 7162 §3.1 */
function noteCondstore(session: SessionModel, items: readonly string[]): void {
  if (items.includes("HIGHESTMODSEQ")) session.enabled.condstore = true;
}

export const status: Generator = (world, session) => {
  const { dice, account } = world;
  const sent = likelyName(world);
  const mailbox = account.find(canonical(sent));
  const items = dice.some(statusItems);
  const recents = recentsOf(account);
  return {
    text: `STATUS ${quotedName(sent, session.utf8)} (${items.join(" ")})`,
    expected: [mailbox === undefined ? "NO NONEXISTENT" : "OK"],
    sync: "all",
    responses: ["STATUS"],
    apply: () => {
      if (mailbox !== undefined) noteCondstore(session, items);
    },
    check: (_, { data }) =>
      checkStatus(data, {
        mailboxes: mailbox === undefined ? [] : [mailbox],
        items,
        utf8: session.utf8,
        recents,
      }),
  };
};

interface ListRequest {
  readonly patterns: readonly string[];
  readonly select: readonly string[];
  readonly returns: readonly string[];
}

interface Listed {
  readonly name: string;
  readonly attributes: readonly string[];
  readonly childInfo: readonly string[];
}

/** What LIST answers. RFC 5258 §3 */
export function expectedList(account: ModelAccount, request: ListRequest): Listed[] {
  const { patterns, select, returns } = request;
  const subscribed = select.includes("SUBSCRIBED");
  const special = select.includes("SPECIAL-USE");
  const names = new Set(account.mailboxes.map(({ name }) => name));
  const all = new Set(names);
  for (const name of names) for (const above of superiors(name)) all.add(above);
  if (subscribed) for (const name of account.subscriptions) all.add(name);
  const meets = (name: string): boolean =>
    (!subscribed || account.subscriptions.has(name)) &&
    (!special || (account.find(name)?.specialUse ?? "") !== "");
  const matches = (name: string): boolean =>
    patterns.some((pattern) => matchesPattern(pattern, name));
  const recursive = select.includes("RECURSIVEMATCH");
  if (recursive) for (const name of [...all]) for (const above of superiors(name)) all.add(above);
  const listed: Listed[] = [];
  for (const name of all) {
    if (!matches(name)) continue;
    const below = [...all].filter((other) => other.startsWith(`${name}/`) && meets(other));
    const hidden = recursive && below.some((other) => !matches(other));
    if (!meets(name) && !hidden) continue;
    const mailbox = account.find(name);
    const attributes: string[] = [];
    if (mailbox === undefined) attributes.push("\\nonexistent", "\\noselect");
    if ((subscribed || returns.includes("SUBSCRIBED")) && account.subscriptions.has(name))
      attributes.push("\\subscribed");
    const children = [...names].some((other) => other.startsWith(`${name}/`));
    attributes.push(children ? "\\haschildren" : "\\hasnochildren");
    if (mailbox !== undefined && mailbox.specialUse !== "")
      attributes.push(mailbox.specialUse.toLowerCase());
    const info = recursive && below.length > 0;
    const childInfo = info ? select.filter((option) => option !== "RECURSIVEMATCH") : [];
    listed.push({ name, attributes: attributes.sort(), childInfo: childInfo.sort() });
  }
  return listed.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function readListed({ tokens }: DataResponse, utf8: boolean): Listed {
  const [attributes, , name, extended] = tokens as readonly [
    readonly Token[],
    Token,
    Token,
    Token?,
  ];
  const options =
    extended === undefined ? [] : ((extended as readonly Token[])[1] as readonly Uint8Array[]);
  return {
    name: nameOf(name, utf8),
    attributes: attributes.map((attribute) => String(attribute).toLowerCase()).sort(),
    childInfo: options.map((option) => Buffer.from(option).toString()).sort(),
  };
}

const patterns = [
  "*",
  "%",
  "A/%",
  "A*",
  "inb*",
  "INBOX",
  "%/%",
  "*B",
  "A/B",
  "Entw%",
  "%x%",
  "",
  "inbox/%",
];
const references = ["", "", "", "A/", "A", "inbox/"];
const selections: readonly (readonly string[])[] = [
  [],
  [],
  ["SUBSCRIBED"],
  ["SPECIAL-USE"],
  ["SUBSCRIBED", "RECURSIVEMATCH"],
  ["SUBSCRIBED", "RECURSIVEMATCH"],
  ["SPECIAL-USE", "RECURSIVEMATCH"],
  ["SUBSCRIBED", "SPECIAL-USE"],
  ["REMOTE", "SUBSCRIBED"],
];

/** Patterns are in the encoding of names, but `%` and `*` are not special in it. */
function listText(
  dice: Dice,
  session: SessionModel,
  request: ListRequest & { reference: string; several: boolean; items: readonly string[] },
): string {
  const { select, returns, reference, several, items } = request;
  const quote = (pattern: string): string => quotedName(pattern, session.utf8);
  const asked = request.patterns.map(quote).join(" ");
  const options = returns.map((option) =>
    option === "STATUS" ? `STATUS (${items.join(" ")})` : option,
  );
  return [
    "LIST",
    ...(select.length > 0 ? [`(${dice.shuffled(select).join(" ")})`] : []),
    quote(reference),
    several ? `(${asked})` : asked,
    ...(options.length > 0 ? [`RETURN (${options.join(" ")})`] : []),
  ].join(" ");
}

export const list: Generator = ({ dice, account }, session) => {
  const select = dice.pick(selections);
  const several = dice.oneIn(4);
  const sent = Array.from({ length: several ? dice.between(1, 3) : 1 }, () => dice.pick(patterns));
  const reference = dice.pick(references);
  const returns =
    dice.oneIn(2) || select.includes("RECURSIVEMATCH")
      ? dice.some(["SUBSCRIBED", "CHILDREN", "SPECIAL-USE", "STATUS"])
      : [];
  const items = dice.some(statusItems);
  const extended = select.length > 0 || several || returns.length > 0;
  const root = !extended && sent[0] === "";
  const request = { patterns: sent.map((each) => reference + each), select, returns };
  const recents = recentsOf(account);
  return {
    text: listText(dice, session, { ...request, patterns: sent, reference, several, items }),
    expected: ["OK"],
    sync: "all",
    responses: ["LIST", "STATUS"],
    // Which mailboxes are listed is not known to what is applied before; so it is asked for here.
    apply: () => {
      if (returns.includes("STATUS") && withStatus(account, request).length > 0)
        noteCondstore(session, items);
    },
    check: (_, { data }) => {
      const answers = data.filter(({ name }) => name === "LIST");
      if (root) {
        demandEqual(answers.length, 1, "Number of LIST responses");
        demandEqual(nameOf(answers[0]!.tokens[2], true), "", "Root of LIST");
        return;
      }
      const got = answers.map((each) => readListed(each, session.utf8));
      got.sort((a, b) => (a.name < b.name ? -1 : 1));
      demandEqual(got, expectedList(account, request), "LIST");
      const statuses = data.filter(({ name }) => name === "STATUS");
      const mailboxes = returns.includes("STATUS") ? withStatus(account, request) : [];
      checkStatus(statuses, { mailboxes, items, utf8: session.utf8, recents });
    },
  };
};

/** Mailboxes that meet the selection themselves. RFC 5819 §2 */
function withStatus(account: ModelAccount, request: ListRequest): Mailbox[] {
  const plain = { ...request, select: request.select.filter((each) => each !== "RECURSIVEMATCH") };
  return expectedList(account, plain).flatMap(({ name }) => account.find(name) ?? []);
}

export const lsub: Generator = ({ dice, account }, session) => {
  const reference = dice.pick(references);
  const sent = dice.pick(patterns);
  const pattern = reference + sent;
  const { subscriptions } = account;
  const all = new Set(subscriptions);
  // RFC 3501 §6.3.9: with `%` also what is only above a subscribed name.
  if (sent.includes("%"))
    for (const name of subscriptions) for (const above of superiors(name)) all.add(above);
  const expected =
    sent === ""
      ? ["\\Noselect "]
      : [...all]
          .filter((name) => matchesPattern(pattern, name))
          .map((name) => `${subscriptions.has(name) ? "" : "\\Noselect"} ${name}`)
          .sort();
  return {
    text: `LSUB ${quotedName(reference, session.utf8)} ${quotedName(sent, session.utf8)}`,
    expected: ["OK"],
    sync: "all",
    responses: ["LSUB"],
    check: (_, { data }) => {
      const got = data.map(({ tokens }) => {
        demand(Array.isArray(tokens[0]), "LSUB without attributes");
        return `${tokens[0].join(" ")} ${nameOf(tokens[2], session.utf8)}`;
      });
      demandEqual(got.sort(), expected, "LSUB");
    },
  };
};
