import type { Flags } from "./index/change.ts";
import type { UidRanges } from "./index/uid-ranges.ts";
import type { PreparedMessage } from "./ports.ts";

/** A message to add: prepared content with what differs between its places. */
export interface NewMessage {
  readonly prepared: PreparedMessage;
  readonly flags: Flags;
  /** Milliseconds since 1970. */
  readonly internalDate: number;
}

/** Where messages came to lie. RFC 9051 §7.1 APPENDUID, COPYUID */
export interface AddedResult {
  readonly uidValidity: number;
  /** The new uids, ascending; as many as messages. */
  readonly uids: UidRanges;
  /** For copies: the source uids in the same order. */
  readonly sources: UidRanges;
}
