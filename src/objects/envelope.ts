import { FormatError, asBuffer, equalBytes, hex } from "#base/bytes.ts";
import { crc32 } from "#base/crc.ts";

/**
 * Kinds of stored things: a number for life. A name that is not used yet is reserved.
 * `docs/formats/envelope.md` says what each one is.
 */
export const envelopeKinds = {
  journalSegment: 1,
  journalBatch: 2,
  journalSeal: 3,
  journalGone: 4,
  journalRollUp: 5,
  journalLost: 6,
  head: 16,
  snapshot: 17,
  delta: 18,
  pack: 19,
  body: 20,
  keys: 21,
  owner: 32,
  storeInfo: 33,
} as const;
export type EnvelopeKind = keyof typeof envelopeKinds;

/** The first bytes of every stored object and batch. */
export interface Envelope {
  readonly kind: EnvelopeKind;
  /** Version of the format of this kind, 1 .. 65,535. */
  readonly version: number;
  /** 16 random bytes, chosen when the store was made. */
  readonly storeId: Uint8Array;
  /** Key that the content is encrypted with; 0 = not encrypted. */
  readonly keyId: number;
}

/** What the reader accepts. */
export interface ExpectedEnvelope {
  readonly storeId: Uint8Array;
  readonly kinds: readonly EnvelopeKind[];
  /** The greatest version that is understood; all from 1 on are. */
  readonly version: number;
}

export const envelopeBytes = 32;
export const storeIdBytes = 16;

/**
 * Why an envelope is refused. `damaged`: not an envelope, or its checksum is wrong. `kind`,
 * `version`: sound, but unknown here. `store`: of another store. `encrypted`: its key is missing.
 */
export type EnvelopeFault = "damaged" | "kind" | "version" | "store" | "encrypted";

export class EnvelopeError extends FormatError {
  readonly fault: EnvelopeFault;
  constructor(fault: EnvelopeFault, text: string) {
    super(text);
    this.fault = fault;
  }
}

const magic = 0x54534f52; // "ROST", little-endian
const checksumAt = envelopeBytes - 4;
const kindNames = new Map<number, EnvelopeKind>(
  Object.entries(envelopeKinds).map(([name, number]) => [number, name as EnvelopeKind]),
);

/**
 * Writes an envelope into `target` at `at`; 32 bytes, little-endian:
 *
 *     0  4  magic, "ROST"
 *     4  2  version of the format
 *     6  2  kind
 *     8 16  store id
 *    24  4  key id
 *    28  4  CRC-32 of bytes 0 .. 27
 *
 * @format envelope
 */
export function writeEnvelope(target: Uint8Array, at: number, envelope: Envelope): void {
  if (envelope.storeId.length !== storeIdBytes)
    throw new RangeError(`A store id has ${storeIdBytes} bytes, not ${envelope.storeId.length}`);
  const out = asBuffer(target);
  out.writeUInt32LE(magic, at);
  out.writeUInt16LE(envelope.version, at + 4);
  out.writeUInt16LE(envelopeKinds[envelope.kind], at + 6);
  out.set(envelope.storeId, at + 8);
  out.writeUInt32LE(envelope.keyId, at + 24);
  out.writeUInt32LE(crc32(out.subarray(at, at + checksumAt)), at + checksumAt);
}

/** A new array with the envelope alone. */
export function encodeEnvelope(envelope: Envelope): Uint8Array {
  const out = new Uint8Array(envelopeBytes);
  writeEnvelope(out, 0, envelope);
  return out;
}

/** True where an envelope may begin: a quick look before `readEnvelope`. */
export function mayBeEnvelope(bytes: Uint8Array, at = 0): boolean {
  return (
    at + envelopeBytes <= bytes.length &&
    bytes[at] === 0x52 &&
    bytes[at + 1] === 0x4f &&
    bytes[at + 2] === 0x53 &&
    bytes[at + 3] === 0x54
  );
}

/**
 * Reads the envelope at the start of `bytes`; the content follows after `envelopeBytes`. Errors:
 * `EnvelopeError` for anything but what is expected.
 */
export function readEnvelope(bytes: Uint8Array, expected: ExpectedEnvelope): Envelope {
  if (!mayBeEnvelope(bytes))
    throw new EnvelopeError("damaged", "Does not begin with the envelope of a stored object");
  const source = asBuffer(bytes);
  if (source.readUInt32LE(checksumAt) !== crc32(source.subarray(0, checksumAt)))
    throw new EnvelopeError("damaged", "Envelope is damaged: its checksum is wrong");
  const kindNumber = source.readUInt16LE(6);
  const kind = kindNames.get(kindNumber);
  if (kind === undefined)
    throw new EnvelopeError("kind", `Unknown kind ${kindNumber}: written by a newer Roost?`);
  const storeId = source.subarray(8, 8 + storeIdBytes);
  if (!equalBytes(storeId, expected.storeId))
    throw new EnvelopeError(
      "store",
      `Belongs to store ${hex(storeId)}, but this is store ${hex(expected.storeId)}`,
    );
  if (!expected.kinds.includes(kind))
    throw new EnvelopeError("kind", `Is a ${kind}, expected ${expected.kinds.join(" or ")}`);
  const version = source.readUInt16LE(4);
  if (version < 1 || version > expected.version)
    throw new EnvelopeError(
      "version",
      `Is a ${kind} of format version ${version}; this Roost understands 1 to ${expected.version}`,
    );
  const keyId = source.readUInt32LE(24);
  if (keyId !== 0)
    throw new EnvelopeError("encrypted", `Is encrypted with key ${keyId}, which is not known here`);
  return { kind, version, storeId, keyId };
}
