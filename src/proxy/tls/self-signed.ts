/**
 * A certificate that signs itself, written by hand: a library for it takes a tenth of a second and
 * 25 MB of memory, for six hundred bytes that are needed once in a lifetime.
 */
import { generateKeyPairSync, sign } from "node:crypto";
import { concatBytes, fromLatin1 } from "#base/bytes.ts";
import type { Random } from "#base/random.ts";

const day = 24 * 3600 * 1000;
const validDays = 3650;

export interface SelfSignedOptions {
  /** DNS names; the first one is the common name. */
  readonly names: readonly string[];
  /** Milliseconds since 1970. */
  readonly now: number;
  /** For the serial number; the key is OpenSSL's. */
  readonly random: Random;
}

/** PEM of an ECDSA P-256 certificate for `names` and the loopback addresses, for ten years. */
export function makeSelfSigned(options: SelfSignedOptions): { key: string; certificate: string } {
  const { now, random } = options;
  const named = [...new Set(options.names.filter(isDnsName))];
  const names = named.length === 0 ? ["localhost"] : named;
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const algorithm = sequence(objectIds.ecdsaWithSha256);
  // RFC 5280 §4.1
  const body = sequence(
    element(0xa0, integer(Uint8Array.of(2))), // version 3
    integer(serialNumber(random)),
    algorithm,
    commonName(names[0]!),
    sequence(time(now - day), time(now + validDays * day)),
    commonName(names[0]!),
    publicKey.export({ type: "spki", format: "der" }),
    element(0xa3, extensions(names)),
  );
  const signature = sign("sha256", body, privateKey);
  const der = sequence(body, algorithm, bitString(signature));
  const lines = Buffer.from(der)
    .toString("base64")
    .replace(/.{1,64}/g, "$&\n");
  return {
    key: privateKey.export({ type: "pkcs8", format: "pem" }),
    certificate: `-----BEGIN CERTIFICATE-----\n${lines}-----END CERTIFICATE-----\n`,
  };
}

/** What a host calls itself may be anything; an IA5String of at most 64 (RFC 5280 ub-common-name)
 * can hold this. */
function isDnsName(name: string): boolean {
  return /^[\w.-]{1,64}$/.test(name);
}

// DER: ITU-T X.690 §8 and §10

/** Object identifiers as they stand in DER, tag and length included. */
const objectIds = {
  ecdsaWithSha256: objectId(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02), // RFC 5758 §3.2
  commonName: objectId(0x55, 0x04, 0x03),
  keyUsage: objectId(0x55, 0x1d, 0x0f),
  subjectAltName: objectId(0x55, 0x1d, 0x11),
  basicConstraints: objectId(0x55, 0x1d, 0x13),
  extendedKeyUsage: objectId(0x55, 0x1d, 0x25),
  serverAuth: objectId(0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01),
};

const yes = element(0x01, Uint8Array.of(0xff));

/** RFC 5280 §4.2.1 */
function extensions(names: readonly string[]): Uint8Array {
  const loopback = [
    Uint8Array.of(127, 0, 0, 1),
    Uint8Array.from({ length: 16 }, (_, i) => +(i === 15)),
  ];
  const alternatives = [
    ...names.map((name) => element(0x82, fromLatin1(name))),
    ...loopback.map((address) => element(0x87, address)),
  ];
  const digitalSignature = element(0x03, Uint8Array.of(7, 0x80));
  const extension = (id: Uint8Array, value: Uint8Array, critical: boolean): Uint8Array =>
    sequence(id, ...(critical ? [yes] : []), element(0x04, value));
  return sequence(
    extension(objectIds.basicConstraints, sequence(), true), // not an authority
    extension(objectIds.keyUsage, digitalSignature, true),
    extension(objectIds.extendedKeyUsage, sequence(objectIds.serverAuth), false),
    extension(objectIds.subjectAltName, sequence(...alternatives), false),
  );
}

/** Positive, not zero, of 16 bytes: the first one is 64 to 127. RFC 5280 §4.1.2.2 */
function serialNumber(random: Random): Uint8Array {
  const bytes = random.bytes(16);
  bytes[0] = (bytes[0]! & 0x3f) | 0x40;
  return bytes;
}

function commonName(name: string): Uint8Array {
  const attribute = sequence(objectIds.commonName, element(0x0c, fromLatin1(name)));
  return sequence(element(0x31, attribute));
}

/** UTCTime up to 2049, GeneralizedTime from 2050 on. RFC 5280 §4.1.2.5 */
function time(ms: number): Uint8Array {
  const text = new Date(ms).toISOString().replaceAll(/[-:T]|\.\d+/g, "");
  return text < "2050" ? element(0x17, fromLatin1(text.slice(2))) : element(0x18, fromLatin1(text));
}

function objectId(...bytes: readonly number[]): Uint8Array {
  return element(0x06, Uint8Array.from(bytes));
}

/** `bytes` have their highest bit clear, and no zeros before that are not needed. */
function integer(bytes: Uint8Array): Uint8Array {
  return element(0x02, bytes);
}

function bitString(bytes: Uint8Array): Uint8Array {
  return element(0x03, concatBytes([Uint8Array.of(0), bytes]));
}

function sequence(...parts: readonly Uint8Array[]): Uint8Array {
  return element(0x30, concatBytes(parts));
}

function element(tag: number, content: Uint8Array): Uint8Array {
  const { length } = content;
  const size =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return concatBytes([Uint8Array.of(tag, ...size), content]);
}
