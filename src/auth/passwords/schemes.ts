/**
 * The texts that password hashes are stored as: `{SCHEME}data`, in the formats that Dovecot,
 * crypt(3) and LDAP servers use, so that accounts can be brought along with their passwords.
 */
import { utf8 } from "#base/bytes.ts";
import { limits } from "#base/limits.ts";
import { digestLength } from "../sasl/scram-keys.ts";
import type { ScramHash, ScramVerifier } from "../sasl/scram-keys.ts";
import type { SlowWork } from "./derive.ts";
import { shaCryptRoundsDefault, shaCryptRoundsMin } from "./sha-crypt.ts";

export const passwordSchemes = [
  "ARGON2ID",
  "BLF-CRYPT",
  "SHA512-CRYPT",
  "SHA256-CRYPT",
  "SSHA",
  "SSHA256",
  "SSHA512",
  "PBKDF2",
  "PLAIN",
  "SCRAM-SHA-1",
  "SCRAM-SHA-256",
] as const;
export type PasswordScheme = (typeof passwordSchemes)[number];

export type DigestAlgorithm = "sha1" | "sha256" | "sha512";

/** A stored hash, taken apart. */
export type ParsedHash =
  | { readonly kind: "plain"; readonly scheme: "PLAIN"; readonly password: Uint8Array }
  | {
      readonly kind: "digest";
      readonly scheme: PasswordScheme;
      readonly algorithm: DigestAlgorithm;
      readonly digest: Uint8Array;
      readonly salt: Uint8Array;
    }
  | {
      readonly kind: "slow";
      readonly scheme: PasswordScheme;
      readonly work: SlowWork;
      readonly expected: Uint8Array;
    }
  | {
      readonly kind: "scram";
      readonly scheme: "SCRAM-SHA-1" | "SCRAM-SHA-256";
      readonly verifier: ScramVerifier;
    };

/** A stored hash that we cannot use. Its text never holds the hash. */
export class PasswordFormatError extends Error {
  override readonly name = "PasswordFormatError";
}

/**
 * Takes a stored hash apart. Without `{SCHEME}` it is recognised by its start: `$2y$`, `$5$`,
 * `$6$`, `$argon2id$`. Throws `PasswordFormatError` for what is malformed, unknown or would cost
 * more than the limits allow.
 */
export function parseHash(stored: string): ParsedHash {
  const match = /^\{([A-Za-z0-9-]+)(?:\.(b64|base64|hex))?\}/.exec(stored);
  if (match === null) return parseCrypt(stored);
  const scheme = match[1]!.toUpperCase();
  const data = stored.slice(match[0].length);
  switch (scheme) {
    case "ARGON2ID":
    case "ARGON2I":
    case "BLF-CRYPT":
    case "SHA512-CRYPT":
    case "SHA256-CRYPT":
    case "CRYPT":
      return parseCrypt(data);
    case "SSHA":
      return parseDigest("SSHA", "sha1", decode(data, match[2]));
    case "SSHA256":
      return parseDigest("SSHA256", "sha256", decode(data, match[2]));
    case "SSHA512":
      return parseDigest("SSHA512", "sha512", decode(data, match[2]));
    case "PBKDF2":
      return parsePbkdf2(data);
    case "PLAIN":
    case "CLEARTEXT":
      return { kind: "plain", scheme: "PLAIN", password: utf8(data) };
    case "SCRAM-SHA-1":
      return { kind: "scram", scheme, verifier: parseScram("sha1", data) };
    case "SCRAM-SHA-256":
      return { kind: "scram", scheme, verifier: parseScram("sha256", data) };
    default:
      throw new PasswordFormatError(`Unknown password scheme {${scheme}}`);
  }
}

/** Whether this is a hash that a login can be checked against. */
export function isUsableHash(stored: string): boolean {
  try {
    parseHash(stored);
    return true;
  } catch (error) {
    if (error instanceof PasswordFormatError) return false;
    throw error;
  }
}

