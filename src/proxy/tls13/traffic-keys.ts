import { expandLabel } from "./cipher-suites.ts";
import type { CipherSuite } from "./cipher-suites.ts";

export const nonceBytes = 12;

/** What one side of a connection protects its records with: keys, and how many it has sent. */
export interface TrafficKeys {
  readonly suite: CipherSuite;
  /** Only the keys of the next KeyUpdate are made from it. */
  readonly secret: Uint8Array;
  readonly key: Uint8Array;
  readonly iv: Uint8Array;
  /** Number of the next record under these keys. RFC 8446 §5.3 */
  sequence: number;
}

/** RFC 8446 §7.3 */
export function trafficKeys(suite: CipherSuite, secret: Uint8Array): TrafficKeys {
  return {
    suite,
    secret,
    key: expandLabel(suite, secret, "key", suite.keyBytes),
    iv: expandLabel(suite, secret, "iv", nonceBytes),
    sequence: 0,
  };
}

/** The keys after a KeyUpdate. RFC 8446 §7.2 */
export function nextTrafficKeys(keys: TrafficKeys): TrafficKeys {
  const { suite, secret } = keys;
  return trafficKeys(suite, expandLabel(suite, secret, "traffic upd", suite.hashBytes));
}
