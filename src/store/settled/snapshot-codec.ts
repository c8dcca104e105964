/**
 * A snapshot: all of an account's state but the bytes of its messages.
 * @format snapshot
 */
import type { AccountId, Epoch, MailboxNumber } from "#base/brand.ts";
import { ByteReader, ByteWriter, FormatError, noBytes } from "#base/bytes.ts";
import { readEnvelope } from "#objects/index.ts";
import { AccountState, type JournaledContent } from "../index/account-state.ts";
import { MailboxState } from "../index/mailbox-state.ts";
import type { JournalPosition } from "../journal/journal.ts";
import type { Slices } from "../slices.ts";
import { decodePlace, decodePosition, encodePlace, encodePosition } from "./place-codec.ts";
import {
  adoptTable,
  copyTable,
  joinSections,
  type SectionedObject,
  splitSections,
  tableBytes,
} from "./snapshot-sections.ts";

/** A consistent copy of a state, taken in one go; its journaled contents may get their places later. */
export interface SnapshotCut {
  readonly modseq: number;
  readonly meta: Uint8Array;
  readonly tables: readonly Uint8Array[];
  readonly journaled: readonly (readonly [row: number, content: JournaledContent])[];
}

/** Of 1, no content has a prefix. */
const snapshotFormatVersion = 2;
/** Smaller tables are copied without preparation; and what is prepared without a look at the time. */
const roomBytesMin = 256 * 1024;

function sectioned(storeId: Uint8Array): SectionedObject {
  return { kind: "snapshot", version: snapshotFormatVersion, storeId };
}

/** Where a snapshot stands. */
export interface SnapshotOrigin {
  readonly epoch: Epoch;
  /** Of the last record that is in it. */
  readonly position: JournalPosition;
}

/** Memory that a cut is written into, by table. */
export type SnapshotRoom = ReadonlyMap<object, Uint8Array>;

/**
 * Memory for the large tables of a state. The system gives memory when it is first written to, which
 * takes longer than the copying itself, so that is done before, with rests.
 */
export async function makeRoom(state: AccountState, slices: Slices): Promise<SnapshotRoom> {
  const room = new Map<object, Uint8Array>();
  const tables: [object, number][] = [[state.messages, tableBytes(state.messages)]];
  for (const { rows } of state.mailboxes.values()) tables.push([rows, tableBytes(rows)]);
  for (const [table, length] of tables) {
    if (length < roomBytesMin) continue;
    // A few rows may be added meanwhile.
    const bytes = new Uint8Array(length + (length >> 6));
    for (let at = 0; at < bytes.length; at += roomBytesMin) {
      bytes.fill(0, at, at + roomBytesMin);
      await slices.rest();
    }
    room.set(table, bytes);
  }
  return room;
}

/** Copies all of a state: 100,000 messages in about 2 ms where there is room. */
export function cutSnapshot(state: AccountState, room?: SnapshotRoom): SnapshotCut {
  const tables = [
    copyNumbers(state.freeRows),
    copyTable(state.messages, room?.get(state.messages)),
  ];
  for (const { rows, history } of state.mailboxes.values())
    tables.push(copyTable(rows, room?.get(rows)), copyTable(history));
  const out = new ByteWriter(4096);
  encodeAccount(out, state);
  for (const mailbox of state.mailboxes.values()) encodeMailbox(out, mailbox);
  return { modseq: state.modseq, meta: out.take(), tables, journaled: [...state.journaled] };
}

/** The pieces of the snapshot. All records before the cut must be durable now. */
export async function encodeSnapshot(
  cut: SnapshotCut,
  origin: SnapshotOrigin & { readonly storeId: Uint8Array },
  slices: Slices,
): Promise<Uint8Array[]> {
  const out = new ByteWriter(64 + cut.journaled.length * 32);
  out.varint(origin.epoch);
  encodePosition(out, origin.position);
  out.varint(cut.journaled.length);
  for (const [row, content] of cut.journaled) {
    out.varint(row);
    encodePlace(out, content.address.place!);
    out.varint(content.address.contentsAt).varint(content.offset);
    out.u32(content.fieldsCrc).u32(content.bodyCrc).blob(content.prefix);
  }
  return joinSections([cut.meta, out.take(), ...cut.tables], sectioned(origin.storeId), slices);
}

