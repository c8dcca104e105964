/**
 * The store: accounts, mailboxes, messages. The log is the mailbox.
 *
 * - `Store.open` gives an `Account`: its state to read, its operations to change it. Rights are
 *   checked there and nowhere else.
 * - An operation decides at once, applies its record in memory and sends it to the journal. What
 *   was read may be told to anybody only after `Account.durable()`: memory runs ahead of the
 *   journal, output does not.
 * - `apply` is the only function that changes an account, live and on replay.
 * - Everything that is derived (heads, snapshots, deltas, packs, caches) is checksummed and may be
 *   thrown away and rebuilt.
 * - One thread owns an account; nothing here takes locks. After an `await`, row numbers are stale:
 *   keep uids.
 */
export { Account, type MailboxWatcher } from "./account.ts";
export { type AddedResult, type NewMessage } from "./added-messages.ts";
export type { FlagChange, FlagResult } from "./flag-change.ts";
export { AccountState, type Tombstone } from "./index/account-state.ts";
export { flagBits, type Flags, seenBit } from "./index/change.ts";
export { lowerBound } from "./index/columns.ts";
export { MailboxState } from "./index/mailbox-state.ts";
export { rangesOf, type UidRanges } from "./index/uid-ranges.ts";
export { type KeyKind, type TextKey } from "./search/key-columns.ts";
export type { MessageKeys, MessageLinks, Subjects } from "./search/message-keys.ts";
export { openLocalJournal } from "./journal/local-journal.ts";
export { JournalCorruption } from "./journal/journal.ts";
export type { MailboxChange } from "./mailbox-changes.ts";
export { canonicalMailboxName, hierarchySeparator, superiorNames } from "./mailbox-name.ts";
export type { BodyReader, PreparedMessage, Quota } from "./ports.ts";
export {
  type CloseStoreOptions,
  closeStore,
  type JournalStart,
  type OpenedStore,
  openStore,
  type OpenStoreOptions,
} from "./open.ts";
export { prepareInSlices, prepareMessage } from "./prepare.ts";
export type { Damage, DamageOutcome } from "./settled/damage.ts";
export type { VerifyOptions, VerifyReport } from "./verify.ts";
export { type InitialMailbox, Store, type StoreOptions, type Visitor } from "./store.ts";
