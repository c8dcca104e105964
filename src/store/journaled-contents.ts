import { Refusal, assert } from "#base/assert.ts";
import { noBytes } from "#base/bytes.ts";
import { crc32 } from "#base/crc.ts";
import type { AccountState, JournaledContent } from "./index/account-state.ts";
import type { Journal } from "./journal/journal.ts";

type Piece = "fields" | "body";

/**
 * Reads a content that still lies in the journal (or, not yet durable, in memory).
 * Errors: `Refusal` CORRUPTION when the bytes are not those that were written.
 */
export function readJournaled(
  journal: Journal,
  state: AccountState,
  row: number,
  piece: Piece,
): Uint8Array | Promise<Uint8Array> {
  const content = state.journaled.get(row)!;
  const fieldsLength = state.messages.arrays.fieldsLength[row]!;
  const offset = content.offset + (piece === "fields" ? 0 : fieldsLength);
  const length = piece === "fields" ? fieldsLength : state.messages.arrays.size[row]!;
  const { place, contents, contentsAt } = content.address;
  if (place === undefined) return sliceOf(contents!, offset);
  if (journal.readSync !== undefined) {
    const target = new Uint8Array(length);
    const count = journal.readSync(place, contentsAt + offset, target);
    return checked(content, piece, count === length ? target : null);
  }
  return journal
    .read(place, contentsAt + offset, length)
    .then((bytes) => checked(content, piece, bytes));
}

function checked(content: JournaledContent, piece: Piece, bytes: Uint8Array | null): Uint8Array {
  const expected = piece === "fields" ? content.fieldsCrc : content.bodyCrc;
  if (bytes === null || crc32(bytes) !== expected)
    throw new Refusal("CORRUPTION", "The message cannot be read: its journal record is damaged");
  return bytes;
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
