/**
 * What a journal record says. A record is the result of a decision (uids and modseqs included),
 * never the request, so that replaying it needs nothing but the state before it.
 *
 * `change-codec.ts` gives these types their stored form; docs/formats/record.md is its twin.
 */
import type { MailboxNumber, MessageNumber, ModSeq } from "#base/brand.ts";
import type { UidRanges } from "./uid-ranges.ts";

/** System flags as bits. RFC 9051 §2.3.2 */
export const flagBits = {
  "\\Seen": 1,
  "\\Answered": 2,
  "\\Flagged": 4,
  "\\Deleted": 8,
  "\\Draft": 16,
} as const;
export const seenBit = 1;
export const deletedBit = 8;

/** Flags of a message: bits of the system flags and names of the keywords. */
export interface Flags {
  readonly bits: number;
  readonly keywords: readonly string[];
}

/** Where the bytes of a new content are. */
export type ContentPlace =
  /** Behind this very record: at `offset` the cached fields, directly behind them the body. */
  | {
      readonly in: "record";
      readonly offset: number;
      /** CRC-32 of the cached fields and of the body. */
      readonly fieldsCrc: number;
      readonly bodyCrc: number;
    }
  /**
   * Once in the batch of this record, for all records of the batch that share it: the cached fields
   * and behind them the message without its first bytes, `prefix`, which this account alone has.
   */
  | {
      readonly in: "batch";
      /** Whole header lines. */
      readonly prefix: Uint8Array;
      /** CRC-32 of the shared cached fields, and of the whole message with its prefix. */
      readonly fieldsCrc: number;
      readonly bodyCrc: number;
    }
  /** In a pack of one entry that was put before the record was appended. */
  | { readonly in: "pack"; readonly pack: PackAdded };

/** A pack object that becomes part of the account. */
export interface PackAdded {
  /** Number of the pack in the account, never reused. */
  readonly number: number;
  /** Name of the object below the account's folder. */
  readonly name: string;
  /** Size of the object in bytes. */
  readonly bytes: number;
  /** Where its cached fields lie, first and behind-last byte. */
  readonly fieldsStart: number;
  readonly fieldsEnd: number;
  readonly entries: readonly PackEntryPlace[];
}

/** Where one content lies in a pack. */
export interface PackEntryPlace {
  readonly message: MessageNumber;
  /** Of the entry with its header. */
  readonly offset: number;
  readonly length: number;
  readonly fieldsOffset: number;
  readonly fieldsLength: number;
}

/** One message in one mailbox. */
export interface AddedMessage {
  readonly uid: number;
  readonly message: MessageNumber;
  readonly bits: number;
  readonly keywords: readonly string[];
  /** Seconds since 1970: when it came into this mailbox. RFC 8514 */
  readonly savedAt: number;
  /** Only when imported: a modseq of its own and its POP3 unique-id. */
  readonly modseq?: ModSeq;
  readonly uidl?: string;
}

export type Change =
  | { readonly kind: "accountCreated" }
  | {
      readonly kind: "mailboxCreated";
      readonly mailbox: MailboxNumber;
      readonly name: string;
      readonly uidValidity: number;
      /** 1 but for imported mailboxes. */
      readonly uidNext: number;
      readonly specialUse: readonly string[];
    }
  | { readonly kind: "mailboxRenamed"; readonly mailbox: MailboxNumber; readonly name: string }
  | { readonly kind: "mailboxDeleted"; readonly mailbox: MailboxNumber }
  | {
      readonly kind: "specialUseChanged";
      readonly mailbox: MailboxNumber;
      readonly specialUse: readonly string[];
    }
  | {
      readonly kind: "subscriptionChanged";
      readonly name: string;
      readonly subscribed: boolean;
    }
  | {
      readonly kind: "contentAdded";
      readonly message: MessageNumber;
      /** RFC822.SIZE */
      readonly size: number;
      /** Length of the cached fields. */
      readonly fieldsLength: number;
      /** Milliseconds since 1970. */
      readonly internalDate: number;
      /** Of the Date field, milliseconds since 1970; NaN where it has none. */
      readonly sentDate: number;
      readonly thread: number;
      /** 52-bit hash of the Message-ID, 0 where it has none. */
      readonly messageIdHash: number;
      readonly place: ContentPlace;
    }
  | {
      readonly kind: "messagesAdded";
      readonly mailbox: MailboxNumber;
      readonly messages: readonly AddedMessage[];
    }
  | {
      /** Rows are copied with their flags, in the order of their uids. */
      readonly kind: "messagesCopied";
      readonly from: MailboxNumber;
      readonly uids: UidRanges;
      readonly to: MailboxNumber;
      readonly firstUid: number;
      readonly savedAt: number;
    }
  | {
      readonly kind: "flagsChanged";
      readonly mailbox: MailboxNumber;
      readonly uids: UidRanges;
      readonly mode: "add" | "remove" | "replace";
      readonly bits: number;
      readonly keywords: readonly string[];
    }
  | { readonly kind: "expunged"; readonly mailbox: MailboxNumber; readonly uids: UidRanges }
  | {
      /** Messages from `firstRecent` on are \Recent to the next session. RFC 3501 §2.3.2 */
      readonly kind: "recentTaken";
      readonly mailbox: MailboxNumber;
      readonly firstRecent: number;
    }
  | {
      /** Flags that only `visitor` sees in a mailbox of this account. */
      readonly kind: "visitorFlagsChanged";
      readonly mailbox: MailboxNumber;
      readonly visitor: string;
      readonly uids: UidRanges;
      readonly mode: "add" | "remove" | "replace";
      readonly bits: number;
    }
  | {
      /** Metadata, access rights, scripts: named values of the account (mailbox 0) or a mailbox. */
      readonly kind: "propertyChanged";
      readonly mailbox: MailboxNumber;
      readonly name: string;
      /** null removes it. */
      readonly value: Uint8Array | null;
    }
  | {
      /** The key of a command and its result, for answering a repetition. */
      readonly kind: "commandDone";
      readonly key: string;
      readonly result: Uint8Array;
    }
  | { readonly kind: "commandKeysDropped"; readonly keys: readonly string[] }
  | {
      /** Contents that lay in the journal or in other packs now lie in this one. */
      readonly kind: "packAdded";
      readonly pack: PackAdded;
    }
  | {
      /** Objects that nothing refers to any more; deleted after the retention time. */
      readonly kind: "objectsDropped";
      readonly names: readonly string[];
    }
  | { readonly kind: "objectsDeleted"; readonly names: readonly string[] }
  | {
      /** The mailbox got a name that another one had with a greater UIDVALIDITY. */
      readonly kind: "uidValidityChanged";
      readonly mailbox: MailboxNumber;
      readonly uidValidity: number;
    };

/** The changes of one command on one account: applied, stored and lost as one. */
export interface Unit {
  /** The account's modseq after this unit; every row that it touches gets it. */
  readonly modseq: ModSeq;
  /** Wall clock, milliseconds since 1970. */
  readonly at: number;
  readonly changes: readonly Change[];
}
