import type { Clock } from "#base/clock.ts";
import { decodeTls13State } from "./state.ts";
import { Tls13Stream } from "./tls13-stream.ts";
import type { Carrier } from "./tls13-stream.ts";

/** What `freeze` gave, less its socket. */
export interface FrozenBytes {
  readonly state: Uint8Array;
  readonly ciphertext: Uint8Array;
}

/**
 * The stream that was frozen, on a carrier that reads the same connection. Throws `FormatError`
 * where `state` is none. To be called once for each frozen stream: two that go on from the same
 * state would protect different records alike.
 */
export function thawTls13(carrier: Carrier, frozen: FrozenBytes, clock: Clock): Tls13Stream {
  const state = decodeTls13State(frozen.state);
  return new Tls13Stream(carrier, { state, ciphertext: frozen.ciphertext, clock });
}
