/**
 * Stored form of a unit: varints, texts and blobs of `base/bytes`.
 * @format record
 */
import { type ByteReader, type ByteWriter, FormatError } from "#base/bytes.ts";
import type { MailboxNumber, MessageNumber, ModSeq } from "#base/brand.ts";
import type { AddedMessage, Change, ContentPlace, PackAdded, Unit } from "./change.ts";
import type { UidRanges } from "./uid-ranges.ts";

/**
 * Raised when a reader of an older version would misread a record. A new kind of change needs no
 * new version: an unknown kind stops an older reader by itself.
 */
export const recordFormatVersion = 1;

/** Numbers of the kinds; stored, so never reused or reordered. */
const kinds = [
  "accountCreated",
  "mailboxCreated",
  "mailboxRenamed",
  "mailboxDeleted",
  "specialUseChanged",
  "subscriptionChanged",
  "contentAdded",
  "messagesAdded",
  "messagesCopied",
  "flagsChanged",
  "expunged",
  "recentTaken",
  "visitorFlagsChanged",
  "propertyChanged",
  "commandDone",
  "commandKeysDropped",
  "packAdded",
  "objectsDropped",
  "objectsDeleted",
  "uidValidityChanged",
] as const satisfies readonly Change["kind"][];
const kindNumbers = new Map<string, number>(kinds.map((kind, number) => [kind, number]));
const modes = ["add", "remove", "replace"] as const;

/** Appends the stored form of `unit`. */
export function encodeUnit(out: ByteWriter, unit: Unit): void {
  out.u8(recordFormatVersion).varint(unit.modseq).f64(unit.at).varint(unit.changes.length);
  for (const change of unit.changes) encodeChange(out, change);
}

/** Reads what `encodeUnit` wrote; throws `FormatError` where it is damaged or too new. */
export function decodeUnit(input: ByteReader): Unit {
  const version = input.u8();
  if (version !== recordFormatVersion)
    throw new FormatError(`Record of format version ${version}, this program reads version 1`);
  const modseq = input.varint() as ModSeq;
  const at = input.f64();
  const count = input.varint();
  const changes: Change[] = [];
  for (let i = 0; i < count; i++) changes.push(decodeChange(input));
  return { modseq, at, changes };
}

function encodeTexts(out: ByteWriter, texts: readonly string[]): void {
  out.varint(texts.length);
  for (const text of texts) out.text(text);
}

function decodeTexts(input: ByteReader): string[] {
  const count = input.varint();
  const out: string[] = [];
  for (let i = 0; i < count; i++) out.push(input.text());
  return out;
}

/** Ranges as gaps: distance to the previous end, then length less one. */
function encodeRanges(out: ByteWriter, ranges: UidRanges): void {
  out.varint(ranges.length >>> 1);
  let previous = 0;
  for (let i = 0; i < ranges.length; i += 2) {
    out.varint(ranges[i]! - previous).varint(ranges[i + 1]! - ranges[i]!);
    previous = ranges[i + 1]!;
  }
}

function decodeRanges(input: ByteReader): UidRanges {
  const count = input.varint();
  if (count > input.left) throw new FormatError("More ranges than bytes");
  const ranges = new Uint32Array(count * 2);
  let previous = 0;
  for (let i = 0; i < ranges.length; i += 2) {
    const from = previous + input.varint();
    previous = from + input.varint();
    if (previous > 0xffff_ffff) throw new FormatError("Uid out of range");
    ranges[i] = from;
    ranges[i + 1] = previous;
  }
  return ranges;
}

function encodePack(out: ByteWriter, pack: PackAdded): void {
  out.varint(pack.number).text(pack.name).varint(pack.bytes);
  out.varint(pack.fieldsStart).varint(pack.fieldsEnd).varint(pack.entries.length);
  for (const entry of pack.entries) {
    out.varint(entry.message).varint(entry.offset).varint(entry.length);
    out.varint(entry.fieldsOffset).varint(entry.fieldsLength);
  }
}

function decodePack(input: ByteReader): PackAdded {
  const number = input.varint();
  const name = input.text();
  const bytes = input.varint();
  const fieldsStart = input.varint();
  const fieldsEnd = input.varint();
  const entries = [];
  for (let left = input.varint(); left > 0; left--)
    entries.push({
      message: input.varint() as MessageNumber,
      offset: input.varint(),
      length: input.varint(),
      fieldsOffset: input.varint(),
      fieldsLength: input.varint(),
    });
  return { number, name, bytes, fieldsStart, fieldsEnd, entries };
}

