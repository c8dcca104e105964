/**
 * A head: names the objects that together are the account.
 * @format head
 */
import type { AccountId, Epoch, MailboxNumber } from "#base/brand.ts";
import { ByteReader, ByteWriter, FormatError } from "#base/bytes.ts";
import { encodeEnvelope, envelopeBytes, readEnvelope } from "#objects/index.ts";
import type { AccountState } from "../index/account-state.ts";
import type { JournalPosition } from "../journal/journal.ts";
import { decodeFrame, decodePosition, encodeFrame, encodePosition } from "./place-codec.ts";

export const headFormatVersion = 1;

/** An object with its size. */
export interface NamedObject {
  readonly name: string;
  readonly bytes: number;
}

/** What a head says about a mailbox, for those who need no more than that. */
export interface MailboxSummary {
  readonly number: MailboxNumber;
  readonly name: string;
  readonly uidValidity: number;
  readonly uidNext: number;
  readonly highestModseq: number;
  readonly messages: number;
  readonly unseen: number;
  readonly bytes: number;
  readonly specialUse: readonly string[];
}

export interface Head {
  readonly id: AccountId;
  readonly epoch: Epoch;
  /** Of the last record that is included. */
  readonly position: JournalPosition;
  readonly modseq: number;
  readonly snapshot: NamedObject;
  readonly deltas: readonly NamedObject[];
  readonly packs: readonly NamedObject[];
  readonly mailboxes: readonly MailboxSummary[];
}

/** What a head says of the mailboxes of a state. */
export function summariesOf(state: AccountState): MailboxSummary[] {
  return Array.from(state.mailboxes.values(), (mailbox) => ({
    number: mailbox.number,
    name: mailbox.name,
    uidValidity: mailbox.uidValidity,
    uidNext: mailbox.uidNext,
    highestModseq: mailbox.highestModseq,
    messages: mailbox.count,
    unseen: mailbox.unseen,
    bytes: mailbox.bytes,
    specialUse: mailbox.specialUse,
  }));
}

export function encodeHead(head: Head, storeId: Uint8Array): Uint8Array {
  const inner = new ByteWriter(1024);
  inner.text(head.id).varint(head.epoch);
  encodePosition(inner, head.position);
  inner.varint(head.modseq);
  encodeNames(inner, [head.snapshot]);
  encodeNames(inner, head.deltas);
  encodeNames(inner, head.packs);
  inner.varint(head.mailboxes.length);
  for (const mailbox of head.mailboxes) {
    inner.varint(mailbox.number).text(mailbox.name);
    inner.varint(mailbox.uidValidity).varint(mailbox.uidNext).varint(mailbox.highestModseq);
    inner.varint(mailbox.messages).varint(mailbox.unseen).varint(mailbox.bytes);
    inner.varint(mailbox.specialUse.length);
    for (const use of mailbox.specialUse) inner.text(use);
  }
  const out = new ByteWriter(inner.length + envelopeBytes + 8);
  out.raw(encodeEnvelope({ kind: "head", version: headFormatVersion, storeId, keyId: 0 }));
  encodeFrame(out, inner.view());
  return out.take();
}

/** Errors: `FormatError`. */
export function decodeHead(
  bytes: Uint8Array,
  expected: { readonly id: AccountId; readonly storeId: Uint8Array },
): Head {
  const { id, storeId } = expected;
  readEnvelope(bytes, { storeId, kinds: ["head"], version: headFormatVersion });
  const outer = new ByteReader(bytes, envelopeBytes);
  const input = new ByteReader(decodeFrame(outer));
  if (outer.left > 0) throw new FormatError("A head is longer than it says");
  const stored = input.text() as AccountId;
  if (stored !== id) throw new FormatError(`A head of account ${stored} lies with ${id}`);
  const epoch = input.varint() as Epoch;
  const position = decodePosition(input);
  const modseq = input.varint();
  const [snapshot] = decodeNames(input);
  if (snapshot === undefined) throw new FormatError("A head names no snapshot");
  const deltas = decodeNames(input);
  const packs = decodeNames(input);
  const mailboxes: MailboxSummary[] = [];
  for (let left = input.varint(); left > 0; left--) mailboxes.push(decodeSummary(input));
  return { id, epoch, position, modseq, snapshot, deltas, packs, mailboxes };
}

function encodeNames(out: ByteWriter, objects: readonly NamedObject[]): void {
  out.varint(objects.length);
  for (const { name, bytes } of objects) out.text(name).varint(bytes);
}

function decodeNames(input: ByteReader): NamedObject[] {
  const objects: NamedObject[] = [];
  for (let left = input.varint(); left > 0; left--)
    objects.push({ name: input.text(), bytes: input.varint() });
  return objects;
}

function decodeSummary(input: ByteReader): MailboxSummary {
  const summary = {
    number: input.varint() as MailboxNumber,
    name: input.text(),
    uidValidity: input.varint(),
    uidNext: input.varint(),
    highestModseq: input.varint(),
    messages: input.varint(),
    unseen: input.varint(),
    bytes: input.varint(),
  };
  const specialUse: string[] = [];
  for (let left = input.varint(); left > 0; left--) specialUse.push(input.text());
  return { ...summary, specialUse };
}