/** The SCRAM verifier that a stored hash is; undefined for all others, unusable ones included. */
export function scramVerifier(stored: string, hash: ScramHash): ScramVerifier | undefined {
  const prefix = hash === "sha1" ? "{SCRAM-SHA-1}" : "{SCRAM-SHA-256}";
  if (!stored.startsWith(prefix) || !isUsableHash(stored)) return undefined;
  const parsed = parseHash(stored);
  return parsed.kind === "scram" ? parsed.verifier : undefined;
}

/** `{SCRAM-SHA-256}iterations,salt,storedKey,serverKey`, the last three in base64. */
export function formatScram(verifier: ScramVerifier): string {
  const scheme = verifier.hash === "sha1" ? "SCRAM-SHA-1" : "SCRAM-SHA-256";
  const { salt, storedKey, serverKey } = verifier;
  return `{${scheme}}${verifier.iterations},${[salt, storedKey, serverKey].map(base64).join(",")}`;
}

/** `{ARGON2ID}$argon2id$v=19$m=...,t=...,p=...$salt$tag`, base64 without padding. */
export function formatArgon2(work: SlowWork & { kind: "argon2" }, tag: Uint8Array): string {
  const cost = `m=${work.memoryKiB},t=${work.passes},p=${work.lanes}`;
  const [salt, hash] = [work.salt, tag].map((bytes) => base64(bytes).replaceAll("=", ""));
  return `{ARGON2ID}$${work.variant}$v=19$${cost}$${salt}$${hash}`;
}

/** Standard base64 with padding. */
export function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}

function parseCrypt(data: string): ParsedHash {
  if (data.startsWith("$argon2")) return parseArgon2(data);
  if (data.startsWith("$2")) return parseBcrypt(data);
  if (data.startsWith("$5$") || data.startsWith("$6$")) return parseShaCrypt(data);
  throw new PasswordFormatError("Unknown form of password hash");
}

function parseArgon2(data: string): ParsedHash {
  const match =
    /^\$(argon2id?)\$v=19\$m=(\d{1,8}),t=(\d{1,4}),p=(\d{1,3})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/.exec(
      data,
    );
  if (match === null) throw new PasswordFormatError("Malformed argon2 hash");
  const [memoryKiB, passes, lanes] = [match[2], match[3], match[4]].map(Number) as [
    number,
    number,
    number,
  ];
  const salt = Buffer.from(match[5]!, "base64");
  const expected = Buffer.from(match[6]!, "base64");
  // RFC 9106 §3.1
  const valid = memoryKiB >= 8 * lanes && passes >= 1 && lanes >= 1 && salt.length >= 8;
  if (!valid || expected.length < 16 || expected.length > 128)
    throw new PasswordFormatError("Malformed argon2 hash");
  if (
    memoryKiB > limits.argon2MemoryKiBMax ||
    passes > limits.argon2PassesMax ||
    lanes > limits.argon2LanesMax
  )
    throw new PasswordFormatError("This argon2 hash costs too much");
  const variant = match[1] as "argon2i" | "argon2id";
  const work = { kind: "argon2", variant, salt, memoryKiB, passes, lanes } as const;
  return {
    kind: "slow",
    scheme: "ARGON2ID",
    work: { ...work, length: expected.length },
    expected,
  };
}

function parseBcrypt(data: string): ParsedHash {
  const match = /^(\$2[aby]\$(\d\d)\$[A-Za-z0-9./]{22})[A-Za-z0-9./]{31}$/.exec(data);
  if (match === null || Number(match[2]) < 4)
    throw new PasswordFormatError("Malformed bcrypt hash");
  if (Number(match[2]) > limits.bcryptCostMax)
    throw new PasswordFormatError("This bcrypt hash costs too much");
  const work = { kind: "bcrypt", setting: match[1]! } as const;
  return { kind: "slow", scheme: "BLF-CRYPT", work, expected: utf8(data.slice(29)) };
}

