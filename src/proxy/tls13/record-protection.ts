import { createCipheriv, createDecipheriv } from "node:crypto";
import { assert } from "#base/assert.ts";
import type { AlertName } from "./alerts.ts";
import { nonceBytes } from "./traffic-keys.ts";
import type { TrafficKeys } from "./traffic-keys.ts";

/** RFC 8446 §B.1 */
export const contentType = {
  changeCipherSpec: 20,
  alert: 21,
  handshake: 22,
  applicationData: 23,
} as const;

export const headerBytes = 5;
export const tagBytes = 16;
/** Content of one record. RFC 8446 §5.1 */
export const plaintextBytesMax = 0x4000;
/** What a record may have after its header, at most. RFC 8446 §5.2 */
export const ciphertextBytesMax = plaintextBytesMax + 256;
/** What a record is longer than its content: header, inner type, tag. */
export const overheadBytes = headerBytes + 1 + tagBytes;

/** Content up to this size is copied, so that it goes with its type through one call. */
const gatheredBytesMax = 4096;

const aead = { authTagLength: tagBytes } as const;
// Used within one call each: node:crypto copies what it needs.
const nonce = Buffer.alloc(nonceBytes);
const gathered = Buffer.alloc(plaintextBytesMax + 1);
const typeBytes = Array.from({ length: 256 }, (_, type) => Buffer.of(type));

/** RFC 8446 §5.3 */
function nonceOf(keys: TrafficKeys): Buffer {
  nonce.set(keys.iv);
  let rest = keys.sequence;
  for (let i = nonceBytes - 1; rest > 0; i--) {
    nonce[i]! ^= rest % 256;
    rest = Math.floor(rest / 256);
  }
  return nonce;
}

/**
 * Writes one record of `type` with the content `pieces`, `length` bytes in all, to `target` from
 * `at`; gives where it ends. Takes the next sequence number. RFC 8446 §5.2
 */
export function seal(
  keys: TrafficKeys,
  type: number,
  content: { readonly pieces: readonly Uint8Array[]; readonly length: number },
  output: { readonly target: Buffer; readonly at: number },
): number {
  const { pieces, length } = content;
  const { target } = output;
  let { at } = output;
  assert(length <= plaintextBytesMax, "The content of a record is at most 2^14 bytes");
  const header = target.subarray(at, at + headerBytes);
  header[0] = contentType.applicationData;
  header[1] = 3;
  header[2] = 3;
  header.writeUInt16BE(length + 1 + tagBytes, 3);
  at += headerBytes;
  const cipher = createCipheriv(keys.suite.aead, keys.key, nonceOf(keys), aead);
  cipher.setAAD(header);
  const first = pieces[0];
  if (first !== undefined && pieces.length === 1 && length > gatheredBytesMax) {
    at += cipher.update(first).copy(target, at);
    at += cipher.update(typeBytes[type]!).copy(target, at);
  } else {
    let end = 0;
    for (const piece of pieces) {
      gathered.set(piece, end);
      end += piece.length;
    }
    gathered[end] = type;
    at += cipher.update(gathered.subarray(0, end + 1)).copy(target, at);
  }
  cipher.final();
  at += cipher.getAuthTag().copy(target, at);
  keys.sequence++;
  return at;
}

export interface Opened {
  /** Of the content, as it was before encryption. */
  readonly type: number;
  /** Without padding; memory of its own. */
  readonly content: Buffer;
}

/**
 * Opens one whole record of outer type application_data, header included. Gives what is wrong with
 * it as the alert to send; the sequence number moves on only where the record is genuine.
 *
 * RFC 8446 §5.2, §5.4
 */
export function open(keys: TrafficKeys, record: Buffer): Opened | AlertName {
  const end = record.length - tagBytes;
  if (end <= headerBytes) return "bad_record_mac";
  const decipher = createDecipheriv(keys.suite.aead, keys.key, nonceOf(keys), aead);
  decipher.setAAD(record.subarray(0, headerBytes));
  decipher.setAuthTag(record.subarray(end));
  const inner = decipher.update(record.subarray(headerBytes, end));
  try {
    decipher.final();
  } catch {
    return "bad_record_mac";
  }
  keys.sequence++;
  if (inner.length > plaintextBytesMax + 1) return "record_overflow";
  let last = inner.length - 1;
  while (last >= 0 && inner[last] === 0) last--;
  if (last < 0) return "unexpected_message";
  return { type: inner[last]!, content: inner.subarray(0, last) };
}
