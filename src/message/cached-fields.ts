/**
 * What FETCH, SEARCH, SORT and THREAD need of a message, encoded once when it arrives.
 * @format cached-fields
 */
import { FormatError, asBuffer, latin1 } from "#base/bytes.ts";
import { limits } from "#base/limits.ts";
import type { Address } from "./addresses.ts";
import { encodeBodyStructure } from "./body-structure.ts";
import { parseDate } from "./dates.ts";
import { decodeHeaderText } from "./encoded-words.ts";
import { encodeEnvelope, envelopeOf } from "./envelope.ts";
import { foldCase } from "./folding.ts";
import { FieldSelection } from "./header-fields.ts";
import { parseMessageIds } from "./message-ids.ts";
import { PartTable, encodePartTable, shiftPartTable } from "./part-table.ts";
import type { ParsedMessage } from "./part.ts";
import { previewOf } from "./preview.ts";
import { baseSubject } from "./subject.ts";

/** The sections in the order in which they are stored. */
const sections = [
  "envelope",
  "bodyStructure",
  "body",
  "preview",
  "messageId",
  "inReplyTo",
  "references",
  "subject",
  "from",
  "to",
  "cc",
  "fromDisplay",
  "toDisplay",
  "keptHeader",
  "parts",
] as const;
type Section = (typeof sections)[number];

const version = 2;
/** "RCF" and the version, little-endian. */
const magic = 0x46_43_52 + version * 0x100_0000;
const fixedBytes = 28;
const sectionsAt = fixedBytes + 4 * sections.length;
const replyFlag = 1;
const dateFlag = 2;

const sectionNumber = new Map<Section, number>(sections.map((name, index) => [name, index]));

/**
 * The fields that mail programs ask for to show a list of messages. A name that a message does not
 * have costs nothing.
 */
const keptFieldNames: ReadonlySet<string> = new Set([
  "bcc",
  "cc",
  "content-type",
  "date",
  "disposition-notification-to",
  "from",
  "importance",
  "in-reply-to",
  "list-id",
  "list-post",
  "list-unsubscribe",
  "mail-followup-to",
  "mail-reply-to",
  "message-id",
  "mime-version",
  "newsgroups",
  "priority",
  "references",
  "reply-to",
  "sender",
  "subject",
  "to",
  "x-priority",
]);
const keptFields = new FieldSelection([...keptFieldNames], false);

/** Whether `CachedFields.keptHeader` holds all fields of these names that the message has. */
export function areKeptFields(names: readonly string[]): boolean {
  return names.every((name) => keptFieldNames.has(name.toLowerCase()));
}

/**
 * What a store keeps beside a message so that it need not be read again: the ENVELOPE,
 * BODYSTRUCTURE and BODY as IMAP bytes, the preview, the keys for SORT and THREAD, the header fields
 * that are asked for most, and where the parts lie. The layout is described in docs/formats/cached-fields.md.
 */
export function encodeCachedFields(message: ParsedMessage): Uint8Array {
  const { root, partCount } = message;
  const header = root.header!;
  const envelope = envelopeOf(header);
  const subject = baseSubject(decodeHeaderText(envelope.subject ?? ""));
  const date = envelope.date === undefined ? undefined : parseDate(envelope.date);
  const references = header.first("references");
  const texts: readonly string[] = [
    encodeEnvelope(envelope),
    encodeBodyStructure(root, true),
    encodeBodyStructure(root, false),
    utf8Text(previewOf(message)),
    envelope.messageId === undefined ? "" : (parseMessageIds(envelope.messageId, 1)[0] ?? ""),
    envelope.inReplyTo === undefined ? "" : parseMessageIds(envelope.inReplyTo).join(" "),
    references === undefined ? "" : parseMessageIds(references).join(" "),
    utf8Text(foldCase(subject.text)),
    mailboxKey(envelope.from),
    mailboxKey(envelope.to),
    mailboxKey(envelope.cc),
    displayKey(envelope.from),
    displayKey(envelope.to),
    keptText(header.bytes),
  ];
  const parts = encodePartTable(root, partCount);
  const text = texts.join("");
  const bytes = Buffer.allocUnsafe(sectionsAt + text.length + parts.length);
  bytes.writeUInt32LE(magic, 0);
  const flags = (subject.isReplyOrForward ? replyFlag : 0) | (date === undefined ? 0 : dateFlag);
  bytes.writeUInt32LE(flags, 4);
  bytes.writeUInt32LE(message.size, 8);
  bytes.writeUInt32LE(root.bodyStart, 12);
  bytes.writeDoubleLE(date?.instantMs ?? 0, 16);
  bytes.writeInt16LE(date?.zoneMinutes ?? 0, 24);
  bytes.writeUInt16LE(sections.length, 26);
  let end = sectionsAt;
  for (const [index, { length }] of texts.entries())
    bytes.writeUInt32LE((end += length), fixedBytes + 4 * index);
  bytes.writeUInt32LE(bytes.length, fixedBytes + 4 * texts.length);
  bytes.write(text, sectionsAt, "latin1");
  bytes.set(parts, end);
  return bytes;
}

