import { Refusal } from "#base/assert.ts";
import type { MailboxNumber } from "#base/brand.ts";
import { limits } from "#base/limits.ts";
import type { AccountState } from "./index/account-state.ts";
import type { Change } from "./index/change.ts";
import type { MailboxState } from "./index/mailbox-state.ts";
import { rangesOf } from "./index/uid-ranges.ts";

/**
 * The changes that create a mailbox and those above it that are missing. RFC 9051 §6.3.4,
 * RFC 6154 §3. Errors: `Refusal` ALREADYEXISTS, LIMIT, USEATTR.
 */
export function creations(
  state: AccountState,
  name: string,
  options: {
    readonly superiors: readonly string[];
    readonly specialUse: readonly string[];
    /** Since 1970. */
    readonly seconds: number;
  },
): Change[] {
  const { superiors, specialUse, seconds } = options;
  if (state.mailboxesByName.has(name))
    throw new Refusal("ALREADYEXISTS", "There is a mailbox of that name");
  for (const use of specialUse)
    for (const other of state.mailboxes.values())
      if (other.specialUse.includes(use))
        throw new Refusal("USEATTR", `Another mailbox has the special use ${use}`);
  const changes = missingSuperiors(state, superiors, seconds);
  const created = creation(state, name, { seconds, after: changes.length });
  return [...changes, { ...created, specialUse }];
}

/**
 * The changes that rename a mailbox and its inferiors; INBOX keeps its name and gives its messages
 * away. RFC 9051 §6.3.6. A name never gets a lower UIDVALIDITY than it had. Errors: `Refusal` ALREADYEXISTS, CANNOT, LIMIT.
 */
export function renamings(
  state: AccountState,
  mailbox: MailboxState,
  options: {
    readonly to: string;
    readonly superiors: readonly string[];
    /** Since 1970. */
    readonly seconds: number;
  },
): Change[] {
  const { to, superiors, seconds } = options;
  const from = mailbox.name;
  if (state.mailboxesByName.has(to))
    throw new Refusal("ALREADYEXISTS", "There is a mailbox of the new name");
  if (to.startsWith(`${from}/`))
    throw new Refusal("CANNOT", "A mailbox cannot be moved into itself");
  const changes = missingSuperiors(state, superiors, seconds);
  if (from === "INBOX") {
    const created = creation(state, to, { seconds, after: changes.length });
    return [...changes, created, ...moving(mailbox, created.mailbox, seconds)];
  }
  const former = formerValidities(state);
  let next = nextValidity(state, seconds) + changes.length;
  const rename = ({ number, uidValidity }: MailboxState, name: string): void => {
    changes.push({ kind: "mailboxRenamed", mailbox: number, name });
    // A mailbox that had the name may be in a client's memory, with other messages of these uids.
    if ((former.get(name) ?? 0) > uidValidity)
      changes.push({ kind: "uidValidityChanged", mailbox: number, uidValidity: next++ });
  };
  rename(mailbox, to);
  for (const inferior of state.mailboxes.values())
    if (inferior.name.startsWith(`${from}/`)) {
      const name = to + inferior.name.slice(from.length);
      if (state.mailboxesByName.has(name))
        throw new Refusal("ALREADYEXISTS", `There is a mailbox ${name} already`);
      rename(inferior, name);
    }
  return changes;
}

/** The greatest UIDVALIDITY of each name that a mailbox had and gave up. RFC 9051 §2.3.1.1 */
function formerValidities(state: AccountState): Map<string, number> {
  const greatest = new Map<string, number>();
  for (const { name, uidValidity } of state.tombstones)
    greatest.set(name, Math.max(uidValidity, greatest.get(name) ?? 0));
  return greatest;
}

function nextValidity(state: AccountState, seconds: number): number {
  return Math.max(state.lastUidValidity + 1, seconds);
}

function missingSuperiors(
  state: AccountState,
  superiors: readonly string[],
  seconds: number,
): Change[] {
  const missing = superiors.filter((above) => !state.mailboxesByName.has(above));
  if (state.mailboxes.size + missing.length + 1 > limits.mailboxesPerAccountMax)
    throw new Refusal("LIMIT", `An account has at most ${limits.mailboxesPerAccountMax} mailboxes`);
  return missing.map((name, after) => creation(state, name, { seconds, after }));
}

/** @param of `after`: how many mailboxes the same record creates before this one */
function creation(
  state: AccountState,
  name: string,
  of: { readonly seconds: number; readonly after: number },
): Change & { kind: "mailboxCreated" } {
  return {
    kind: "mailboxCreated",
    mailbox: (state.nextMailbox + of.after) as MailboxNumber,
    name,
    uidValidity: nextValidity(state, of.seconds) + of.after,
    uidNext: 1,
    specialUse: [],
  };
}

function moving(mailbox: MailboxState, to: MailboxNumber, savedAt: number): Change[] {
  if (mailbox.count === 0) return [];
  const uids = rangesOf(mailbox.rows.arrays.uid.subarray(0, mailbox.count));
  return [
    { kind: "messagesCopied", from: mailbox.number, uids, to, firstUid: 1, savedAt },
    { kind: "expunged", mailbox: mailbox.number, uids },
  ];
}
