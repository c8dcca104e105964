/** Commands that say nothing of messages, and those that only ask what is new. */
import { demand, demandEqual } from "../failure.ts";
import { nameOf, quotedName } from "../names.ts";
import type { Generator } from "../planned.ts";
import { likelyName } from "./mailboxes.ts";

export const noop: Generator = () => ({ text: "NOOP", expected: ["OK"], sync: "all" });

export const check: Generator = (_, session) =>
  session.view === undefined
    ? { text: "CHECK", expected: ["BAD"], sync: "all" }
    : { text: "CHECK", expected: ["OK"], sync: "all" };

/** Only before a mailbox is selected. RFC 5161 §3.1 */
export const enable: Generator = ({ dice }, session) => {
  if (session.view !== undefined) return undefined;
  const names = dice.some([
    "CONDSTORE",
    "QRESYNC",
    "QRESYNC",
    "UTF8=ACCEPT",
    "X-NONE",
    "IMAP4rev2",
  ]);
  return {
    text: `ENABLE ${names.join(" ")}`,
    expected: ["OK"],
    sync: "all",
    responses: ["ENABLED"],
    apply: () => {
      const { enabled } = session;
      if (names.includes("QRESYNC")) enabled.qresync = true;
      if (names.includes("CONDSTORE") || names.includes("QRESYNC")) enabled.condstore = true;
      if (names.includes("UTF8=ACCEPT")) enabled.utf8 = true;
      if (names.includes("IMAP4rev2")) enabled.rev2 = true;
    },
    check: (_, { data }) => {
      const expected = new Set(names.filter((name) => name !== "X-NONE"));
      demandEqual(data[0]!.tokens.map(String).sort(), [...expected].sort(), "ENABLED");
    },
  };
};

export const namespace: Generator = () => ({
  text: "NAMESPACE",
  expected: ["OK"],
  sync: "all",
  responses: ["NAMESPACE"],
  check: (_, { data }) => demandEqual(data.length, 1, "Number of NAMESPACE responses"),
});

export const capability: Generator = () => ({
  text: "CAPABILITY",
  expected: ["OK"],
  sync: "all",
  responses: ["CAPABILITY"],
  check: (_, { data }) =>
    demand(data[0]!.tokens.includes("IMAP4rev2"), "CAPABILITY without IMAP4rev2"),
});

export const quotaRoot: Generator = (world, session) => {
  const { account } = world;
  const name = likelyName(world);
  return {
    text: `GETQUOTAROOT ${quotedName(name, session.utf8)}`,
    expected: ["OK"],
    sync: "all",
    responses: ["QUOTAROOT", "QUOTA"],
    check: (_, { data }) => {
      const [root, quota] = data;
      demandEqual(nameOf(root!.tokens[0], session.utf8).toUpperCase(), name.toUpperCase(), "Name");
      const { messagesMax } = account;
      const expected =
        messagesMax === undefined ? [] : ["MESSAGE", account.messageCount, messagesMax];
      demandEqual(quota!.tokens[1], expected, "QUOTA");
    },
  };
};
