/**
 * Ids that stay with mailboxes, messages and threads for ever: 1 to 255 characters of [A-Za-z0-9_-],
 * never used twice in a store. RFC 8474 §4 to §5
 */
import type { AccountId, MailboxNumber, MessageNumber } from "#base/brand.ts";

/** RFC 8474 §4 */
export function mailboxId(account: AccountId, mailbox: MailboxNumber): string {
  return `F${account}-${mailbox}`;
}

/** The same for all copies of one content. RFC 8474 §5.1 */
export function emailId(account: AccountId, message: MessageNumber | number): string {
  return `M${account}-${message}`;
}

/** RFC 8474 §5.2 */
export function threadId(account: AccountId, thread: number): string {
  return `T${account}-${thread}`;
}
