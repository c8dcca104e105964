import { hash } from "node:crypto";
import { asBuffer, concatBytes } from "#base/bytes.ts";
import type { Clock } from "#base/clock.ts";
import { crc32 } from "#base/crc.ts";
import { limits } from "#base/limits.ts";
import {
  CachedFields,
  encodeCachedFields,
  LineEndNormaliser,
  MessageParser,
  normaliseLineEnds,
  type ParsedMessage,
  parseMessage,
  shiftCachedFields,
} from "#message/index.ts";
import type { PreparedMessage } from "./ports.ts";
import { Slices } from "./slices.ts";

/**
 * Parses and encodes a message once, for any number of accounts.
 *
 * @param message all of it; `body` of the result is a view of it where it has CRLF line ends
 *   already, so it must not be changed afterwards.
 * @param options `binary`: keep the line ends as they are. RFC 3030 §3
 */
export function prepareMessage(
  message: Uint8Array,
  options: { binary?: boolean } = {},
): PreparedMessage {
  const body = options.binary === true ? message : normaliseLineEnds(message);
  return preparedOf(parseMessage(body), { body, bodyCrc: crc32(body) });
}

/**
 * The same, but a large message is done in slices, so that nobody else waits for it: immediately
 * for one of up to `limits.preparedAtOnceBytesMax`.
 */
export function prepareInSlices(
  message: Uint8Array,
  options: { readonly binary?: boolean; readonly clock: Clock },
): PreparedMessage | Promise<PreparedMessage> {
  if (message.length <= limits.preparedAtOnceBytesMax) return prepareMessage(message, options);
  return prepareLarge(message, options);
}

async function prepareLarge(
  message: Uint8Array,
  { binary, clock }: { readonly binary?: boolean; readonly clock: Clock },
): Promise<PreparedMessage> {
  const slices = new Slices(clock);
  const normaliser = new LineEndNormaliser();
  const parser = new MessageParser();
  const pieces: Uint8Array[] = [];
  let bodyCrc = 0;
  for (let at = 0; at < message.length; at += limits.preparedStepBytes) {
    const chunk = message.subarray(at, at + limits.preparedStepBytes);
    const piece = binary === true ? chunk : normaliser.push(chunk);
    pieces.push(piece);
    parser.push(piece);
    bodyCrc = crc32(piece, bodyCrc);
    await slices.rest();
  }
  const body = normaliser.added === 0 ? message : concatBytes(pieces);
  return preparedOf(parser.end(), { body, bodyCrc });
}

function preparedOf(
  parsed: ParsedMessage,
  { body, bodyCrc }: { readonly body: Uint8Array; readonly bodyCrc: number },
): PreparedMessage {
  const fields = encodeCachedFields(parsed);
  const cached = new CachedFields(fields);
  return {
    body,
    fields,
    bodyCrc,
    fieldsCrc: crc32(fields),
    contents: [fields, body],
    sentDate: cached.sentInstantMs ?? Number.NaN,
    messageIdHash: messageIdHash(cached.messageId),
    referenceHashes: referenceHashesOf(cached),
  };
}

/**
 * The same message behind further header fields, for an account that does not share it; a large one
 * is done in slices.
 *
 * @param prefix whole fields that are in no ENVELOPE, such as Return-Path
 */
export async function prefixedMessage(
  prepared: PreparedMessage,
  prefix: Uint8Array,
  clock: Clock,
): Promise<PreparedMessage> {
  const body = concatBytes([prefix, prepared.body]);
  const fields = shiftCachedFields(prepared.fields, prefix.length);
  const slices = new Slices(clock);
  let bodyCrc = 0;
  for (let at = 0; at < body.length; at += limits.preparedStepBytes) {
    bodyCrc = crc32(body.subarray(at, at + limits.preparedStepBytes), bodyCrc);
    await slices.rest();
  }
  return { ...prepared, body, bodyCrc, fields, fieldsCrc: crc32(fields), contents: [fields, body] };
}

/** 52 bits of the SHA-1 of a normalised Message-ID; 0 for none. */
export function messageIdHash(messageId: string): number {
  if (messageId === "") return 0;
  const digest = asBuffer(hash("sha1", asBuffer(Buffer.from(messageId, "latin1")), "buffer"));
  const value = (digest.readUInt32LE(0) % 0x10_0000) * 0x1_0000_0000 + digest.readUInt32LE(4);
  return value === 0 ? 1 : value;
}

/** The nearest ancestor first: References from the end, then In-Reply-To. RFC 5322 §3.6.4 */
function referenceHashesOf(cached: CachedFields): number[] {
  const { references, inReplyTo } = cached;
  const hashes: number[] = [];
  for (let i = references.length - 1; i >= 0; i--) {
    if (hashes.length === limits.threadReferencesMax) break;
    hashes.push(messageIdHash(references[i]!));
  }
  for (const id of inReplyTo.slice(0, limits.threadReferencesMax)) {
    const value = messageIdHash(id);
    if (!hashes.includes(value)) hashes.push(value);
  }
  return hashes;
}
