import { createHmac } from "node:crypto";
import { Refusal, errorText } from "#base/assert.ts";
import { utf8 } from "#base/bytes.ts";
import { sleep } from "#base/clock.ts";
import type { Clock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import type { Log } from "#base/log.ts";
import type { Random } from "#base/random.ts";
import { BoundedMap } from "./bounded-map.ts";
import type { Directory, Login } from "./directory.ts";
import type { Identity, Peer } from "./identity.ts";
import { normalName } from "./names.ts";
import { defaultScheme, scramIterations, scramSaltBytes } from "./passwords/passwords.ts";
import type { Passwords } from "./passwords/passwords.ts";
import { PasswordFormatError, scramVerifier } from "./passwords/schemes.ts";
import type { CredentialCheck, ScramChallenge, ScramProof, ScramSuccess } from "./sasl/exchange.ts";
import { provesScram, serverSignature } from "./sasl/scram-keys.ts";
import type { ScramHash, ScramVerifier } from "./sasl/scram-keys.ts";
import type { LoginThrottle } from "./throttle.ts";

export interface AuthenticatorOptions {
  readonly directory: Directory;
  readonly passwords: Passwords;
  readonly throttle: LoginThrottle;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Stores passwords anew, in all forms, when a login shows one that is kept in an old form. */
  readonly rehash?: boolean;
  /** Default `limits.loginRefusalMsMin`. */
  readonly refusalMsMin?: number;
}

/** Why a login was refused: for the log only. */
type Failure = "unknown name" | "wrong password" | "disabled account";

/** The one answer to every login that fails. */
export function loginRefusal(): Refusal {
  return new Refusal("AUTHENTICATIONFAILED", "Invalid user name or password");
}

/**
 * Judges passwords and SCRAM proofs. What a stranger can see of a refusal (words, order of waits,
 * kind of work) is the same for unknown names, wrong passwords and disabled accounts, and no
 * refusal is answered sooner than `refusalMsMin`, which hides how long the work took.
 */
export class Authenticator implements CredentialCheck {
  readonly #directory: Directory;
  readonly #passwords: Passwords;
  readonly #throttle: LoginThrottle;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #rehash: boolean;
  readonly #refusalMsMin: number;
  /** What an unknown name's password is checked against. */
  readonly #decoy: string;
  readonly #decoySecret: Uint8Array;
  /** Key of the digests under which verified passwords are remembered. */
  readonly #cacheKey: Uint8Array;
  /** Digest of tenant, account and password → the stored hash that it fitted, and until when. */
  readonly #verified = new BoundedMap<string, { hash: string; until: number }>(
    limits.verifiedLoginsMax,
  );
  readonly #rehashing = new Map<string, Promise<void>>();

  constructor(options: AuthenticatorOptions) {
    this.#directory = options.directory;
    this.#passwords = options.passwords;
    this.#throttle = options.throttle;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#rehash = options.rehash ?? false;
    this.#refusalMsMin = options.refusalMsMin ?? limits.loginRefusalMsMin;
    this.#decoy = options.passwords.decoy();
    this.#decoySecret = options.directory.decoySecret ?? options.random.bytes(32);
    this.#cacheKey = options.random.bytes(32);
  }

  /**
   * Checks a name and a password as the client sent them. Throws `Refusal`: AUTHENTICATIONFAILED,
   * or UNAVAILABLE when there is more to do than the limits allow.
   */
  async verify(name: string, password: string, peer: Peer): Promise<Identity> {
    const began = this.#clock.monotonic();
    const login = await this.#directory.findLogin(name);
    const key = throttleKey(login, name);
    // A password that was right a moment ago does not wait for the failures of a stranger.
    if (login !== undefined && !login.disabled && this.#isVerified(login, password))
      return identityOf(login);
    const attempt = await this.#throttle.enter(peer, key);
    let hash: string | undefined;
    try {
      hash = await this.#fittingHash(login, password);
    } catch (error) {
      attempt.abandoned();
      throw error;
    }
    if (login === undefined || hash === undefined || login.disabled) {
      attempt.failed();
      return this.#refuse({ began, name: key, peer, failure: failureOf(login, hash) });
    }
    attempt.succeeded();
    this.#remember(login, password, hash);
    if (this.#rehash) this.#storeAnew(login, hash, password);
    return identityOf(login);
  }

  /**
   * What a SCRAM exchange for this name starts with. For names that have no verifier, or do not
   * exist, salt and iterations are made up, the same ones every time.
   */
  async scramChallenge(name: string, hash: ScramHash): Promise<ScramChallenge> {
    const login = await this.#directory.findLogin(name);
    const stored = (login?.passwords ?? []).flatMap((password) => password.hashes);
    const all = stored
      .map((text) => scramVerifier(text, hash))
      .filter((verifier) => verifier !== undefined);
    const first = all[0];
    if (first === undefined) {
      const salt = createHmac("sha256", this.#decoySecret)
        .update(`${hash}\0${normalName(name) ?? name}`)
        .digest()
        .subarray(0, scramSaltBytes);
      return { name, hash, salt, iterations: scramIterations, verifiers: [] };
    }
    const { salt, iterations } = first;
    const verifiers = all.filter((other) => sharesSalt(other, first));
    return { name, hash, salt, iterations, verifiers };
  }

  /** Checks a SCRAM proof. Throws as `verify` does. */
  async verifyScram(challenge: ScramChallenge, proof: ScramProof): Promise<ScramSuccess> {
    const began = this.#clock.monotonic();
    const login = await this.#directory.findLogin(challenge.name);
    const key = throttleKey(login, challenge.name);
    const attempt = await this.#throttle.enter(proof.peer, key);
    const fitting = challenge.verifiers.find((verifier) =>
      provesScram(verifier, proof.authMessage, proof.clientProof),
    );
    if (login === undefined || fitting === undefined || login.disabled) {
      attempt.failed();
      const failure = failureOf(login, fitting);
      return this.#refuse({ began, name: key, peer: proof.peer, failure });
    }
    attempt.succeeded();
    return {
      identity: identityOf(login),
      serverSignature: serverSignature(fitting, proof.authMessage),
    };
  }

  /** Waits for passwords that are being stored anew. */
  async close(): Promise<void> {
    await Promise.all(this.#rehashing.values());
  }

  /**
   * The stored hash that the password fits. One slow hash is always computed, that of the main
   * password or the decoy, unless a cheap one fitted before.
   */
  async #fittingHash(login: Login | undefined, password: string): Promise<string | undefined> {
    const candidates = (login?.passwords ?? []).flatMap(({ hashes }) => checkable(hashes) ?? []);
    const cheapFirst = [
      ...candidates.filter((hash) => !isSlow(hash)),
      ...candidates.filter((hash) => isSlow(hash)),
    ];
    let slow = 0;
    for (const hash of cheapFirst) {
      try {
        if (await this.#passwords.verify(password, hash)) return hash;
        if (isSlow(hash)) slow++;
      } catch (error) {
        if (!(error instanceof PasswordFormatError)) throw error;
        this.#log.warn(
          { account: login?.accountId, cause: errorText(error) },
          "A stored password cannot be used",
        );
      }
    }
    if (slow === 0) await this.#passwords.verify(password, this.#decoy);
    return undefined;
  }

  async #refuse(refused: {
    readonly began: number;
    readonly name: string;
    readonly peer: Peer;
    readonly failure: Failure;
  }): Promise<never> {
    const { began, name, peer, failure } = refused;
    this.#log.info({ user: name, peer: peer.address, failure }, "Login refused");
    const leftMs = this.#refusalMsMin - (this.#clock.monotonic() - began);
    if (leftMs > 0) await sleep(this.#clock, leftMs);
    throw loginRefusal();
  }

  #digest(login: Login, password: string): string {
    return createHmac("sha256", this.#cacheKey)
      .update(utf8(`${login.tenant}\0${login.accountId}\0${password}`))
      .digest("base64");
  }

  /** Whether this password fitted a hash a moment ago that the account still has. */
  #isVerified(login: Login, password: string): boolean {
    const digest = this.#digest(login, password);
    const entry = this.#verified.get(digest);
    if (entry === undefined) return false;
    const isStored = login.passwords.some(({ hashes }) => hashes.includes(entry.hash));
    if (isStored && this.#clock.monotonic() < entry.until) return true;
    this.#verified.delete(digest);
    return false;
  }

  #remember(login: Login, password: string, hash: string): void {
    const until = this.#clock.monotonic() + limits.verifiedLoginMs;
    this.#verified.set(this.#digest(login, password), { hash, until });
  }

  /** Stores the main password in today's forms, in the background and best effort. */
  #storeAnew(login: Login, hash: string, password: string): void {
    const main = login.passwords.find((stored) => stored.label === undefined);
    if (main === undefined || !main.hashes.includes(hash) || isCurrent(main.hashes)) return;
    if (this.#directory.replaceHashes === undefined || this.#rehashing.has(login.accountId)) return;
    const work = async (): Promise<void> => {
      try {
        const hashes = await this.#passwords.hashes(password);
        const { accountId } = login;
        await this.#directory.replaceHashes?.({ accountId, oldHash: hash, hashes });
      } catch (error) {
        const fields = { account: login.accountId, cause: errorText(error) };
        this.#log.warn(fields, "A password could not be stored anew");
      } finally {
        this.#rehashing.delete(login.accountId);
      }
    };
    this.#rehashing.set(login.accountId, work());
  }
}

function identityOf(login: Login): Identity {
  const { accountId, tenant, name, quota } = login;
  return { accountId, tenant, name, quota };
}

function failureOf(login: Login | undefined, fitting: unknown): Failure {
  if (login === undefined) return "unknown name";
  return fitting === undefined ? "wrong password" : "disabled account";
}

/** What failures are counted under: the account by whatever address, or the name nobody has. */
function throttleKey(login: Login | undefined, name: string): string {
  return login?.name ?? normalName(name) ?? name.slice(0, limits.loginNameBytesMax);
}

/** The form of a password to check against: SCRAM keys only where there is nothing else. */
function checkable(hashes: readonly string[]): string | undefined {
  return hashes.find((hash) => !hash.startsWith("{SCRAM-")) ?? hashes[0];
}

function isSlow(hash: string): boolean {
  return !/^\{(?:SSHA(?:256|512)?(?:\.\w+)?|PLAIN|CLEARTEXT)\}/i.test(hash);
}

/** Whether a password has all the forms that `Passwords.hashes` gives. */
function isCurrent(hashes: readonly string[]): boolean {
  const has = (scheme: string): boolean => hashes.some((hash) => hash.startsWith(`{${scheme}}`));
  return has(defaultScheme) && has("SCRAM-SHA-256") && has("SCRAM-SHA-1");
}

function sharesSalt(a: ScramVerifier, b: ScramVerifier): boolean {
  return a.iterations === b.iterations && Buffer.compare(a.salt, b.salt) === 0;
}