function encodePlace(out: ByteWriter, place: ContentPlace): void {
  if (place.in === "record") out.u8(0).u32(place.offset).u32(place.fieldsCrc).u32(place.bodyCrc);
  else if (place.in === "pack") encodePack(out.u8(1), place.pack);
  else out.u8(2).blob(place.prefix).u32(place.fieldsCrc).u32(place.bodyCrc);
}

function decodePlace(input: ByteReader): ContentPlace {
  const kind = input.u8();
  if (kind === 0)
    return { in: "record", offset: input.u32(), fieldsCrc: input.u32(), bodyCrc: input.u32() };
  if (kind === 1) return { in: "pack", pack: decodePack(input) };
  if (kind === 2)
    return {
      in: "batch",
      // A copy: it stays in memory longer than what it is read from.
      prefix: Uint8Array.from(input.blob()),
      fieldsCrc: input.u32(),
      bodyCrc: input.u32(),
    };
  throw new FormatError(`Unknown place of a content: ${kind}`);
}

function encodeAdded(out: ByteWriter, message: AddedMessage): void {
  const extras = (message.modseq === undefined ? 0 : 1) | (message.uidl === undefined ? 0 : 2);
  out.varint(message.uid).varint(message.message).u8(message.bits).u8(extras);
  out.varint(message.savedAt);
  encodeTexts(out, message.keywords);
  if (message.modseq !== undefined) out.varint(message.modseq);
  if (message.uidl !== undefined) out.text(message.uidl);
}

function decodeAdded(input: ByteReader): AddedMessage {
  const uid = input.varint();
  const message = input.varint() as MessageNumber;
  const bits = input.u8();
  const extras = input.u8();
  const savedAt = input.varint();
  const keywords = decodeTexts(input);
  return {
    uid,
    message,
    bits,
    savedAt,
    keywords,
    ...(extras & 1 ? { modseq: input.varint() as ModSeq } : {}),
    ...(extras & 2 ? { uidl: input.text() } : {}),
  };
}

type ChangeOf<K extends Change["kind"]> = Extract<Change, { kind: K }>;
type Codecs = {
  readonly [K in Change["kind"]]: {
    encode(out: ByteWriter, change: ChangeOf<K>): void;
    decode(input: ByteReader): Omit<ChangeOf<K>, "kind">;
  };
};

const readMailbox = (input: ByteReader): MailboxNumber => input.varint() as MailboxNumber;