/** Reads a snapshot; the state keeps views of `bytes`. Errors: `FormatError`. */
export function decodeSnapshot(
  bytes: Uint8Array,
  expected: { readonly id: AccountId; readonly storeId: Uint8Array },
): SnapshotOrigin & { readonly state: AccountState } {
  const storeId = expected.storeId;
  const { version } = readEnvelope(bytes, { ...sectioned(storeId), kinds: ["snapshot"] });
  const sections = splitSections(bytes, sectioned(expected.storeId));
  const [meta, journal, freeRows, messages] = sections;
  if (
    meta === undefined ||
    journal === undefined ||
    freeRows === undefined ||
    messages === undefined
  )
    throw new FormatError("A snapshot lacks a section");
  const input = new ByteReader(meta);
  const { state, messageCount, mailboxCount } = decodeAccount(input, expected.id);
  for (const row of readNumbers(freeRows)) state.freeRows.push(row);
  adoptTable(state.messages, messages, messageCount);
  for (let i = 0; i < mailboxCount; i++) {
    const { mailbox, rowCount, historyCount } = decodeMailbox(input);
    const rows = sections[4 + 2 * i];
    const history = sections[5 + 2 * i];
    if (rows === undefined || history === undefined)
      throw new FormatError("A snapshot lacks a mailbox");
    adoptTable(mailbox.rows, rows, rowCount);
    adoptTable(mailbox.history, history, historyCount);
    state.mailboxes.set(mailbox.number, mailbox);
    state.mailboxesByName.set(mailbox.name, mailbox);
  }
  const origin = decodeJournal(new ByteReader(journal), state, version);
  return { ...origin, state };
}

function decodeJournal(input: ByteReader, state: AccountState, version: number): SnapshotOrigin {
  const epoch = input.varint() as Epoch;
  const position = decodePosition(input);
  for (let left = input.varint(); left > 0; left--) {
    const row = input.varint();
    const place = decodePlace(input);
    const address = { place, contentsAt: input.varint(), contents: undefined };
    const offset = input.varint();
    const [fieldsCrc, bodyCrc] = [input.u32(), input.u32()];
    const prefix = version < 2 ? noBytes : Uint8Array.from(input.blob());
    state.journaled.set(row, { address, offset, prefix, fieldsCrc, bodyCrc });
  }
  return { epoch, position };
}

function copyNumbers(numbers: readonly number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(numbers).buffer);
}

function* readNumbers(bytes: Uint8Array): Generator<number> {
  const input = new ByteReader(bytes);
  while (input.left >= 4) yield input.u32();
}

function encodeAccount(out: ByteWriter, state: AccountState): void {
  out
    .text(state.id)
    .u8(state.exists ? 1 : 0)
    .varint(state.modseq);
  out.varint(state.nextMailbox).varint(state.nextMessage).varint(state.nextThread);
  out.varint(state.nextPack).varint(state.lastUidValidity);
  out.varint(state.rowCount).varint(state.rowBytes);
  out.varint(state.messages.count).varint(state.mailboxes.size);
  out.varint(state.tombstones.length);
  for (const { mailbox, name, uidValidity, deletedAt } of state.tombstones)
    out.varint(mailbox).text(name).varint(uidValidity).f64(deletedAt);
  out.varint(state.subscriptions.size);
  for (const name of state.subscriptions) out.text(name);
  out.varint(state.properties.size);
  for (const [name, value] of state.properties) out.text(name).blob(value);
  out.varint(state.packs.size);
  for (const pack of state.packs.values()) {
    out.varint(pack.number).text(pack.name).varint(pack.bytes);
    out.varint(pack.fieldsStart).varint(pack.fieldsEnd);
    out.varint(pack.liveBytes).varint(pack.liveEntries);
  }
  out.varint(state.dropped.size);
  for (const [name, at] of state.dropped) out.text(name).f64(at);
  out.varint(state.commandKeys.size);
  for (const [key, { result, at }] of state.commandKeys) out.text(key).blob(result).f64(at);
}

