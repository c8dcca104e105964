/** FETCH: items, sections and modifiers. */
import { latin1 } from "../../base/bytes.ts";
import type { Cursor } from "./cursor.ts";
import type { SequenceSet } from "./sequence-set.ts";

/** Items that are just a name. RFC 9051 §6.4.5, RFC 7162 §3.1.4, RFC 8474 §5.3, RFC 8514 §4.2 */
const plainItems = [
  "FLAGS",
  "UID",
  "INTERNALDATE",
  "RFC822.SIZE",
  "ENVELOPE",
  "BODYSTRUCTURE",
  "MODSEQ",
  "EMAILID",
  "THREADID",
  "SAVEDATE",
] as const;

/** What of a part is meant; null: all of it. RFC 9051 §6.4.5.1 */
export type SectionText = "HEADER" | "HEADER.FIELDS" | "HEADER.FIELDS.NOT" | "TEXT" | "MIME" | null;

export interface Section {
  /** Part numbers from 1, empty for the message itself. */
  readonly part: readonly number[];
  readonly text: SectionText;
  /** Field names as the client wrote them, for HEADER.FIELDS and HEADER.FIELDS.NOT. */
  readonly fields: readonly string[];
}

/** A substring of octets; `count` at least 1. */
export interface PartialRange {
  readonly offset: number;
  readonly count: number;
}

export type FetchItem =
  | { readonly item: (typeof plainItems)[number] }
  /** BODYSTRUCTURE without its extension data. */
  | { readonly item: "BODY" }
  | { readonly item: "RFC822" | "RFC822.HEADER" | "RFC822.TEXT" }
  /** RFC 8970 §3 */
  | { readonly item: "PREVIEW"; readonly lazy: boolean }
  | {
      readonly item: "BODY[]";
      readonly section: Section;
      readonly peek: boolean;
      readonly partial: PartialRange | null;
      /** How the response names it, without the origin octet: `BODY[1.MIME]`. */
      readonly label: string;
    }
  /** RFC 3516 §4.2 */
  | {
      readonly item: "BINARY[]";
      readonly part: readonly number[];
      readonly peek: boolean;
      readonly partial: PartialRange | null;
      /** `BINARY[1.2]` */
      readonly label: string;
    }
  /** RFC 3516 §4.2 */
  | { readonly item: "BINARY.SIZE"; readonly part: readonly number[]; readonly label: string };

/** RFC 9051 §6.4.5, RFC 7162 §3.1.4.1, §3.2.6 */
export interface FetchCommand {
  readonly name: "FETCH";
  readonly tag: string;
  readonly uid: boolean;
  readonly set: SequenceSet;
  readonly items: readonly FetchItem[];
  /** Only messages whose mod-sequence is above it. */
  readonly changedSince: number | null;
  readonly vanished: boolean;
}

/** Longest part specifier that is read; deeper parts do not exist. */
const partNumbersMax = 100;

const flags: FetchItem = { item: "FLAGS" };
const internalDate: FetchItem = { item: "INTERNALDATE" };
const size: FetchItem = { item: "RFC822.SIZE" };
const envelope: FetchItem = { item: "ENVELOPE" };
const body: FetchItem = { item: "BODY" };

/** RFC 9051 §6.4.5 */
const macros: ReadonlyMap<string, readonly FetchItem[]> = new Map([
  ["ALL", [flags, internalDate, size, envelope]],
  ["FAST", [flags, internalDate, size]],
  ["FULL", [flags, internalDate, size, envelope, body]],
]);

const singles: ReadonlyMap<string, FetchItem> = new Map<string, FetchItem>([
  ...plainItems.map((item): [string, FetchItem] => [item, { item }]),
  ["RFC822", { item: "RFC822" }],
  ["RFC822.HEADER", { item: "RFC822.HEADER" }],
  ["RFC822.TEXT", { item: "RFC822.TEXT" }],
]);

/** Part numbers up to a name or the closing bracket. RFC 9051 §9 (section-part) */
function readPart(cursor: Cursor): number[] {
  const part: number[] = [];
  while (cursor.peek() >= 0x30 && cursor.peek() <= 0x39) {
    if (part.length >= partNumbersMax) cursor.fail("Part specifier too long", "LIMIT");
    part.push(cursor.nzNumber());
    if (!cursor.skipByte(0x2e)) return part;
    if (cursor.peek() === 0x5d) cursor.fail("Part specifier ends with a dot");
  }
  return part;
}

