import type { Clock } from "#base/clock.ts";
import { crc32 } from "#base/crc.ts";
import type { ContentPlace, Flags } from "./index/change.ts";
import type { UidRanges } from "./index/uid-ranges.ts";
import type { PreparedMessage } from "./ports.ts";
import { prefixedMessage } from "./prepare.ts";

/** A message to add: prepared content with what differs between its places. */
export interface NewMessage {
  readonly prepared: PreparedMessage;
  /**
   * Whole header fields to stand in front of `prepared`, for this account alone; they are in no
   * ENVELOPE and the message begins with a field. Accounts whose messages differ in this only have
   * them in a batch of the journal once.
   */
  readonly prefix?: Uint8Array;
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

/** RFC822.SIZE */
export function sizeOf({ prepared, prefix }: NewMessage): number {
  return prepared.body.length + (prefix?.length ?? 0);
}

/** The same with their prefixes in them. */
export function wholeMessages(
  messages: readonly NewMessage[],
  clock: Clock,
): Promise<NewMessage[]> {
  return Promise.all(
    messages.map(async (message) => {
      const { prepared, prefix, flags, internalDate } = message;
      if (prefix === undefined) return message;
      return { prepared: await prefixedMessage(prepared, prefix, clock), flags, internalDate };
    }),
  );
}

/** Where a content lies that goes into the journal with its record. */
export function journaledPlace({ prepared, prefix }: NewMessage, offset: number): ContentPlace {
  const { body, bodyCrc, fieldsCrc } = prepared;
  if (prefix === undefined) return { in: "record", offset, fieldsCrc, bodyCrc };
  return { in: "batch", prefix, fieldsCrc, bodyCrc: crc32(body, crc32(prefix)) };
}
