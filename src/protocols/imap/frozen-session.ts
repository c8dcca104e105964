/**
 * A frozen session: all that a session is while it waits for its client, in bytes. The bytes are
 * kept by whoever keeps the connection, and mean something to this module only.
 * @format frozen-session
 */
import type { AccountId, MailboxNumber } from "#base/brand.ts";
import { ByteReader, ByteWriter, FormatError } from "#base/bytes.ts";
import { crc32 } from "#base/crc.ts";
import { noRanges, type Ranges } from "#wire/index.ts";
import type { Enabled } from "./session.ts";
import type { ViewNumbers } from "./view.ts";

/** What is thawed. Rights are not in it: they are looked at again. */
export interface FrozenSession {
  readonly accountId: AccountId;
  /** The login name in its normal form. */
  readonly name: string;
  readonly enabled: Enabled;
  readonly selected: FrozenSelection | undefined;
  /** RFC 5182 §2 */
  readonly saved: Ranges;
  /** Of the IDLE that is under way. */
  readonly idleTag: string | undefined;
}

export interface FrozenSelection {
  readonly numbers: ViewNumbers;
  /** By EXAMINE. */
  readonly readOnly: boolean;
  /** How many keywords the client has heard of, -1 before the first time. */
  readonly keywordsTold: number;
}

const version = 1;

const bits = {
  condstore: 1,
  qresync: 2,
  rev2: 4,
  utf8: 8,
  selected: 16,
  readOnly: 32,
  idle: 64,
} as const;

/** Well under 200 bytes, but for a saved search. */
export function encodeFrozenSession(session: FrozenSession): Uint8Array {
  const { selected, saved, idleTag } = session;
  const out = new ByteWriter(160);
  out.u8(version).u8(bitsOf(session)).text(session.accountId).text(session.name);
  if (selected !== undefined) {
    const { numbers, keywordsTold } = selected;
    out.varint(numbers.mailbox).varint(numbers.uidValidity);
    // The view is mostly up to date: then the differences are nothing.
    out.varint(numbers.seenModseq).varint(zigzag(numbers.seenModseq - numbers.expungeModseq));
    out.varint(numbers.uidNextSeen).varint(zigzag(numbers.uidNextSeen - numbers.recentFloor));
    out.varint(keywordsTold + 1);
  }
  if (idleTag !== undefined) out.text(idleTag);
  out.varint(saved.length);
  let last = 0;
  for (const uid of saved) {
    out.varint(uid - last);
    last = uid;
  }
  out.u32(crc32(out.view()));
  return out.take();
}

function bitsOf({ enabled, selected, idleTag }: FrozenSession): number {
  let set = 0;
  if (enabled.condstore) set |= bits.condstore;
  if (enabled.qresync) set |= bits.qresync;
  if (enabled.rev2) set |= bits.rev2;
  if (enabled.utf8) set |= bits.utf8;
  if (selected !== undefined) set |= bits.selected;
  if (selected?.readOnly === true) set |= bits.readOnly;
  if (idleTag !== undefined) set |= bits.idle;
  return set;
}

/** Errors: `FormatError` for whatever `encodeFrozenSession` did not make. */
export function decodeFrozenSession(bytes: Uint8Array): FrozenSession {
  if (bytes.length < 8) throw new FormatError("A frozen session is cut short");
  const body = bytes.subarray(0, bytes.length - 4);
  const input = new ByteReader(body);
  const found = input.u8();
  if (found !== version) throw new FormatError(`Unknown version ${found} of a frozen session`);
  if (crc32(body) !== new ByteReader(bytes.subarray(bytes.length - 4)).u32())
    throw new FormatError("A frozen session does not fit its checksum");
  const set = input.u8();
  const accountId = input.text() as AccountId;
  const name = input.text();
  const enabled = {
    condstore: (set & bits.condstore) !== 0,
    qresync: (set & bits.qresync) !== 0,
    rev2: (set & bits.rev2) !== 0,
    utf8: (set & bits.utf8) !== 0,
  };
  const selected = (set & bits.selected) === 0 ? undefined : decodeSelection(input, set);
  const idleTag = (set & bits.idle) === 0 ? undefined : input.text();
  const saved = decodeSaved(input);
  if (input.left > 0) throw new FormatError("A frozen session has something behind its end");
  return { accountId, name, enabled, selected, saved, idleTag };
}

function decodeSelection(input: ByteReader, set: number): FrozenSelection {
  const mailbox = input.varint() as MailboxNumber;
  const uidValidity = input.varint();
  const seenModseq = input.varint();
  const expungeModseq = seenModseq - unzigzag(input.varint());
  const uidNextSeen = input.varint();
  const recentFloor = uidNextSeen - unzigzag(input.varint());
  const keywordsTold = input.varint() - 1;
  if (expungeModseq < 0 || recentFloor < 0) throw new FormatError("A view has impossible numbers");
  const numbers = { mailbox, uidValidity, seenModseq, expungeModseq, uidNextSeen, recentFloor };
  return { numbers, readOnly: (set & bits.readOnly) !== 0, keywordsTold };
}

function decodeSaved(input: ByteReader): Ranges {
  const count = input.varint();
  if (count === 0) return noRanges;
  // Each takes a byte at least.
  if (count % 2 === 1 || count > input.left)
    throw new FormatError("A saved search has impossible ranges");
  const saved = new Uint32Array(count);
  let last = 0;
  for (let i = 0; i < count; i++) {
    const step = input.varint();
    // Ranges ascend and do not touch; one message is a range of its own.
    if (step === 0 && i % 2 === 0) throw new FormatError("A saved search has impossible ranges");
    last += step;
    if (last > 0xffff_ffff) throw new FormatError("A saved search has impossible ranges");
    saved[i] = last;
  }
  return saved;
}

function zigzag(value: number): number {
  return value >= 0 ? value * 2 : -value * 2 - 1;
}

function unzigzag(value: number): number {
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
}