function decodeAccount(
  input: ByteReader,
  id: AccountId,
): { state: AccountState; messageCount: number; mailboxCount: number } {
  const stored = input.text();
  if (stored !== id) throw new FormatError(`A snapshot of account ${stored} lies with ${id}`);
  const state = new AccountState(id);
  state.exists = input.u8() === 1;
  state.modseq = input.varint();
  state.nextMailbox = input.varint();
  state.nextMessage = input.varint();
  state.nextThread = input.varint();
  state.nextPack = input.varint();
  state.lastUidValidity = input.varint();
  state.rowCount = input.varint();
  state.rowBytes = input.varint();
  const messageCount = input.varint();
  const mailboxCount = input.varint();
  for (let left = input.varint(); left > 0; left--)
    state.tombstones.push({
      mailbox: input.varint() as MailboxNumber,
      name: input.text(),
      uidValidity: input.varint(),
      deletedAt: input.f64(),
    });
  for (let left = input.varint(); left > 0; left--) state.subscriptions.add(input.text());
  for (let left = input.varint(); left > 0; left--)
    state.properties.set(input.text(), Uint8Array.from(input.blob()));
  for (let left = input.varint(); left > 0; left--) {
    const number = input.varint();
    state.packs.set(number, {
      number,
      name: input.text(),
      bytes: input.varint(),
      fieldsStart: input.varint(),
      fieldsEnd: input.varint(),
      liveBytes: input.varint(),
      liveEntries: input.varint(),
    });
  }
  for (let left = input.varint(); left > 0; left--) state.dropped.set(input.text(), input.f64());
  for (let left = input.varint(); left > 0; left--)
    state.commandKeys.set(input.text(), {
      result: Uint8Array.from(input.blob()),
      at: input.f64(),
    });
  return { state, messageCount, mailboxCount };
}

function encodeMailbox(out: ByteWriter, mailbox: MailboxState): void {
  out.varint(mailbox.number).text(mailbox.name).varint(mailbox.uidValidity);
  out.varint(mailbox.uidNext).varint(mailbox.highestModseq).varint(mailbox.historyFloor);
  out.varint(mailbox.firstRecent).varint(mailbox.rows.count).varint(mailbox.history.count);
  out.varint(mailbox.unseen).varint(mailbox.deleted);
  out.varint(mailbox.deletedBytes).varint(mailbox.bytes);
  out.varint(mailbox.specialUse.length);
  for (const use of mailbox.specialUse) out.text(use);
  out.varint(mailbox.keywords.length);
  for (const keyword of mailbox.keywords) out.text(keyword);
  // The first set is the empty one.
  out.varint(mailbox.keywordSets.length - 1);
  for (const set of mailbox.keywordSets.slice(1)) {
    out.varint(set.length);
    for (const id of set) out.varint(id);
  }
  out.varint(mailbox.visitorFlags.size);
  for (const [visitor, flags] of mailbox.visitorFlags) {
    out.text(visitor).varint(flags.size);
    for (const [uid, bits] of flags) out.varint(uid).u8(bits);
  }
  out.varint(mailbox.uidls.size);
  for (const [uid, uidl] of mailbox.uidls) out.varint(uid).text(uidl);
}

function decodeTexts(input: ByteReader): string[] {
  const texts: string[] = [];
  for (let left = input.varint(); left > 0; left--) texts.push(input.text());
  return texts;
}

function decodeMailbox(input: ByteReader): {
  mailbox: MailboxState;
  rowCount: number;
  historyCount: number;
} {
  const number = input.varint() as MailboxNumber;
  const name = input.text();
  const uidValidity = input.varint();
  const uidNext = input.varint();
  const mailbox = new MailboxState({ number, name, uidValidity, uidNext, specialUse: [] });
  mailbox.highestModseq = input.varint();
  mailbox.historyFloor = input.varint();
  mailbox.firstRecent = input.varint();
  const rowCount = input.varint();
  const historyCount = input.varint();
  mailbox.unseen = input.varint();
  mailbox.deleted = input.varint();
  mailbox.deletedBytes = input.varint();
  mailbox.bytes = input.varint();
  mailbox.specialUse = decodeTexts(input);
  for (const keyword of decodeTexts(input)) mailbox.internKeyword(keyword);
  for (let left = input.varint(); left > 0; left--) {
    const ids: number[] = [];
    for (let more = input.varint(); more > 0; more--) ids.push(input.varint());
    mailbox.internKeywordSet(ids);
  }
  for (let left = input.varint(); left > 0; left--) {
    const flags = new Map<number, number>();
    mailbox.visitorFlags.set(input.text(), flags);
    for (let more = input.varint(); more > 0; more--) flags.set(input.varint(), input.u8());
  }
  for (let left = input.varint(); left > 0; left--) mailbox.uidls.set(input.varint(), input.text());
  return { mailbox, rowCount, historyCount };
}
