import { limits } from "#base/limits.ts";
import { hierarchySeparator, type MailboxState, superiorNames } from "#store/index.ts";
import type { ListCommand, LsubCommand } from "#wire/index.ts";
import { ImapSyntaxError } from "#wire/index.ts";
import type { CommandSpec } from "../command-spec.ts";
import { NamePattern } from "../name-pattern.ts";
import type { Session } from "../session.ts";
import { writeStatusOf } from "./status.ts";

/** RFC 9051 §6.3.9, RFC 5258, RFC 5819, RFC 6154 */
export const list: CommandSpec<ListCommand> = {
  name: "LIST",
  state: "authenticated",
  capabilities: ["CHILDREN", "LIST-EXTENDED", "LIST-STATUS", "SPECIAL-USE"],
  async run(session, command) {
    const { output } = session;
    // An empty pattern asks for the separator and the root of the reference.
    if (!command.extended && command.patterns[0] === "") {
      output.ascii('* LIST (\\Noselect) "/" ""').crlf();
      return;
    }
    const patterns = patternsOf(command.reference, command.patterns);
    for (const entry of chosen(session, command, patterns)) {
      writeEntry(session, command, entry);
      const pause = session.pause();
      if (pause !== undefined) await pause;
    }
  },
};

/** Subscribed names, and with `%` the levels above them. RFC 3501 §6.3.9 */
export const lsub: CommandSpec<LsubCommand> = {
  name: "LSUB",
  state: "authenticated",
  capabilities: [],
  run(session, command) {
    const { output } = session;
    const { subscriptions } = session.account.state;
    if (command.pattern === "") {
      output.ascii('* LSUB (\\Noselect) "/" ""').crlf();
      return;
    }
    const [pattern] = patternsOf(command.reference, [command.pattern]);
    const names = new Set(subscriptions);
    if (command.pattern.includes("%"))
      for (const name of subscriptions) for (const above of superiorNames(name)) names.add(above);
    for (const name of sorted(names)) {
      if (!pattern!.matches(name)) continue;
      output.ascii(subscriptions.has(name) ? '* LSUB () "/" ' : '* LSUB (\\Noselect) "/" ');
      output.mailbox(name).crlf();
    }
  },
};

function patternsOf(reference: string, patterns: readonly string[]): NamePattern[] {
  if (patterns.length > limits.listPatternsMax) throw new ImapSyntaxError("Too many patterns");
  return patterns.map((pattern) => {
    const whole = reference + pattern;
    if (whole.length > limits.mailboxNameBytesMax) throw new ImapSyntaxError("Pattern too long");
    return new NamePattern(whole);
  });
}

/** A name to be listed. */
interface Entry {
  readonly name: string;
  /** Undefined for a name that only has others below it, or is only subscribed. */
  readonly mailbox: MailboxState | undefined;
  readonly hasChildren: boolean;
  /** It meets the selection options itself. */
  readonly selected: boolean;
  /** A name below it meets them. RFC 5258 §3.5 */
  readonly childSelected: boolean;
}

/** All names there are, also those that exist only as levels of others, INBOX first. */
function sorted(names: Iterable<string>): string[] {
  const key = (name: string): string => (name === "INBOX" ? "" : name);
  return [...names].sort((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0));
}

/** The names that a command asks for. */
function* chosen(
  session: Session,
  command: ListCommand,
  patterns: readonly NamePattern[],
): Generator<Entry, void, undefined> {
  const { mailboxesByName, subscriptions } = session.account.state;
  const { select } = command;
  const withChildren = new Set<string>();
  const all = new Set(mailboxesByName.keys());
  if (select.subscribed) for (const name of subscriptions) all.add(name);
  for (const name of mailboxesByName.keys())
    for (const above of superiorNames(name)) {
      withChildren.add(above);
      all.add(above);
    }
  const meets = (name: string): boolean =>
    (!select.subscribed || subscriptions.has(name)) &&
    (!select.specialUse || (mailboxesByName.get(name)?.specialUse.length ?? 0) > 0);
  const matches = (name: string): boolean => patterns.some((pattern) => pattern.matches(name));
  // Names with a name below that is selected, and those of them that do not show otherwise.
  const above = new Set<string>();
  const aboveHidden = new Set<string>();
  if (select.recursiveMatch)
    for (const name of all) {
      if (!meets(name)) continue;
      const hidden = !matches(name);
      for (const superior of superiorNames(name)) {
        all.add(superior);
        above.add(superior);
        if (hidden) aboveHidden.add(superior);
      }
    }
  for (const name of sorted(all)) {
    const selected = meets(name);
    if (!selected && !aboveHidden.has(name)) continue;
    if (!matches(name)) continue;
    yield {
      name,
      mailbox: mailboxesByName.get(name),
      hasChildren: withChildren.has(name),
      selected,
      childSelected: above.has(name),
    };
  }
}

function writeEntry(session: Session, command: ListCommand, entry: Entry): void {
  const { output } = session;
  const { select, returns } = command;
  const { name, mailbox } = entry;
  const attributes: string[] = [];
  // RFC 5258 §3: \NonExistent implies \Noselect, which is for those who do not know that.
  if (mailbox === undefined) attributes.push("\\NonExistent", "\\Noselect");
  if ((select.subscribed || returns.subscribed) && session.account.state.subscriptions.has(name))
    attributes.push("\\Subscribed");
  attributes.push(entry.hasChildren ? "\\HasChildren" : "\\HasNoChildren");
  if (mailbox !== undefined) attributes.push(...mailbox.specialUse);
  output.ascii(`* LIST (${attributes.join(" ")}) "${hierarchySeparator}" `).mailbox(name);
  if (entry.childSelected) {
    const options = [
      ...(select.subscribed ? ['"SUBSCRIBED"'] : []),
      ...(select.specialUse ? ['"SPECIAL-USE"'] : []),
    ];
    output.ascii(` ("CHILDINFO" (${options.join(" ")}))`);
  }
  output.crlf();
  // RFC 5819 §2: not for a name that is only above one.
  if (returns.status !== null && mailbox !== undefined && entry.selected)
    writeStatusOf(session, mailbox, returns.status);
}
