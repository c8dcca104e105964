import { isAscii } from "node:buffer";
import { Refusal } from "#base/assert.ts";
import { asBuffer, concatBytes, FormatError, noBytes, tryUtf8 } from "#base/bytes.ts";
import { CachedFields, encodeCachedFields, type PartTable, parseMessage } from "#message/index.ts";
import type { Account, BodyReader } from "#store/index.ts";

/** A message as `Account` gives it: whole, or to be read piece by piece. */
export type Body = Uint8Array | BodyReader;

/**
 * Whether a header of the message, or of a part or message in it, has UTF-8 that is not ASCII. Then
 * it is for clients that said UTF8. 8-bit text in bodies is for everybody; octets in headers that
 * are no UTF-8 either are broken mail, which UTF8 would not mend. RFC 6856 §4, RFC 6532 §3
 *
 * Errors: `Refusal` CORRUPTION, UNAVAILABLE.
 *
 * @param row of the account's message table, valid now
 */
export async function needsUtf8(account: Account, row: number, body: Body): Promise<boolean> {
  if (body instanceof Uint8Array && isAscii(body)) return false;
  const parts = await partsOf(account, row, body);
  for (let index = 0; index < parts.count; index++) {
    const { headerStart, bodyStart } = parts.entry(index);
    if (headerStart < bodyStart && hasUtf8(await range(body, headerStart, bodyStart))) return true;
  }
  return false;
}

async function partsOf(account: Account, row: number, body: Body): Promise<PartTable> {
  try {
    return new CachedFields(await account.fields(row)).parts;
  } catch (error) {
    const isDamage = error instanceof Refusal && error.code === "CORRUPTION";
    if (!isDamage && !(error instanceof FormatError)) throw error;
    // The message itself may be sound.
    const whole = await range(body, 0, body instanceof Uint8Array ? body.length : body.size);
    return new CachedFields(encodeCachedFields(parseMessage(whole))).parts;
  }
}

async function range(body: Body, start: number, end: number): Promise<Uint8Array> {
  if (body instanceof Uint8Array) return body.subarray(start, end);
  const pieces: Uint8Array[] = [noBytes];
  for await (const piece of body.pieces(start, end)) pieces.push(piece);
  return concatBytes(pieces);
}

/** Line by line: one that is broken does not speak for the others. */
function hasUtf8(header: Uint8Array): boolean {
  if (isAscii(header)) return false;
  const bytes = asBuffer(header);
  for (let at = 0; at < bytes.length;) {
    const feed = bytes.indexOf(0x0a, at);
    const end = feed < 0 ? bytes.length : feed + 1;
    const line = bytes.subarray(at, end);
    if (!isAscii(line) && tryUtf8(line) !== undefined) return true;
    at = end;
  }
  return false;
}
