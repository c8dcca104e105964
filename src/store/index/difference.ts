import { isDeepStrictEqual } from "node:util";
import { latin1 } from "#base/bytes.ts";
import { positionText } from "../journal/journal.ts";
import type { AccountState } from "./account-state.ts";
import type { Columns, ColumnSchema } from "./columns.ts";
import type { MailboxState } from "./mailbox-state.ts";

const scalars = [
  "id",
  "exists",
  "modseq",
  "nextMailbox",
  "nextMessage",
  "nextThread",
  "nextPack",
  "lastUidValidity",
  "rowCount",
  "rowBytes",
  "tombstones",
  "subscriptions",
  "properties",
  "freeRows",
  "packs",
  "dropped",
  "commandKeys",
] as const satisfies readonly (keyof AccountState)[];

const mailboxScalars = [
  "number",
  "name",
  "uidValidity",
  "uidNext",
  "highestModseq",
  "historyFloor",
  "specialUse",
  "firstRecent",
  "keywords",
  "keywordSets",
  "visitorFlags",
  "uidls",
  "unseen",
  "deleted",
  "deletedBytes",
  "bytes",
] as const satisfies readonly (keyof MailboxState)[];

/** The first difference between two states of an account in words; undefined where they agree. */
export function differenceOf(a: AccountState, b: AccountState): string | undefined {
  for (const name of scalars)
    if (!isDeepStrictEqual(a[name], b[name]))
      return `${name}: ${shown(a[name])}, ${shown(b[name])}`;
  const found = tableDifference(
    a.messages,
    b.messages,
    (row) => a.messages.arrays.number[row] !== 0,
  );
  if (found !== undefined) return `messages.${found}`;
  const [journaledA, journaledB] = [journaledOf(a), journaledOf(b)];
  if (!isDeepStrictEqual(journaledA, journaledB))
    return `journaled: ${shown(journaledA)}, ${shown(journaledB)}`;
  const [numbersA, numbersB] = [[...a.mailboxes.keys()], [...b.mailboxes.keys()]];
  if (!isDeepStrictEqual(numbersA, numbersB))
    return `mailboxes: ${shown(numbersA)}, ${shown(numbersB)}`;
  for (const [number, mailbox] of a.mailboxes) {
    const text = mailboxDifference(mailbox, b.mailboxes.get(number)!);
    if (text !== undefined) return `mailbox ${number}: ${text}`;
    if (a.mailboxesByName.get(mailbox.name) !== mailbox)
      return `mailbox ${number} has lost its name`;
  }
  return a.mailboxesByName.size === b.mailboxesByName.size ? undefined : "names of mailboxes";
}

function journaledOf(state: AccountState): unknown {
  return Array.from(state.journaled, ([row, content]) => {
    const { address, offset, prefix, fieldsCrc, bodyCrc } = content;
    const { place, contentsAt } = address;
    const where = place && [positionText(place), place.offset, place.length, place.checksum];
    return [row, where, contentsAt, offset, latin1(prefix), fieldsCrc, bodyCrc];
  });
}

function mailboxDifference(a: MailboxState, b: MailboxState): string | undefined {
  for (const name of mailboxScalars)
    if (!isDeepStrictEqual(a[name], b[name]))
      return `${name}: ${shown(a[name])}, ${shown(b[name])}`;
  return tableDifference(a.rows, b.rows) ?? tableDifference(a.history, b.history);
}

function tableDifference<S extends ColumnSchema>(
  a: Columns<S>,
  b: Columns<S>,
  counts: (row: number) => boolean = () => true,
): string | undefined {
  if (a.count !== b.count) return `${a.count} and ${b.count} rows`;
  for (const name of Object.keys(a.schema)) {
    const [left, right] = [a.arrays[name]!, b.arrays[name]!];
    for (let row = 0; row < a.count; row++)
      if (!Object.is(left[row], right[row]) && counts(row))
        return `${name}[${row}]: ${left[row]}, ${right[row]}`;
  }
  return undefined;
}

function shown(value: unknown): string {
  const plain = value instanceof Map || value instanceof Set ? [...value] : value;
  return JSON.stringify(plain).slice(0, 400);
}
