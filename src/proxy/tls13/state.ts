import { ByteReader, ByteWriter, FormatError } from "#base/bytes.ts";
import { limits } from "#base/limits.ts";
import { suiteById } from "./cipher-suites.ts";
import type { CipherSuite } from "./cipher-suites.ts";
import { nonceBytes } from "./traffic-keys.ts";
import type { TrafficKeys } from "./traffic-keys.ts";

const version = 1;
const keyUpdateOwedFlag = 1;
/** A KeyUpdate less its last byte. */
const partialMessageBytesMax = 4;

/** All that a connection is between two records; `record-layer.ts` goes on from it. */
export interface Tls13State {
  /** The client's keys. */
  readonly read: TrafficKeys;
  readonly write: TrafficKeys;
  /** The client asked for a KeyUpdate, and it has not gone out yet. */
  readonly keyUpdateOwed: boolean;
  /** Records in a row that brought no data. */
  readonly emptyRecords: number;
  /** The beginning of a KeyUpdate that came in several records. */
  readonly partialMessage: Uint8Array;
}

/**
 * The state as bytes, 130 to 210 of them. They are the keys of the connection: whoever has them reads
 * and forges it, so they stay in memory and between our own processes.
 *
 * @format tls13-state
 */
export function encodeTls13State(state: Tls13State): Uint8Array {
  const writer = new ByteWriter(224);
  writer
    .u8(version)
    .u16(state.read.suite.id)
    .u8(state.keyUpdateOwed ? keyUpdateOwedFlag : 0)
    .u8(state.emptyRecords)
    .blob(state.partialMessage);
  for (const { sequence, secret, key, iv } of [state.read, state.write])
    writer.varint(sequence).raw(secret).raw(key).raw(iv);
  return Uint8Array.from(writer.view());
}

/** Throws `FormatError` for anything but the bytes of `encodeTls13State`. */
export function decodeTls13State(bytes: Uint8Array): Tls13State {
  const reader = new ByteReader(bytes);
  const found = reader.u8();
  if (found !== version) throw new FormatError(`State of TLS 1.3 in version ${found}`);
  const id = reader.u16();
  const suite = suiteById(id);
  if (suite === undefined) throw new FormatError(`Cipher suite ${id}`);
  const flags = reader.u8();
  if (flags > keyUpdateOwedFlag) throw new FormatError(`Flags ${flags}`);
  const emptyRecords = reader.u8();
  if (emptyRecords > limits.tlsEmptyRecordsMax) throw new FormatError("Too many empty records");
  const partialMessage = Uint8Array.from(reader.blob());
  if (partialMessage.length > partialMessageBytesMax) throw new FormatError("Too long a message");
  const read = readKeys(reader, suite);
  const write = readKeys(reader, suite);
  if (reader.left > 0) throw new FormatError(`${reader.left} bytes after the end`);
  return { read, write, keyUpdateOwed: flags === keyUpdateOwedFlag, emptyRecords, partialMessage };
}

function readKeys(reader: ByteReader, suite: CipherSuite): TrafficKeys {
  const sequence = reader.varint();
  const take = (count: number): Uint8Array => Uint8Array.from(reader.raw(count));
  const [secret, key, iv] = [take(suite.hashBytes), take(suite.keyBytes), take(nonceBytes)];
  return { suite, secret, key, iv, sequence };
}
