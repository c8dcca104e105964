import { createHash } from "node:crypto";
import { concatBytes, noBytes } from "#base/bytes.ts";

/** "$5$" and "$6$" of crypt(3). */
export type ShaCryptAlgorithm = "sha256" | "sha512";

export interface ShaCryptParameters {
  readonly algorithm: ShaCryptAlgorithm;
  readonly password: Uint8Array;
  /** 0 to 16 bytes; what is longer is cut. */
  readonly salt: Uint8Array;
  /** 1,000 to 999,999,999. */
  readonly rounds: number;
}

/** Rounds where the stored form names none. */
export const shaCryptRoundsDefault = 5_000;
export const shaCryptRoundsMin = 1_000;
const saltBytesMax = 16;

/**
 * The final digest of "Unix crypt using SHA-256 and SHA-512", specification 0.6, which also
 * numbers the steps below. Slow on purpose: 10 ms and more.
 */
export function shaCryptDigest(parameters: ShaCryptParameters): Uint8Array {
  const { algorithm, password, rounds } = parameters;
  const salt = parameters.salt.subarray(0, saltBytesMax);
  const digest = (...parts: readonly Uint8Array[]): Buffer => {
    const hash = createHash(algorithm);
    for (const part of parts) hash.update(part);
    return hash.digest();
  };

  // Steps 4 to 8: digest B.
  const b = digest(password, salt, password);
  // Steps 1 to 3 and 9 to 12: digest A.
  const a = createHash(algorithm)
    .update(password)
    .update(salt)
    .update(repeated(b, password.length));
  for (let bits = password.length; bits > 0; bits >>>= 1) a.update(bits & 1 ? b : password);
  let last: Uint8Array = a.digest();
  // Steps 13 to 16: the password as often as it has bytes, folded to its own length.
  const p = repeated(digest(...times(password, password.length)), password.length);
  // Steps 17 to 20: the same for the salt, 16 + A[0] times.
  const s = repeated(digest(...times(salt, 16 + last[0]!)), salt.length);
  // Step 21.
  for (let round = 0; round < rounds; round++) {
    const odd = (round & 1) === 1;
    last = digest(
      odd ? p : last,
      round % 3 === 0 ? noBytes : s,
      round % 7 === 0 ? noBytes : p,
      odd ? last : p,
    );
  }
  return last;
}

/** The text of a digest: step 22, with its own alphabet and order of bytes. */
export function shaCryptText(algorithm: ShaCryptAlgorithm, digest: Uint8Array): string {
  const third = algorithm === "sha512" ? 21 : 10;
  let text = "";
  let [x, y, z] = [0, third, 2 * third];
  for (let i = 0; i < third; i++) {
    text += sixBits((digest[x]! << 16) | (digest[y]! << 8) | digest[z]!, 4);
    // The three positions change places from group to group, which way depends on the digest.
    [x, y, z] = algorithm === "sha512" ? [y + 1, z + 1, x + 1] : [z + 1, x + 1, y + 1];
  }
  return algorithm === "sha512"
    ? text + sixBits(digest[63]!, 2)
    : text + sixBits((digest[31]! << 8) | digest[30]!, 3);
}

/** `$6$rounds=10000$salt$digest`; the rounds only where they are not the default. */
export function shaCryptHash(parameters: ShaCryptParameters): string {
  const { algorithm, rounds } = parameters;
  const id = algorithm === "sha512" ? "6" : "5";
  const salt = Buffer.from(parameters.salt.subarray(0, saltBytesMax)).toString("latin1");
  const middle = rounds === shaCryptRoundsDefault ? "" : `rounds=${rounds}$`;
  return `$${id}$${middle}${salt}$${shaCryptText(algorithm, shaCryptDigest(parameters))}`;
}

const alphabet = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

function sixBits(value: number, characters: number): string {
  let text = "";
  for (let i = 0; i < characters; i++) text += alphabet[(value >>> (6 * i)) & 63]!;
  return text;
}

/** `bytes` again and again up to `length` bytes. */
function repeated(bytes: Uint8Array, length: number): Uint8Array {
  const out = new Uint8Array(length);
  for (let at = 0; at < length; at += bytes.length)
    out.set(bytes.subarray(0, Math.min(bytes.length, length - at)), at);
  return out;
}

function times(bytes: Uint8Array, count: number): readonly Uint8Array[] {
  return [concatBytes(Array.from({ length: count }, () => bytes))];
}