/** One character per byte; empty where it is too long to be kept. */
function keptText(header: Uint8Array): string {
  const kept = keptFields.select(header);
  return kept.length > limits.keptHeaderBytesMax ? "" : latin1(kept);
}

/** The UTF-8 bytes of `text`, one character per byte. */
function utf8Text(text: string): string {
  return /^[\x00-\x7f]*$/.test(text) ? text : Buffer.from(text).toString("latin1");
}

/** What FROM, TO and CC of SORT compare: the mailbox of the first address. RFC 5256 §3 */
function mailboxKey(addresses: readonly Address[]): string {
  return utf8Text(foldCase(decodeHeaderText(addresses[0]?.mailbox ?? "")));
}

/** What DISPLAYFROM and DISPLAYTO of SORT compare. RFC 5957 §3 */
function displayKey(addresses: readonly Address[]): string {
  const first = addresses[0];
  if (first === undefined) return "";
  const name = first.name === undefined ? "" : decodeHeaderText(first.name);
  if (name !== "") return utf8Text(foldCase(name));
  const mailbox = first.mailbox ?? "";
  return utf8Text(foldCase(decodeHeaderText(first.host ? `${mailbox}@${first.host}` : mailbox)));
}

/**
 * Cached fields as they are stored. Reading a field that is served as it is costs a view of the
 * bytes. Damage must be found by a checksum outside; what is found here throws `FormatError`.
 */
export class CachedFields {
  readonly bytes: Buffer;

  /** @throws FormatError where `bytes` are no cached fields of a known version */
  constructor(bytes: Uint8Array) {
    this.bytes = asBuffer(bytes);
    if (bytes.length < sectionsAt) throw new FormatError("Cached fields are too short");
    if (this.bytes.readUInt32LE(0) !== magic)
      throw new FormatError("Not cached fields of a known version");
    if (this.bytes.readUInt16LE(26) !== sections.length)
      throw new FormatError("Cached fields with another number of sections");
    let previous = sectionsAt;
    for (let i = 0; i < sections.length; i++) {
      const end = this.bytes.readUInt32LE(fixedBytes + 4 * i);
      if (end < previous || end > bytes.length)
        throw new FormatError("A section of cached fields ends outside");
      previous = end;
    }
  }

