import type { MailboxNumber } from "#base/brand.ts";
import type { AccountState } from "./account-state.ts";
import type { MailboxState } from "./mailbox-state.ts";

/**
 * Gives a mailbox another name, and leaves a tombstone for the one that it gives up. For `apply`.
 *
 * @param to `at`: milliseconds since 1970
 */
export function renameMailbox(
  { mailboxesByName, tombstones }: AccountState,
  mailbox: MailboxState,
  to: { readonly name: string; readonly at: number },
): void {
  const { name, uidValidity } = mailbox;
  mailboxesByName.delete(name);
  mailbox.name = to.name;
  mailboxesByName.set(to.name, mailbox);
  // One is enough for each name, however often mailboxes come and go.
  const earlier = tombstones.findIndex((other) => other.mailbox === 0 && other.name === name);
  const greatest = Math.max(uidValidity, tombstones[earlier]?.uidValidity ?? 0);
  if (earlier >= 0) tombstones.splice(earlier, 1);
  const none = 0 as MailboxNumber;
  tombstones.push({ mailbox: none, name, uidValidity: greatest, deletedAt: to.at });
}
