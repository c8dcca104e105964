import { createHash, timingSafeEqual } from "node:crypto";
import { asBuffer, concatBytes, fromUtf8, utf8 } from "#base/bytes.ts";
import { Refusal } from "#base/assert.ts";
import { limits } from "#base/limits.ts";
import { randomName } from "#base/random.ts";
import type { Random } from "#base/random.ts";
import { saslprep } from "../saslprep.ts";
import { digestLength, scramKeys } from "../sasl/scram-keys.ts";
import type { ScramHash, ScramVerifier } from "../sasl/scram-keys.ts";
import type { SlowHash, SlowWork } from "./derive.ts";
import { shaCryptRoundsDefault } from "./sha-crypt.ts";
import { base64, formatArgon2, formatScram, parseHash } from "./schemes.ts";
import type { DigestAlgorithm, ParsedHash, PasswordScheme } from "./schemes.ts";

/** What new passwords are stored as. */
export const defaultScheme: PasswordScheme = "ARGON2ID";
/** Iterations of new SCRAM verifiers. RFC 7677 §4 asks for 4,096 at least. */
export const scramIterations = 10_000;
/** Bytes of the salt of new SCRAM verifiers, and of decoys. */
export const scramSaltBytes = 16;

const argon2Cost = { memoryKiB: 19_456, passes: 2, lanes: 1 } as const;
const argon2TagBytes = 32;
const bcryptCost = 12;
const pbkdf2Rounds = 50_000;
const saltBytes = 16;

/** Salt and iterations that a new SCRAM verifier is to share with others. */
export interface ScramSalt {
  readonly salt: Uint8Array;
  readonly iterations: number;
}

export interface PasswordsOptions {
  readonly random: Random;
  readonly slow: SlowHash;
}

/** Makes and checks stored passwords. Cheap schemes are done at once, slow ones by `slow`. */
export class Passwords {
  readonly #random: Random;
  readonly #slow: SlowHash;

  constructor(options: PasswordsOptions) {
    this.#random = options.random;
    this.#slow = options.slow;
  }

