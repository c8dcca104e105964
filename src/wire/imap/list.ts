/** LIST with its extensions, and LSUB. */
import type { Cursor } from "./cursor.ts";
import type { StatusItem } from "./status.ts";
import { readStatusItems } from "./status.ts";

/** RFC 9051 §6.3.9, RFC 5258 §3, RFC 6154 §2 */
export interface ListCommand {
  readonly name: "LIST";
  readonly tag: string;
  readonly reference: string;
  /** At least one; `*` and `%` are wildcards. */
  readonly patterns: readonly string[];
  /** Selection options, several patterns or return options were used. */
  readonly extended: boolean;
  readonly select: {
    readonly subscribed: boolean;
    readonly remote: boolean;
    readonly recursiveMatch: boolean;
    readonly specialUse: boolean;
  };
  readonly returns: {
    readonly subscribed: boolean;
    readonly children: boolean;
    readonly specialUse: boolean;
    /** RFC 5819 §2 */
    readonly status: readonly StatusItem[] | null;
  };
}

const selectOptions = ["SUBSCRIBED", "REMOTE", "RECURSIVEMATCH", "SPECIAL-USE"] as const;

function readSelect(cursor: Cursor): ListCommand["select"] {
  const chosen = new Set<string>();
  if (cursor.peek() === 0x28) {
    const options = cursor.list(() => {
      const option = cursor.keyword("a selection option");
      return selectOptions.find((known) => known === option) ?? cursor.fail("Unknown option");
    }, true);
    for (const option of options) chosen.add(option);
    cursor.space();
  }
  const select = {
    subscribed: chosen.has("SUBSCRIBED"),
    remote: chosen.has("REMOTE"),
    recursiveMatch: chosen.has("RECURSIVEMATCH"),
    specialUse: chosen.has("SPECIAL-USE"),
  };
  // RFC 5258 §3.1: RECURSIVEMATCH modifies another option, and REMOTE is none that it can modify.
  if (select.recursiveMatch && !select.subscribed && !select.specialUse)
    cursor.fail("RECURSIVEMATCH needs SUBSCRIBED or SPECIAL-USE");
  return select;
}

const noReturns: ListCommand["returns"] = {
  subscribed: false,
  children: false,
  specialUse: false,
  status: null,
};

function readReturns(cursor: Cursor): ListCommand["returns"] {
  if (!cursor.skipKeyword("RETURN")) cursor.fail("Expected RETURN");
  cursor.space();
  const returns = { ...noReturns };
  cursor.list(() => {
    const option = cursor.keyword("a return option");
    if (option === "SUBSCRIBED") returns.subscribed = true;
    else if (option === "CHILDREN") returns.children = true;
    else if (option === "SPECIAL-USE") returns.specialUse = true;
    else if (option === "STATUS" && returns.status === null) {
      cursor.space();
      returns.status = readStatusItems(cursor);
    } else cursor.fail("Unknown or repeated option");
  }, true);
  return returns;
}

export function parseList(cursor: Cursor): ListCommand {
  cursor.space();
  let extended = cursor.peek() === 0x28;
  const select = readSelect(cursor);
  const reference = cursor.listMailbox();
  cursor.space();
  let patterns: string[];
  if (cursor.peek() === 0x28) {
    extended = true;
    patterns = cursor.list(() => cursor.listMailbox());
  } else patterns = [cursor.listMailbox()];
  let returns = noReturns;
  if (cursor.skipByte(0x20)) {
    extended = true;
    returns = readReturns(cursor);
  }
  return { name: "LIST", tag: cursor.tag, reference, patterns, extended, select, returns };
}

/** RFC 3501 §6.3.9 */
export interface LsubCommand {
  readonly name: "LSUB";
  readonly tag: string;
  readonly reference: string;
  readonly pattern: string;
}

export function parseLsub(cursor: Cursor): LsubCommand {
  cursor.space();
  const reference = cursor.listMailbox();
  cursor.space();
  return { name: "LSUB", tag: cursor.tag, reference, pattern: cursor.listMailbox() };
}
