import { Refusal, assert } from "#base/assert.ts";
import { concatBytes, noBytes } from "#base/bytes.ts";
import { crc32 } from "#base/crc.ts";
import { shiftCachedFields } from "#message/index.ts";
import type { AccountState, JournaledContent } from "./index/account-state.ts";
import type { Journal } from "./journal/journal.ts";

type Piece = "fields" | "body";

interface Wanted {
  readonly state: AccountState;
  /** Of the message table. */
  readonly row: number;
  readonly piece: Piece;
}

/**
 * Reads a content that still lies in the journal (or, not yet durable, in memory).
 * Errors: `Refusal` CORRUPTION when the bytes are not those that were written.
 *
 * @param into memory for what is read at once; undefined: memory of its own
 */
export function readJournaled(
  journal: Journal,
  { state, row, piece }: Wanted,
  into?: Uint8Array,
): Uint8Array | Promise<Uint8Array> {
  const content = state.journaled.get(row)!;
  const { prefix } = content;
  const fieldsLength = state.messages.arrays.fieldsLength[row]!;
  const offset = content.offset + (piece === "fields" ? 0 : fieldsLength);
  const length =
    piece === "fields" ? fieldsLength : state.messages.arrays.size[row]! - prefix.length;
  const { place, contents, contentsAt } = content.address;
  if (place === undefined) return whole(content, piece, sliceOf(contents!, offset));
  let stored = place;
  let at = contentsAt + offset;
  if (prefix.length > 0) {
    // Shared bytes are no part of the payload; the length is more than is read at a time.
    const { size } = state.messages.arrays;
    stored = { ...place, offset: place.offset + contentsAt, length: fieldsLength + size[row]! };
    at = offset;
  }
  if (journal.readSync !== undefined) {
    const before = piece === "body" ? prefix : noBytes;
    const bytesMax = before.length + length;
    const bytes = into === undefined ? new Uint8Array(bytesMax) : into.subarray(0, bytesMax);
    bytes.set(before);
    const count = journal.readSync(stored, at, bytes.subarray(before.length));
    const sound = checked(content, piece, count === length ? bytes : null);
    return piece === "fields" ? whole(content, piece, sound) : sound;
  }
  return journal.read(stored, at, length).then((bytes) => {
    if (piece === "fields") return whole(content, piece, checked(content, piece, bytes));
    return checked(content, piece, bytes && whole(content, piece, bytes));
  });
}

/** What the account has, of what lies in the journal: that may be without the account's prefix. */
function whole({ prefix }: JournaledContent, piece: Piece, shared: Uint8Array): Uint8Array {
  if (prefix.length === 0) return shared;
  if (piece === "fields") return shiftCachedFields(shared, prefix.length);
  return concatBytes([prefix, shared]);
}

function checked(content: JournaledContent, piece: Piece, bytes: Uint8Array | null): Uint8Array {
  const expected = piece === "fields" ? content.fieldsCrc : content.bodyCrc;
  if (bytes === null || crc32(bytes) !== expected)
    throw new Refusal("CORRUPTION", "The message cannot be read: its journal record is damaged");
  return bytes;
}

/**
 * The message at hand, in `into` or where it waits to be written; undefined where it would have to
 * be waited for. Errors likewise.
 */
export function lendJournaled(
  journal: Journal,
  { state, row }: { readonly state: AccountState; readonly row: number },
  into: Uint8Array,
): Uint8Array | undefined {
  const isWritten = state.journaled.get(row)!.address.place !== undefined;
  if (isWritten && journal.readSync === undefined) return undefined;
  const body = readJournaled(journal, { state, row, piece: "body" }, into);
  return body instanceof Promise ? undefined : body;
}

/** Reads from contents that are still in memory. */
function sliceOf(contents: readonly Uint8Array[], offset: number): Uint8Array {
  let at = 0;
  for (const piece of contents) {
    if (at === offset) return piece;
    at += piece.length;
  }
  assert(false, "A content starts where a piece starts");
  return noBytes;
}
