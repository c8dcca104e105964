/** What the store asks of its surroundings; `roles` hands it in. */
import type { AccountId } from "#base/brand.ts";
import type { EntryPlace } from "./bodies/pack-entry.ts";
import type { AccountState } from "./index/account-state.ts";
import type { PackAdded } from "./index/change.ts";

/** Limits of an account, from the directory. Undefined: none. RFC 9208 */
export interface Quota {
  /** Sum of message sizes over all mailboxes, in bytes. */
  readonly bytes?: number | undefined;
  /** Messages over all mailboxes. */
  readonly messages?: number | undefined;
}

/** A message that was parsed and encoded once and can be added to any number of accounts. */
export interface PreparedMessage {
  /** The message with CRLF line ends. */
  readonly body: Uint8Array;
  /** Cached fields as `message` encodes them. */
  readonly fields: Uint8Array;
  readonly bodyCrc: number;
  readonly fieldsCrc: number;
  /** `fields` and `body`; accounts that get the same array share it in a batch of the journal. */
  readonly contents: readonly Uint8Array[];
  /** Of the Date field, milliseconds since 1970, NaN where there is none. */
  readonly sentDate: number;
  /** 52-bit hash of the Message-ID, 0 for none. */
  readonly messageIdHash: number;
  /** Hashes of the messages that this one answers, the nearest first. */
  readonly referenceHashes: readonly number[];
}

/** A message that is compared with its checksum already and read piece by piece. */
export interface BodyReader {
  readonly size: number;
  /** The bytes from `start` to before `end`, in pieces of at most `limits.compressBlockBytes`. */
  pieces(start: number, end: number): AsyncIterable<Uint8Array>;
}

/** Reads contents of an account's messages; every byte is checked. */
export interface ContentReader {
  /**
   * Cached fields of a row of the message table. Immediately where the medium is local.
   * Errors: `Refusal` CORRUPTION, UNAVAILABLE.
   */
  fields(state: AccountState, row: number): Uint8Array | Promise<Uint8Array>;
  /** The message itself, with CRLF line ends. Errors likewise. */
  body(state: AccountState, row: number): Uint8Array | Promise<Uint8Array>;
  /**
   * The same of a message that is at hand, in memory that the next call uses again: to be copied or
   * looked at before anything else is asked for. Undefined where that cannot be. Errors likewise.
   */
  lendBody?(state: AccountState, row: number): Uint8Array | undefined;
  /**
   * The message for whoever takes it slowly; undefined where it is small enough for `body`.
   * Errors likewise.
   */
  openBody?(state: AccountState, row: number): Promise<BodyReader> | undefined;
  /** Says which bodies will be asked for soon, so that they can be fetched in parallel. */
  ahead?(state: AccountState, rows: readonly number[]): void;
}

/** A message whose body is too large for the journal. */
export interface LargeBody {
  readonly prepared: PreparedMessage;
  /** Milliseconds since 1970. */
  readonly internalDate: number;
  /** Where it is to go; uid 0. Only for rebuilding an account from its packs. */
  readonly places: readonly EntryPlace[];
}

/** Puts a body that is too large for the journal as a pack of its own. */
export interface LargeBodyWriter {
  /**
   * The pack, with number 0 for itself and its message: the record gives the numbers.
   * Errors: `Refusal` UNAVAILABLE.
   */
  put(account: AccountId, message: LargeBody): Promise<PackAdded>;
}