  /**
   * A password as it is stored, in `{SCHEME}` form, prepared by SASLprep. Refuses with CANNOT what
   * is empty, too long or holds control characters; with UNAVAILABLE when too much waits.
   */
  async hash(password: string, scheme: PasswordScheme = defaultScheme): Promise<string> {
    const prepared = preparePassword(password);
    switch (scheme) {
      case "ARGON2ID": {
        const work = newArgon2(this.#random);
        return formatArgon2(work, await this.#slow.derive(work, prepared));
      }
      case "BLF-CRYPT": {
        const setting = `$2y$${bcryptCost}$${bcryptBase64(this.#random.bytes(16))}`;
        const hash = await this.#slow.derive({ kind: "bcrypt", setting }, prepared);
        return `{BLF-CRYPT}${setting}${fromUtf8(hash)}`;
      }
      case "SHA512-CRYPT":
        return this.#shaCrypt("sha512", prepared);
      case "SHA256-CRYPT":
        return this.#shaCrypt("sha256", prepared);
      case "SSHA":
        return this.#saltedDigest("SSHA", "sha1", prepared);
      case "SSHA256":
        return this.#saltedDigest("SSHA256", "sha256", prepared);
      case "SSHA512":
        return this.#saltedDigest("SSHA512", "sha512", prepared);
      case "PBKDF2":
        return this.#pbkdf2(prepared);
      case "PLAIN":
        return `{PLAIN}${fromUtf8(prepared)}`;
      case "SCRAM-SHA-1":
        return this.#scram("sha1", prepared, this.newScramSalt());
      case "SCRAM-SHA-256":
        return this.#scram("sha256", prepared, this.newScramSalt());
    }
  }

  /**
   * All forms of a password that its account should store, so that every mechanism can serve it:
   * the default scheme first, then a SCRAM verifier per hash function. Verifiers of one account
   * share salt and iterations; then any of its passwords can prove itself.
   */
  async hashes(password: string, scram: ScramSalt = this.newScramSalt()): Promise<string[]> {
    const prepared = preparePassword(password);
    return Promise.all([
      this.hash(password),
      this.#scram("sha256", prepared, scram),
      this.#scram("sha1", prepared, scram),
    ]);
  }

  /**
   * The same for a password that we made ourselves out of enough chance (`newAppPassword`): such
   * a one cannot be guessed, and needs no slow hash.
   */
  async strongHashes(password: string, scram: ScramSalt = this.newScramSalt()): Promise<string[]> {
    const prepared = preparePassword(password);
    return Promise.all([
      this.hash(password, "SSHA512"),
      this.#scram("sha256", prepared, scram),
      this.#scram("sha1", prepared, scram),
    ]);
  }

  /** A password of 100 random bits, in groups of four characters. */
  newAppPassword(): string {
    return randomName(this.#random, 20).replaceAll(/.{4}(?!$)/g, "$&-");
  }

  newScramSalt(): ScramSalt {
    return { salt: this.#random.bytes(scramSaltBytes), iterations: scramIterations };
  }

  /** A hash of the default scheme and cost that no password fits. */
  decoy(): string {
    return formatArgon2(newArgon2(this.#random), this.#random.bytes(argon2TagBytes));
  }

  /**
   * Whether `password` is the stored one, as it was sent or as SASLprep writes it. Throws
   * `PasswordFormatError` for a hash we cannot use, `Refusal` UNAVAILABLE when too much waits.
   */
  async verify(password: string, stored: string): Promise<boolean> {
    const parsed = parseHash(stored);
    const sent = utf8(password);
    // An empty password fits nothing, not even a column that was left empty. A NUL ends the
    // password in crypt(3) and would make two passwords equal.
    if (sent.length === 0 || sent.length > limits.passwordBytesMax || sent.includes(0))
      return false;
    if (await this.#matches(parsed, sent)) return true;
    const prepared = saslprep(password);
    if (prepared === undefined || prepared === password) return false;
    return this.#matches(parsed, utf8(prepared));
  }

  async #matches(parsed: ParsedHash, password: Uint8Array): Promise<boolean> {
    switch (parsed.kind) {
      case "plain":
        return equalSecrets(sha256(password), sha256(parsed.password));
      case "digest":
        return equalSecrets(digest(parsed.algorithm, password, parsed.salt), parsed.digest);
      case "slow":
        return equalSecrets(await this.#slow.derive(parsed.work, password), parsed.expected);
      case "scram": {
        const { verifier } = parsed;
        const keys = await this.#scramKeys(verifier.hash, password, verifier);
        return equalSecrets(keys.storedKey, verifier.storedKey);
      }
    }
  }

  async #shaCrypt(algorithm: "sha256" | "sha512", password: Uint8Array): Promise<string> {
    const salt = randomName(this.#random, saltBytes);
    const rounds = shaCryptRoundsDefault;
    const work: SlowWork = { kind: "sha-crypt", algorithm, salt: utf8(salt), rounds };
    const [scheme, id] = algorithm === "sha512" ? ["SHA512-CRYPT", 6] : ["SHA256-CRYPT", 5];
    return `{${scheme}}$${id}$${salt}$${fromUtf8(await this.#slow.derive(work, password))}`;
  }

  async #pbkdf2(password: Uint8Array): Promise<string> {
    const salt = randomName(this.#random, saltBytes);
    const derived = await this.#slow.derive(
      {
        kind: "pbkdf2",
        algorithm: "sha1",
        salt: utf8(salt),
        rounds: pbkdf2Rounds,
        length: 20,
      },
      password,
    );
    return `{PBKDF2}$1$${salt}$${pbkdf2Rounds}$${asBuffer(derived).toString("hex")}`;
  }

  #saltedDigest(scheme: string, algorithm: DigestAlgorithm, password: Uint8Array): string {
    const salt = this.#random.bytes(saltBytes);
    return `{${scheme}}${base64(concatBytes([digest(algorithm, password, salt), salt]))}`;
  }

  async #scram(hash: ScramHash, password: Uint8Array, scram: ScramSalt): Promise<string> {
    const keys = await this.#scramKeys(hash, password, scram);
    const verifier: ScramVerifier = { hash, ...scram, ...keys };
    return formatScram(verifier);
  }

  async #scramKeys(
    hash: ScramHash,
    password: Uint8Array,
    { salt, iterations }: ScramSalt,
  ): Promise<{ readonly storedKey: Uint8Array; readonly serverKey: Uint8Array }> {
    const salted = await this.#slow.derive(
      { kind: "pbkdf2", algorithm: hash, salt, rounds: iterations, length: digestLength(hash) },
      password,
    );
    return scramKeys(hash, salted);
  }
}

/** The bytes of a password that is about to be stored; refuses with CANNOT. RFC 4013 */
function preparePassword(password: string): Uint8Array {
  const prepared = saslprep(password);
  if (prepared === undefined)
    throw new Refusal("CANNOT", "The password holds characters that passwords cannot hold");
  if (prepared === "") throw new Refusal("CANNOT", "The password is empty");
  const bytes = utf8(prepared);
  if (bytes.length > limits.passwordBytesMax)
    throw new Refusal("CANNOT", `The password is longer than ${limits.passwordBytesMax} bytes`);
  return bytes;
}

function newArgon2(random: Random): SlowWork & { kind: "argon2" } {
  const salt = random.bytes(saltBytes);
  return { kind: "argon2", variant: "argon2id", salt, length: argon2TagBytes, ...argon2Cost };
}

function digest(algorithm: DigestAlgorithm, password: Uint8Array, salt: Uint8Array): Uint8Array {
  return createHash(algorithm).update(password).update(salt).digest();
}

function sha256(bytes: Uint8Array): Uint8Array {
  return createHash("sha256").update(bytes).digest();
}

/** Compares in a time that does not depend on where two secrets of one length differ. */
function equalSecrets(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

const standardAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const bcryptAlphabet = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/** bcrypt's base64: the usual order of bits, another alphabet, no padding. */
function bcryptBase64(bytes: Uint8Array): string {
  return base64(bytes)
    .replaceAll("=", "")
    .replaceAll(/./g, (character) => bcryptAlphabet[standardAlphabet.indexOf(character)]!);
}
