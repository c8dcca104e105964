/** Where a message goes in an account. */
import { Refusal } from "#base/assert.ts";
import {
  type Account,
  canonicalMailboxName,
  flagBits,
  type Flags,
  type MailboxState,
} from "#store/index.ts";
import type { Placement, Recipient } from "./arrival.ts";

export interface Destination {
  readonly mailbox: MailboxState;
  readonly flags: Flags;
}

const noFlags: Flags = { bits: 0, keywords: [] };

/**
 * What the operator's `placement` says, else the mailbox that the detail of the address names, else
 * INBOX. A mailbox that is not there is INBOX too: mail is never refused for it.
 */
export function destinationOf(
  account: Account,
  { detail }: Recipient,
  placement: Placement | undefined,
): Destination {
  if (placement !== undefined) {
    const named = account.state.mailboxesByName.get(canonicalMailboxName(placement.mailbox));
    const mailbox = named ?? account.mailbox("INBOX");
    return { mailbox, flags: flagsOf(placement.flags ?? []) };
  }
  const named = detail === undefined || detail === "" ? undefined : forDetail(account, detail);
  return { mailbox: named ?? account.mailbox("INBOX"), flags: noFlags };
}

/** Addresses are compared without regard to case and form, so the mailbox is as well. RFC 5233 §1 */
function forDetail(account: Account, detail: string): MailboxState | undefined {
  const exact = account.state.mailboxesByName.get(detail);
  if (exact !== undefined) return exact;
  const wanted = folded(detail);
  for (const mailbox of account.state.mailboxes.values())
    if (folded(mailbox.name) === wanted) return mailbox;
  return undefined;
}

function folded(text: string): string {
  return text.normalize("NFKC").toLowerCase();
}

function flagsOf(names: readonly string[]): Flags {
  if (names.length === 0) return noFlags;
  let bits = 0;
  const keywords: string[] = [];
  for (const name of names) {
    const bit = (flagBits as Readonly<Record<string, number>>)[name];
    if (bit !== undefined) bits |= bit;
    else if (name.startsWith("\\")) throw new Refusal("CANNOT", `There is no flag ${name}`);
    else if (!keywords.includes(name)) keywords.push(name);
  }
  return { bits, keywords };
}