/** How each kind is stored, behind its number. */
const codecs: Codecs = {
  accountCreated: { encode() {}, decode: () => ({}) },
  mailboxCreated: {
    encode(out, change) {
      out.varint(change.mailbox).text(change.name).varint(change.uidValidity);
      encodeTexts(out.varint(change.uidNext), change.specialUse);
    },
    decode: (input) => ({
      mailbox: readMailbox(input),
      name: input.text(),
      uidValidity: input.varint(),
      uidNext: input.varint(),
      specialUse: decodeTexts(input),
    }),
  },
  mailboxRenamed: {
    encode: (out, change) => void out.varint(change.mailbox).text(change.name),
    decode: (input) => ({ mailbox: readMailbox(input), name: input.text() }),
  },
  uidValidityChanged: {
    encode: (out, change) => void out.varint(change.mailbox).varint(change.uidValidity),
    decode: (input) => ({ mailbox: readMailbox(input), uidValidity: input.varint() }),
  },
  mailboxDeleted: {
    encode: (out, change) => void out.varint(change.mailbox),
    decode: (input) => ({ mailbox: readMailbox(input) }),
  },
  specialUseChanged: {
    encode: (out, change) => encodeTexts(out.varint(change.mailbox), change.specialUse),
    decode: (input) => ({ mailbox: readMailbox(input), specialUse: decodeTexts(input) }),
  },
  subscriptionChanged: {
    encode: (out, change) => void out.text(change.name).u8(change.subscribed ? 1 : 0),
    decode: (input) => ({ name: input.text(), subscribed: input.u8() === 1 }),
  },
  contentAdded: {
    encode(out, change) {
      out.varint(change.message).varint(change.size).varint(change.fieldsLength);
      out.f64(change.internalDate).f64(change.sentDate);
      out.varint(change.thread).varint(change.messageIdHash);
      encodePlace(out, change.place);
    },
    decode: (input) => ({
      message: input.varint() as MessageNumber,
      size: input.varint(),
      fieldsLength: input.varint(),
      internalDate: input.f64(),
      sentDate: input.f64(),
      thread: input.varint(),
      messageIdHash: input.varint(),
      place: decodePlace(input),
    }),
  },
  messagesAdded: {
    encode(out, change) {
      out.varint(change.mailbox).varint(change.messages.length);
      for (const message of change.messages) encodeAdded(out, message);
    },
    decode(input) {
      const mailbox = readMailbox(input);
      const messages: AddedMessage[] = [];
      for (let left = input.varint(); left > 0; left--) messages.push(decodeAdded(input));
      return { mailbox, messages };
    },
  },
  messagesCopied: {
    encode(out, change) {
      encodeRanges(out.varint(change.from).varint(change.to), change.uids);
      out.varint(change.firstUid).varint(change.savedAt);
    },
    decode: (input) => ({
      from: readMailbox(input),
      to: readMailbox(input),
      uids: decodeRanges(input),
      firstUid: input.varint(),
      savedAt: input.varint(),
    }),
  },
  flagsChanged: {
    encode(out, change) {
      encodeRanges(out.varint(change.mailbox), change.uids);
      out.u8(modes.indexOf(change.mode)).u8(change.bits);
      encodeTexts(out, change.keywords);
    },
    decode: (input) => ({
      mailbox: readMailbox(input),
      uids: decodeRanges(input),
      mode: decodeMode(input),
      bits: input.u8(),
      keywords: decodeTexts(input),
    }),
  },
  expunged: {
    encode: (out, change) => encodeRanges(out.varint(change.mailbox), change.uids),
    decode: (input) => ({ mailbox: readMailbox(input), uids: decodeRanges(input) }),
  },
  recentTaken: {
    encode: (out, change) => void out.varint(change.mailbox).varint(change.firstRecent),
    decode: (input) => ({ mailbox: readMailbox(input), firstRecent: input.varint() }),
  },
  visitorFlagsChanged: {
    encode(out, change) {
      encodeRanges(out.varint(change.mailbox).text(change.visitor), change.uids);
      out.u8(modes.indexOf(change.mode)).u8(change.bits);
    },
    decode: (input) => ({
      mailbox: readMailbox(input),
      visitor: input.text(),
      uids: decodeRanges(input),
      mode: decodeMode(input),
      bits: input.u8(),
    }),
  },
  propertyChanged: {
    encode(out, change) {
      out
        .varint(change.mailbox)
        .text(change.name)
        .u8(change.value === null ? 0 : 1);
      if (change.value !== null) out.blob(change.value);
    },
    decode: (input) => ({
      mailbox: readMailbox(input),
      name: input.text(),
      value: input.u8() === 0 ? null : Uint8Array.from(input.blob()),
    }),
  },
  commandDone: {
    encode: (out, change) => void out.text(change.key).blob(change.result),
    decode: (input) => ({ key: input.text(), result: Uint8Array.from(input.blob()) }),
  },
  commandKeysDropped: {
    encode: (out, change) => encodeTexts(out, change.keys),
    decode: (input) => ({ keys: decodeTexts(input) }),
  },
  packAdded: {
    encode: (out, change) => encodePack(out, change.pack),
    decode: (input) => ({ pack: decodePack(input) }),
  },
  objectsDropped: {
    encode: (out, change) => encodeTexts(out, change.names),
    decode: (input) => ({ names: decodeTexts(input) }),
  },
  objectsDeleted: {
    encode: (out, change) => encodeTexts(out, change.names),
    decode: (input) => ({ names: decodeTexts(input) }),
  },
};

function encodeChange(out: ByteWriter, change: Change): void {
  out.u8(kindNumbers.get(change.kind)!);
  // The compiler cannot know that the kind picks the codec of the same kind.
  (codecs[change.kind].encode as (out: ByteWriter, change: Change) => void)(out, change);
}

function decodeMode(input: ByteReader): "add" | "remove" | "replace" {
  const mode = modes[input.u8()];
  if (mode === undefined) throw new FormatError("Unknown mode of a flag change");
  return mode;
}

function decodeChange(input: ByteReader): Change {
  const number = input.u8();
  const kind = kinds[number];
  if (kind === undefined) throw new FormatError(`Unknown kind of change: ${number}`);
  return { kind, ...codecs[kind].decode(input) } as Change;
}
