import type { Clock } from "#base/clock.ts";
import { concatBytes } from "#base/bytes.ts";
import { RecordLayer } from "./record-layer.ts";
import { decodeTls13State, encodeTls13State } from "./state.ts";
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

/** What a frozen connection sends without being thawed. */
export interface SealedFrozen {
  /** To be sent whole, or not at all. */
  readonly records: Uint8Array;
  /** What the connection is once they were sent; the old state must not be used again then. */
  readonly state: Uint8Array;
}

/**
 * Seals a few bytes for a connection that stays frozen. Throws `FormatError` where `state` is none.
 * @param last close_notify follows: the connection is closed next
 */
export function sealFrozen(
  frozen: { readonly state: Uint8Array; readonly bytes: Uint8Array; readonly last?: boolean },
  clock: Clock,
): SealedFrozen {
  const layer = new RecordLayer(decodeTls13State(frozen.state), clock);
  const records = [layer.seal([frozen.bytes])];
  if (frozen.last === true) records.push(layer.sealAlert("close_notify"));
  return { records: concatBytes(records), state: encodeTls13State(layer.state) };
}