  #start(index: number): number {
    return index === 0 ? sectionsAt : this.bytes.readUInt32LE(fixedBytes + 4 * (index - 1));
  }

  #section(name: Section): Uint8Array {
    const index = sectionNumber.get(name)!;
    const end = this.bytes.readUInt32LE(fixedBytes + 4 * index);
    return this.bytes.subarray(this.#start(index), end);
  }

  #text(name: Section, encoding: "latin1" | "utf8"): string {
    const index = sectionNumber.get(name)!;
    const end = this.bytes.readUInt32LE(fixedBytes + 4 * index);
    return this.bytes.toString(encoding, this.#start(index), end);
  }

  #ids(name: Section): readonly string[] {
    const text = this.#text(name, "latin1");
    return text === "" ? [] : text.split(" ");
  }

  /** ENVELOPE as IMAP bytes, valid in IMAP4rev1, IMAP4rev2 and with UTF8=ACCEPT. */
  get envelope(): Uint8Array {
    return this.#section("envelope");
  }
  /** BODYSTRUCTURE as IMAP bytes. */
  get bodyStructure(): Uint8Array {
    return this.#section("bodyStructure");
  }
  /** BODY, the form without extension data, as IMAP bytes. */
  get body(): Uint8Array {
    return this.#section("body");
  }
  /** UTF-8, without line ends and control characters; may be empty. RFC 8970 §3 */
  get preview(): Uint8Array {
    return this.#section("preview");
  }
  /** Bytes of the whole message. */
  get messageBytes(): number {
    return this.bytes.readUInt32LE(8);
  }
  /** Bytes of its header with the empty line. */
  get headerBytes(): number {
    return this.bytes.readUInt32LE(12);
  }

  /** Without brackets, normalised, one character per byte; empty if there is none that is valid. */
  get messageId(): string {
    return this.#text("messageId", "latin1");
  }
  get inReplyTo(): readonly string[] {
    return this.#ids("inReplyTo");
  }
  get references(): readonly string[] {
    return this.#ids("references");
  }
  /** What THREAD goes by: References, or else the first id of In-Reply-To. RFC 5256 §3 */
  get threadReferences(): readonly string[] {
    const references = this.references;
    return references.length > 0 ? references : this.inReplyTo.slice(0, 1);
  }

  /** Base subject, decoded and folded for comparison (`foldCase`). RFC 5256 §2.1 */
  get subjectKey(): string {
    return this.#text("subject", "utf8");
  }
  /** The subject marks a reply or a forwarded message. */
  get isReplyOrForward(): boolean {
    return (this.bytes.readUInt32LE(4) & replyFlag) !== 0;
  }
  /** Milliseconds since 1970; undefined where INTERNALDATE has to stand in. RFC 5256 §2.2 */
  get sentInstantMs(): number | undefined {
    if ((this.bytes.readUInt32LE(4) & dateFlag) === 0) return undefined;
    return this.bytes.readDoubleLE(16);
  }
  /**
   * The day in the sender's zone, in days since 1970-01-01: what SENTON, SENTBEFORE and SENTSINCE
   * compare. Undefined without a valid Date. RFC 9051 §6.4.4
   */
  get sentDay(): number | undefined {
    const instant = this.sentInstantMs;
    if (instant === undefined) return undefined;
    return Math.floor((instant + this.bytes.readInt16LE(24) * 60_000) / 86_400_000);
  }

  /** Keys of SORT, decoded and folded. RFC 5256 §3, RFC 5957 §3 */
  get fromKey(): string {
    return this.#text("from", "utf8");
  }
  get toKey(): string {
    return this.#text("to", "utf8");
  }
  get ccKey(): string {
    return this.#text("cc", "utf8");
  }
  get fromDisplayKey(): string {
    return this.#text("fromDisplay", "utf8");
  }
  get toDisplayKey(): string {
    return this.#text("toDisplay", "utf8");
  }

  /**
   * The fields of the header that `areKeptFields` names, as they stand there, and an empty line;
   * undefined where they are too long to be kept.
   */
  get keptHeader(): Uint8Array | undefined {
    const kept = this.#section("keptHeader");
    return kept.length === 0 ? undefined : kept;
  }

  /** Where the parts lie. @throws FormatError */
  get parts(): PartTable {
    return new PartTable(this.#section("parts"));
  }
}

/**
 * The cached fields of the message with `by` bytes of further header fields in front of it, none of
 * which are among those that `encodeCachedFields` looks at. A new array of the same length.
 *
 * @throws FormatError
 */
export function shiftCachedFields(fields: Uint8Array, by: number): Uint8Array {
  const bytes = Buffer.allocUnsafeSlow(fields.length);
  bytes.set(fields);
  const shifted = new CachedFields(bytes);
  bytes.writeUInt32LE(shifted.messageBytes + by, 8);
  bytes.writeUInt32LE(shifted.headerBytes + by, 12);
  shiftPartTable(shifted.parts, by);
  return bytes;
}
