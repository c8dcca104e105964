/**
 * Which store this is, and how often it was opened.
 * @format store
 */
import { Refusal } from "#base/assert.ts";
import type { Epoch } from "#base/brand.ts";
import { ByteReader, ByteWriter, FormatError, equalBytes } from "#base/bytes.ts";
import type { Clock } from "#base/clock.ts";
import type { Log } from "#base/log.ts";
import type { Random } from "#base/random.ts";
import {
  EnvelopeError,
  type ObjectStore,
  encodeEnvelope,
  envelopeBytes,
  mayBeEnvelope,
  putKnown,
  readEnvelope,
  storeIdBytes,
} from "#objects/index.ts";
import { accountsPrefix } from "./settled/names.ts";
import { decodeFrame, encodeFrame } from "./settled/place-codec.ts";

const identityKey = "store/identity";
const epochPrefix = "store/epoch-";
const formatVersion = 1;
/** Other processes that may take the same epochs at the same moment. */
const rivalsMax = 100;

export interface StoreIdentity {
  readonly storeId: Uint8Array;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
}

export interface IdentityContext {
  readonly objects: ObjectStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/**
 * The identity of the store in `objects`, which is made where there is no store yet.
 * Errors: `EnvelopeError`, `Refusal` CORRUPTION.
 */
export async function findIdentity(context: IdentityContext): Promise<StoreIdentity> {
  const { objects, clock, random, log } = context;
  const found = await objects.get(identityKey);
  if (found !== null) return decodeIdentity(found);
  const [anyObject] = await objects.list(accountsPrefix);
  let storeId = random.bytes(storeIdBytes);
  if (anyObject !== undefined) {
    // The identity was lost, but every object carries the id.
    const bytes = await objects.get(anyObject, { offset: 0, length: envelopeBytes });
    if (bytes === null || !mayBeEnvelope(bytes))
      throw new Refusal("CORRUPTION", "The store's identity is missing and cannot be found out");
    storeId = storeIdOf(bytes);
    log.error({ from: anyObject }, "The store's identity was missing and was made anew");
  }
  const identity = { storeId, createdAt: clock.now() };
  await putKnown(objects, identityKey, encodeIdentity(identity));
  const put = await objects.get(identityKey);
  return put === null ? identity : decodeIdentity(put);
}

function storeIdOf(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from(bytes.subarray(8, 8 + storeIdBytes));
}

function encodeIdentity(identity: StoreIdentity): Uint8Array {
  const { storeId, createdAt } = identity;
  const out = new ByteWriter(64);
  out.raw(encodeEnvelope({ kind: "storeInfo", version: formatVersion, storeId, keyId: 0 }));
  encodeFrame(out, new ByteWriter(8).f64(createdAt).take());
  return out.take();
}

/** Errors: `FormatError`. */
export function decodeIdentity(bytes: Uint8Array): StoreIdentity {
  if (!mayBeEnvelope(bytes)) throw new EnvelopeError("damaged", "The store's identity is damaged");
  const storeId = storeIdOf(bytes);
  readEnvelope(bytes, { storeId, kinds: ["storeInfo"], version: formatVersion });
  const content = decodeFrame(new ByteReader(bytes, envelopeBytes));
  return { storeId, createdAt: new ByteReader(content).f64() };
}

/** Takes the next epoch; nobody else gets the same one. */
export async function takeEpoch(context: IdentityContext, storeId: Uint8Array): Promise<Epoch> {
  const { objects, clock, random } = context;
  const keys = await objects.list(epochPrefix);
  const taken = keys.map((key) => Number.parseInt(key.slice(epochPrefix.length), 16));
  let epoch = Math.max(0, ...taken);
  for (let rivals = 0; rivals < rivalsMax; rivals++) {
    epoch++;
    const out = new ByteWriter(96);
    out.raw(encodeEnvelope({ kind: "owner", version: formatVersion, storeId, keyId: 0 }));
    const nonce = random.bytes(16);
    encodeFrame(out, new ByteWriter(32).f64(clock.now()).raw(nonce).take());
    if ((await putKnown(objects, epochKey(epoch), out.take())) === "lost") continue;
    // The last one before is kept for whoever wonders.
    for (const old of taken) if (old < epoch - 1) await objects.delete(epochKey(old));
    return epoch as Epoch;
  }
  throw new Refusal("UNAVAILABLE", "Other processes are opening this store all the time");
}

function epochKey(epoch: number): string {
  return epochPrefix + epoch.toString(16).padStart(8, "0");
}

/** Throws where `identity` is not the store that `expected` says. */
export function requireStore(identity: StoreIdentity, expected: Uint8Array | undefined): void {
  if (expected !== undefined && !equalBytes(identity.storeId, expected))
    throw new FormatError("These objects belong to another store");
}