function parseShaCrypt(data: string): ParsedHash {
  const match = /^\$([56])\$(?:rounds=(\d{1,9})\$)?([^$:\n]*)\$([A-Za-z0-9./]+)$/.exec(data);
  const algorithm = match?.[1] === "6" ? "sha512" : "sha256";
  if (match === null || match[4]!.length !== (algorithm === "sha512" ? 86 : 43))
    throw new PasswordFormatError("Malformed sha-crypt hash");
  const rounds = Math.max(Number(match[2] ?? shaCryptRoundsDefault), shaCryptRoundsMin);
  if (rounds > limits.shaCryptRoundsMax)
    throw new PasswordFormatError("This sha-crypt hash costs too much");
  const work = { kind: "sha-crypt", algorithm, salt: utf8(match[3]!), rounds } as const;
  const scheme = algorithm === "sha512" ? "SHA512-CRYPT" : "SHA256-CRYPT";
  return { kind: "slow", scheme, work, expected: utf8(match[4]!) };
}

/** `$1$salt$rounds$hex`: PBKDF2 with HMAC-SHA-1 over the salt's characters. */
function parsePbkdf2(data: string): ParsedHash {
  const match = /^\$1\$([^$]*)\$(\d{1,9})\$([0-9a-fA-F]{40})$/.exec(data);
  if (match === null) throw new PasswordFormatError("Malformed {PBKDF2} hash");
  const rounds = Number(match[2]);
  if (rounds < 1) throw new PasswordFormatError("Malformed {PBKDF2} hash");
  if (rounds > limits.pbkdf2RoundsMax)
    throw new PasswordFormatError("This {PBKDF2} hash costs too much");
  const expected = Buffer.from(match[3]!, "hex");
  const salt = utf8(match[1]!);
  const work = { kind: "pbkdf2", algorithm: "sha1", salt, rounds, length: 20 } as const;
  return { kind: "slow", scheme: "PBKDF2", work, expected };
}

function parseScram(hash: ScramHash, data: string): ScramVerifier {
  const match = /^(\d{1,9}),([A-Za-z0-9+/=]+),([A-Za-z0-9+/=]+),([A-Za-z0-9+/=]+)$/.exec(data);
  if (match === null) throw new PasswordFormatError("Malformed SCRAM verifier");
  const [salt, storedKey, serverKey] = match.slice(2).map((text) => Buffer.from(text, "base64"));
  const iterations = Number(match[1]);
  const length = digestLength(hash);
  if (storedKey!.length !== length || serverKey!.length !== length || iterations < 1)
    throw new PasswordFormatError("Malformed SCRAM verifier");
  if (iterations > limits.pbkdf2RoundsMax)
    throw new PasswordFormatError("This SCRAM verifier costs too much");
  return { hash, salt: salt!, iterations, storedKey: storedKey!, serverKey: serverKey! };
}

/** Digest, then salt, of any length. */
function parseDigest(
  scheme: PasswordScheme,
  algorithm: DigestAlgorithm,
  bytes: Uint8Array,
): ParsedHash {
  const length = { sha1: 20, sha256: 32, sha512: 64 }[algorithm];
  if (bytes.length < length) throw new PasswordFormatError(`Malformed {${scheme}} hash`);
  const digest = bytes.subarray(0, length);
  return { kind: "digest", scheme, algorithm, digest, salt: bytes.subarray(length) };
}

function decode(data: string, encoding: string | undefined): Uint8Array {
  const isHex = encoding === "hex";
  const valid = isHex ? /^(?:[0-9a-fA-F]{2})+$/.test(data) : /^[A-Za-z0-9+/]+={0,2}$/.test(data);
  if (!valid) throw new PasswordFormatError("Malformed password digest");
  return isHex ? Buffer.from(data, "hex") : Buffer.from(data, "base64");
}
