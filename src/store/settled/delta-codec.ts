/**
 * A delta: the records of an account since its snapshot or its last delta, with their places.
 * @format delta
 */
import type { AccountId, Epoch } from "#base/brand.ts";
import { ByteReader, ByteWriter, FormatError } from "#base/bytes.ts";
import { encodeEnvelope, envelopeBytes, readEnvelope } from "#objects/index.ts";
import type { RecordAddress } from "../index/account-state.ts";
import type { JournalPosition } from "../journal/journal.ts";
import {
  decodeFrame,
  decodePlace,
  decodePosition,
  encodeFrame,
  encodePlace,
  encodePosition,
} from "./place-codec.ts";

export const deltaFormatVersion = 1;

/** A record since the account's last head: all that a restart must apply again. */
export interface TailUnit {
  /** As `encodeUnit` wrote it. */
  readonly unit: Uint8Array;
  readonly modseq: number;
  /** Of the ownership under which it was written. */
  readonly epoch: Epoch;
  readonly address: RecordAddress;
}

export interface DeltaHead {
  readonly id: AccountId;
  readonly epoch: Epoch;
  /** Of the last record that is in it. */
  readonly position: JournalPosition;
  /** The account's modseq before the first and after the last record. */
  readonly fromModseq: number;
  readonly toModseq: number;
  readonly count: number;
}

/** The bytes of a delta. All records must be durable. */
export function encodeDelta(
  head: DeltaHead,
  units: readonly TailUnit[],
  storeId: Uint8Array,
): Uint8Array {
  const out = new ByteWriter(1024);
  out.raw(encodeEnvelope({ kind: "delta", version: deltaFormatVersion, storeId, keyId: 0 }));
  const inner = new ByteWriter(256);
  inner.text(head.id).varint(head.epoch);
  encodePosition(inner, head.position);
  inner.varint(head.fromModseq).varint(head.toModseq).varint(head.count);
  encodeFrame(out, inner.view());
  for (const { unit, modseq, epoch, address } of units) {
    inner.clear();
    inner.varint(modseq).varint(epoch);
    encodePlace(inner, address.place!);
    inner.varint(address.contentsAt).raw(unit);
    encodeFrame(out, inner.view());
  }
  return out.take();
}

export interface Delta {
  readonly head: DeltaHead;
  readonly units: readonly TailUnit[];
  /** Why not all records of the head's count are there. */
  readonly damage: FormatError | undefined;
}

/**
 * Reads a delta as far as it is sound. Errors: `FormatError` where not even its head is.
 */
export function decodeDelta(
  bytes: Uint8Array,
  expected: { readonly id: AccountId; readonly storeId: Uint8Array },
): Delta {
  const { id, storeId } = expected;
  readEnvelope(bytes, { storeId, kinds: ["delta"], version: deltaFormatVersion });
  const input = new ByteReader(bytes, envelopeBytes);
  const head = decodeHead(new ByteReader(decodeFrame(input)));
  if (head.id !== id) throw new FormatError(`A delta of account ${head.id} lies with ${id}`);
  const units: TailUnit[] = [];
  try {
    for (let i = 0; i < head.count; i++) units.push(decodeTailUnit(decodeFrame(input)));
    if (input.left > 0) throw new FormatError("A delta is longer than it says");
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return { head, units, damage: error };
  }
  return { head, units, damage: undefined };
}

function decodeHead(input: ByteReader): DeltaHead {
  return {
    id: input.text() as AccountId,
    epoch: input.varint() as Epoch,
    position: decodePosition(input),
    fromModseq: input.varint(),
    toModseq: input.varint(),
    count: input.varint(),
  };
}

function decodeTailUnit(frame: Uint8Array): TailUnit {
  const input = new ByteReader(frame);
  const modseq = input.varint();
  const epoch = input.varint() as Epoch;
  const place = decodePlace(input);
  const contentsAt = input.varint();
  const unit = input.raw(input.left);
  return { unit, modseq, epoch, address: { place, contentsAt, contents: undefined } };
}
