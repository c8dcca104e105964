import type { AccountId, Epoch } from "#base/brand.ts";
import { fromLatin1 } from "#base/bytes.ts";
import { crc32 } from "#base/crc.ts";
import { type Random, randomName } from "#base/random.ts";
import { type JournalPosition, parsePosition, positionText } from "../journal/journal.ts";

/** Folder of all accounts. */
export const accountsPrefix = "accounts/";

/** Folder of an account's objects; the two digits spread accounts over folders. */
export function accountFolder(id: AccountId): string {
  const spread = (crc32(fromLatin1(id)) & 0xff).toString(16).padStart(2, "0");
  return `${accountsPrefix}${spread}/${id}/`;
}

/** Key of an object of an account. */
export function objectKey(id: AccountId, name: string): string {
  return accountFolder(id) + name;
}

/** Key under which a damaged object is kept. */
export function asideKey(id: AccountId, name: string): string {
  return `aside/${objectKey(id, name)}`;
}

/** The account and the name in a key below `accountsPrefix`; undefined for anything else. */
export function parseObjectKey(key: string): { id: AccountId; name: string } | undefined {
  const match = /^accounts\/[0-9a-f]{2}\/([^/]+)\/([^/]+)$/.exec(key);
  return match === null ? undefined : { id: match[1] as AccountId, name: match[2]! };
}

/** The numbers in the name of an object; names sort like them. */
export type ObjectName =
  | { readonly kind: "head"; readonly epoch: Epoch; readonly position: JournalPosition }
  /** `modseq`: of the account when the object ends. */
  | { readonly kind: "snapshot" | "delta"; readonly epoch: Epoch; readonly modseq: number }
  /** `sequence`: a count, so that names of one process differ. */
  | { readonly kind: "pack" | "body"; readonly epoch: Epoch; readonly sequence: number }
  /** `messages`: the number that the account gave to its next content when the object was made. */
  | { readonly kind: "keys"; readonly epoch: Epoch; readonly messages: number };

const namePattern = /^(head|snapshot|delta|pack|body|keys)-([0-9a-f]{8})-([0-9a-f.]+)-[a-z2-7]+$/;

/** A new name; the nonce at its end makes it unlike all others. */
export function objectName(name: ObjectName, random: Random): string {
  const nonce = randomName(random, 10);
  return `${name.kind}-${hexDigits(name.epoch, 8)}-${middleOf(name)}-${nonce}`;
}

function middleOf(name: ObjectName): string {
  switch (name.kind) {
    case "head":
      return positionText(name.position);
    case "snapshot":
    case "delta":
      return hexDigits(name.modseq, 14);
    case "pack":
    case "body":
      return hexDigits(name.sequence, 8);
    case "keys":
      return hexDigits(name.messages, 14);
  }
}

/** What a name says; undefined for a name that is none of ours. */
export function parseObjectName(name: string): ObjectName | undefined {
  const match = namePattern.exec(name);
  if (match === null) return undefined;
  const kind = match[1] as ObjectName["kind"];
  const epoch = Number.parseInt(match[2]!, 16) as Epoch;
  const middle = match[3]!;
  if (kind === "head")
    return /^[0-9a-f]{8}\.[0-9a-f]{8}\.[0-9a-f]{4}$/.test(middle)
      ? { kind, epoch, position: parsePosition(middle) }
      : undefined;
  if (middle.includes(".")) return undefined;
  const number = Number.parseInt(middle, 16);
  switch (kind) {
    case "snapshot":
    case "delta":
      return { kind, epoch, modseq: number };
    case "pack":
    case "body":
      return { kind, epoch, sequence: number };
    case "keys":
      return { kind, epoch, messages: number };
  }
}

function hexDigits(value: number, width: number): string {
  return value.toString(16).padStart(width, "0");
}
