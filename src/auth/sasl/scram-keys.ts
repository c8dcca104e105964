import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { utf8 } from "#base/bytes.ts";

/** Hash functions of the SCRAM family that we serve. RFC 5802, RFC 7677 */
export type ScramHash = "sha1" | "sha256";

/** What a server stores instead of the password. RFC 5802 §3 */
export interface ScramVerifier {
  readonly hash: ScramHash;
  readonly salt: Uint8Array;
  readonly iterations: number;
  readonly storedKey: Uint8Array;
  readonly serverKey: Uint8Array;
}

/** Bytes of a digest. */
export function digestLength(hash: ScramHash): number {
  return hash === "sha1" ? 20 : 32;
}

/** Verifier keys from SaltedPassword, which is PBKDF2 of the password. RFC 5802 §3 */
export function scramKeys(
  hash: ScramHash,
  saltedPassword: Uint8Array,
): { readonly storedKey: Uint8Array; readonly serverKey: Uint8Array } {
  const clientKey = hmac(hash, saltedPassword, utf8("Client Key"));
  return {
    storedKey: createHash(hash).update(clientKey).digest(),
    serverKey: hmac(hash, saltedPassword, utf8("Server Key")),
  };
}

/** Whether `clientProof` was made by someone who knows the password. RFC 5802 §3 */
export function provesScram(
  verifier: ScramVerifier,
  authMessage: Uint8Array,
  clientProof: Uint8Array,
): boolean {
  const signature = hmac(verifier.hash, verifier.storedKey, authMessage);
  if (clientProof.length !== signature.length) return false;
  const clientKey = signature.map((byte, i) => byte ^ clientProof[i]!);
  const storedKey = createHash(verifier.hash).update(clientKey).digest();
  return timingSafeEqual(storedKey, verifier.storedKey);
}

/** ServerSignature: shows the client that we know the password too. RFC 5802 §3 */
export function serverSignature(verifier: ScramVerifier, authMessage: Uint8Array): Uint8Array {
  return hmac(verifier.hash, verifier.serverKey, authMessage);
}

function hmac(hash: ScramHash, key: Uint8Array, message: Uint8Array): Uint8Array {
  return createHmac(hash, key).update(message).digest();
}
