import { argon2Sync, pbkdf2Sync } from "node:crypto";
import { hashSync } from "bcryptjs";
import { asBuffer, utf8 } from "#base/bytes.ts";
import { shaCryptDigest, shaCryptText } from "./sha-crypt.ts";
import type { ShaCryptAlgorithm } from "./sha-crypt.ts";

/** A derivation that is slow on purpose, as plain data that can go to another thread. */
export type SlowWork =
  | {
      readonly kind: "argon2";
      readonly variant: "argon2i" | "argon2id";
      readonly salt: Uint8Array;
      readonly memoryKiB: number;
      readonly passes: number;
      readonly lanes: number;
      /** Bytes of the tag. */
      readonly length: number;
    }
  /** `setting` is `$2b$`, cost and salt: the first 29 characters of a hash. */
  | { readonly kind: "bcrypt"; readonly setting: string }
  | {
      readonly kind: "sha-crypt";
      readonly algorithm: ShaCryptAlgorithm;
      readonly salt: Uint8Array;
      readonly rounds: number;
    }
  | {
      readonly kind: "pbkdf2";
      readonly algorithm: "sha1" | "sha256";
      readonly salt: Uint8Array;
      readonly rounds: number;
      readonly length: number;
    };

/** Where slow work is done. */
export interface SlowHash {
  /** The derived bytes; refuses with UNAVAILABLE when too much waits already. */
  derive(work: SlowWork, password: Uint8Array): Promise<Uint8Array>;
  close(): Promise<void>;
}

/**
 * Does the work at once, on this thread. Gives the tag of argon2 (RFC 9106 §3) and pbkdf2
 * (RFC 8018 §5.2), the text after the last "$" of sha-crypt, the last 31
 * characters of bcrypt.
 */
export function derive(work: SlowWork, password: Uint8Array): Uint8Array {
  switch (work.kind) {
    case "argon2":
      return argon2Sync(work.variant, {
        message: password,
        nonce: work.salt,
        memory: work.memoryKiB,
        passes: work.passes,
        parallelism: work.lanes,
        tagLength: work.length,
      });
    case "bcrypt":
      // Only the checksum: implementations differ in the four spare bits at the end of the salt.
      return utf8(hashSync(asBuffer(password).toString("utf8"), work.setting).slice(29));
    case "sha-crypt":
      return utf8(shaCryptText(work.algorithm, shaCryptDigest({ ...work, password })));
    case "pbkdf2":
      return pbkdf2Sync(password, work.salt, work.rounds, work.length, work.algorithm);
  }
}

/** Slow work on the calling thread: for what must not wait for a thread, simulations, tools and tests. */
export const inlineSlowHash: SlowHash = {
  derive: (work, password) => Promise.resolve(derive(work, password)),
  close: () => Promise.resolve(),
};
