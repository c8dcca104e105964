import type { MailboxNumber } from "#base/brand.ts";
import type { Clock } from "#base/clock.ts";
import type { Account } from "./account.ts";
import type { RecordAddress } from "./index/account-state.ts";
import type { JournalPlace } from "./journal/journal.ts";
import type { ContentReader, LargeBodyWriter } from "./ports.ts";
import type { StoredKeys } from "./search/message-keys.ts";

/** A record on its way to the journal. */
export interface AccountAppend {
  readonly payload: readonly Uint8Array[];
  /** Passes although the journal's tail is at its limit. */
  readonly exempt: boolean;
  /** Contents that records of other accounts share: the same array. */
  readonly shared: readonly Uint8Array[] | undefined;
}

/** What an account needs from the store that opened it. */
export interface AccountHome {
  readonly clock: Clock;
  readonly contents: ContentReader;
  readonly largeBodies: LargeBodyWriter;
  /** Throws `Refusal` UNAVAILABLE while nothing can be written. */
  requireWritable(): void;
  /** Told of each durable change of a mailbox. */
  mailboxChanged(account: Account, mailbox: MailboxNumber): void;
  /** Makes a record durable; rejects when it is lost, after having discarded the account. */
  append(account: Account, record: AccountAppend): Promise<JournalPlace>;
  /** Sort keys as they were stored; undefined where there are none. */
  storedKeys(account: Account): StoredKeys | undefined;
  /** Told after the account's sort keys were used. */
  keysUsed(account: Account): void;
  /** Notes the stored form of a unit for the next delta. */
  noteUnit(
    account: Account,
    unit: Uint8Array,
    of: { readonly modseq: number; readonly address: RecordAddress },
  ): void;
}