// RFC 5322 §2.2: printable ASCII but the colon.
const fieldNameForm = /^[!-9;-~]+$/;
const atomForm = /^[^(){ %*"\\]+$/;

function readFieldName(cursor: Cursor): string {
  const bytes = cursor.astring();
  const name = latin1(bytes);
  return fieldNameForm.test(name) ? name : cursor.fail("Not the name of a header field");
}

function fieldLabel(name: string): string {
  return atomForm.test(name) ? name : `"${name.replace(/["\\]/g, "\\$&")}"`;
}

function readSection(cursor: Cursor): Section {
  cursor.byte(0x5b);
  const part = readPart(cursor);
  if (cursor.skipByte(0x5d)) return { part, text: null, fields: [] };
  const text = cursor.dottedName();
  let fields: string[] = [];
  switch (text) {
    case "HEADER.FIELDS":
    case "HEADER.FIELDS.NOT":
      cursor.space();
      fields = cursor.list(() => readFieldName(cursor));
      break;
    case "HEADER":
    case "TEXT":
      break;
    case "MIME":
      if (part.length === 0) cursor.fail("MIME needs a part number");
      break;
    default:
      return cursor.fail("Unknown section");
  }
  cursor.byte(0x5d);
  return { part, text, fields };
}

function sectionLabel(section: Section): string {
  let label = section.part.join(".");
  if (section.text !== null) label += (label === "" ? "" : ".") + section.text;
  if (section.fields.length > 0) label += ` (${section.fields.map(fieldLabel).join(" ")})`;
  return label;
}

// RFC 9051 §9 (partial)
function readPartial(cursor: Cursor): PartialRange | null {
  if (!cursor.skipByte(0x3c)) return null;
  const offset = cursor.number64();
  cursor.byte(0x2e);
  const count = cursor.number64();
  if (count === 0) cursor.fail("Zero is not allowed here");
  cursor.byte(0x3e);
  return { offset, count };
}

function readBody(cursor: Cursor, peek: boolean): FetchItem {
  const section = readSection(cursor);
  const label = `BODY[${sectionLabel(section)}]`;
  return { item: "BODY[]", section, peek, partial: readPartial(cursor), label };
}

function readBinaryPart(cursor: Cursor): number[] {
  cursor.byte(0x5b);
  const part = readPart(cursor);
  cursor.byte(0x5d);
  return part;
}

function readBinary(cursor: Cursor, peek: boolean): FetchItem {
  const part = readBinaryPart(cursor);
  const label = `BINARY[${part.join(".")}]`;
  return { item: "BINARY[]", part, peek, partial: readPartial(cursor), label };
}

// RFC 8970 §3
function readPreview(cursor: Cursor): FetchItem {
  if (cursor.peek() !== 0x20 || cursor.bytes[cursor.at + 1] !== 0x28 || cursor.at + 1 >= cursor.end)
    return { item: "PREVIEW", lazy: false };
  const start = cursor.at;
  cursor.space();
  cursor.byte(0x28);
  if (cursor.skipKeyword("LAZY") && cursor.skipByte(0x29)) return { item: "PREVIEW", lazy: true };
  // The parenthesis belongs to the modifiers of the command.
  cursor.at = start;
  return { item: "PREVIEW", lazy: false };
}

function readItem(cursor: Cursor): FetchItem {
  const name = cursor.dottedName();
  const single = singles.get(name);
  if (single !== undefined) return single;
  switch (name) {
    case "BODY":
      return cursor.peek() === 0x5b ? readBody(cursor, false) : body;
    case "BODY.PEEK":
      return readBody(cursor, true);
    case "BINARY":
      return readBinary(cursor, false);
    case "BINARY.PEEK":
      return readBinary(cursor, true);
    case "BINARY.SIZE": {
      const part = readBinaryPart(cursor);
      return { item: "BINARY.SIZE", part, label: `BINARY.SIZE[${part.join(".")}]` };
    }
    case "PREVIEW":
      return readPreview(cursor);
    default:
      return cursor.fail("Unknown fetch item");
  }
}

function readItems(cursor: Cursor): readonly FetchItem[] {
  if (cursor.peek() === 0x28) return cursor.list(() => readItem(cursor));
  const start = cursor.at;
  const macro = macros.get(cursor.dottedName());
  if (macro !== undefined) return macro;
  cursor.at = start;
  return [readItem(cursor)];
}

export function parseFetch(cursor: Cursor): FetchCommand {
  cursor.space();
  const set = cursor.sequenceSet();
  cursor.space();
  const items = readItems(cursor);
  let changedSince: number | null = null;
  let vanished = false;
  if (cursor.skipByte(0x20)) {
    cursor.list(() => {
      const modifier = cursor.keyword("a modifier");
      if (modifier === "CHANGEDSINCE" && changedSince === null) {
        cursor.space();
        changedSince = cursor.modSeq();
      } else if (modifier === "VANISHED" && cursor.uid) vanished = true;
      else cursor.fail("Unknown or repeated modifier");
    });
  }
  // RFC 7162 §3.2.6: VANISHED is allowed together with CHANGEDSINCE only.
  if (vanished && changedSince === null) cursor.fail("VANISHED needs CHANGEDSINCE");
  return {
    name: "FETCH",
    tag: cursor.tag,
    uid: cursor.uid,
    set,
    items,
    changedSince,
    vanished,
  };
}
