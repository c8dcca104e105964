import { createHmac } from "node:crypto";
import type { CipherGCMTypes } from "node:crypto";
import { assert } from "#base/assert.ts";

/** What one cipher suite of TLS 1.3 is made of. RFC 8446 §B.4 */
export interface CipherSuite {
  readonly name: string;
  /** As it is sent in a ServerHello. */
  readonly id: number;
  /** The AEAD by the name that node:crypto knows; all of them have a nonce of 12, a tag of 16 bytes. */
  readonly aead: CipherGCMTypes;
  readonly keyBytes: number;
  readonly hash: "sha256" | "sha384";
  /** Bytes of a traffic secret. */
  readonly hashBytes: number;
}

// node:crypto takes ChaCha20-Poly1305 through the same calls as GCM; its types know GCM only.
const chaCha = "chacha20-poly1305" as CipherGCMTypes;

export const cipherSuites: readonly CipherSuite[] = [
  {
    name: "TLS_AES_128_GCM_SHA256",
    id: 0x1301,
    aead: "aes-128-gcm",
    keyBytes: 16,
    hash: "sha256",
    hashBytes: 32,
  },
  {
    name: "TLS_AES_256_GCM_SHA384",
    id: 0x1302,
    aead: "aes-256-gcm",
    keyBytes: 32,
    hash: "sha384",
    hashBytes: 48,
  },
  {
    name: "TLS_CHACHA20_POLY1305_SHA256",
    id: 0x1303,
    aead: chaCha,
    keyBytes: 32,
    hash: "sha256",
    hashBytes: 32,
  },
];

/** By the number in a ServerHello; undefined for a suite that we do not have. */
export function suiteById(id: number): CipherSuite | undefined {
  return cipherSuites.find((suite) => suite.id === id);
}

/**
 * HKDF-Expand-Label with an empty context, for up to `hashBytes` bytes: then it is one HMAC.
 *
 * RFC 8446 §7.1
 */
export function expandLabel(
  suite: CipherSuite,
  secret: Uint8Array,
  label: string,
  length: number,
): Buffer {
  assert(length <= suite.hashBytes, "One block of HKDF-Expand is enough");
  const name = `tls13 ${label}`;
  const info = Buffer.alloc(2 + 1 + name.length + 1 + 1);
  info.writeUInt16BE(length, 0);
  info[2] = name.length;
  info.write(name, 3, "latin1");
  info[info.length - 1] = 1;
  return createHmac(suite.hash, secret).update(info).digest().subarray(0, length);
}
