import type { AccountId, MailboxNumber, MessageNumber } from "#base/brand.ts";
import type { JournalPlace } from "../journal/journal.ts";
import { Columns } from "./columns.ts";
import type { MailboxState } from "./mailbox-state.ts";

/** The contents of an account; rows of mailboxes refer to them by row, so copies share one. */
export const messageColumns = {
  /** Permanent number of the content, 0 for a free row. */
  number: Uint32Array,
  /** How many mailbox rows refer to it. */
  references: Uint32Array,
  /** RFC822.SIZE */
  size: Uint32Array,
  /** Milliseconds since 1970. */
  internalDate: Float64Array,
  /** Milliseconds since 1970 of the Date field, NaN where there is none. */
  sentDate: Float64Array,
  thread: Uint32Array,
  /** 52-bit hash of the Message-ID, 0 for none. */
  messageIdHash: Float64Array,
  /** Number of the pack that holds the content; 0 while it lies in the journal only. */
  pack: Uint32Array,
  /** Of the entry in the pack. */
  offset: Uint32Array,
  length: Uint32Array,
  fieldsOffset: Uint32Array,
  fieldsLength: Uint32Array,
} as const;

/** A content that lies in the journal until it is settled. */
export interface JournaledContent {
  /** The record that it came with. */
  readonly address: RecordAddress;
  /** Of the cached fields in the record's contents; the body follows them. */
  readonly offset: number;
  /**
   * Header lines in front of what lies there: records of several accounts share that, and its
   * cached fields are those of a message that begins behind the prefix. Empty: not shared.
   */
  readonly prefix: Uint8Array;
  /** CRC-32 of the cached fields as they lie there, and of the whole body. */
  readonly fieldsCrc: number;
  readonly bodyCrc: number;
}

/**
 * Where a record lies in the journal. State runs ahead of the journal, so a record that is not yet
 * durable has no place; then its payload is still in memory.
 */
export interface RecordAddress {
  place: JournalPlace | undefined;
  /**
   * Of the contents, from the first byte of the payload: behind the unit itself, or, where they are
   * shared, behind the payloads of the batch. Then it is not known before `place` is.
   */
  contentsAt: number;
  /** The contents in pieces (fields, body, fields, body ...) while `place` is undefined. */
  contents: readonly Uint8Array[] | undefined;
}

/** A pack of the account. */
export interface PackState {
  readonly number: number;
  readonly name: string;
  readonly bytes: number;
  readonly fieldsStart: number;
  readonly fieldsEnd: number;
  /** Bytes of entries and fields that messages still refer to. */
  liveBytes: number;
  liveEntries: number;
}

/**
 * What remains of a deleted mailbox: its number and uidvalidity are never given again. Also of a
 * name that a renamed mailbox gave up.
 */
export interface Tombstone {
  /** 0 where the mailbox lives on under another name. */
  readonly mailbox: MailboxNumber;
  readonly name: string;
  readonly uidValidity: number;
  /** Milliseconds since 1970. */
  readonly deletedAt: number;
}

/**
 * All of an account but the bytes of its messages. Only `apply` changes it.
 */
export class AccountState {
  readonly id: AccountId;
  exists = false;
  /** The one counter of changes; also the highest modseq of all mailboxes. */
  modseq = 0;
  nextMailbox = 1;
  nextMessage = 1;
  nextThread = 1;
  nextPack = 1;
  lastUidValidity = 0;

  readonly mailboxes = new Map<MailboxNumber, MailboxState>();
  readonly mailboxesByName = new Map<string, MailboxState>();
  readonly tombstones: Tombstone[] = [];
  readonly subscriptions = new Set<string>();
  /** `<mailbox number>/<name>` → value */
  readonly properties = new Map<string, Uint8Array>();

  readonly messages = new Columns(messageColumns);
  /** Free rows of `messages`, reused from the end. */
  readonly freeRows: number[] = [];
  /** Row of `messages` → where its content lies in the journal. */
  readonly journaled = new Map<number, JournaledContent>();
  readonly packs = new Map<number, PackState>();
  /** Objects that nothing refers to → when they were dropped, milliseconds since 1970. */
  readonly dropped = new Map<string, number>();
  readonly commandKeys = new Map<string, { result: Uint8Array; at: number }>();

  /** Counters for quota: rows of all mailboxes and their sizes. RFC 9208 §5 */
  rowCount = 0;
  rowBytes = 0;

  /** Counts units applied since this object was made; for noticing changes cheaply. */
  generation = 0;

  constructor(id: AccountId) {
    this.id = id;
  }

  /** Row of a content by its permanent number, or -1. Searches; for rare use. */
  messageRow(number: MessageNumber): number {
    const { number: numbers } = this.messages.arrays;
    for (let row = 0; row < this.messages.count; row++) if (numbers[row] === number) return row;
    return -1;
  }

  /** Approximate memory, in bytes. */
  get memoryBytes(): number {
    let bytes = 4_000 + this.messages.bytes + this.freeRows.length * 8;
    for (const mailbox of this.mailboxes.values()) bytes += mailbox.memoryBytes;
    return bytes + this.journaled.size * 200;
  }
}
