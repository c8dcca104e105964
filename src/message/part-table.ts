import { FormatError, asBuffer } from "#base/bytes.ts";
import { parameter } from "./parameters.ts";
import type { MessagePart, PartKind } from "./part.ts";
import { transferEncodings } from "./transfer-encoding.ts";
import type { TransferEncoding } from "./transfer-encoding.ts";

const kinds: readonly PartKind[] = ["leaf", "multipart", "message"];

/** What a part table says about the media type: enough for searching and previews. */
export type TextKind = "none" | "plain" | "html" | "other";
const textKinds: readonly TextKind[] = ["none", "plain", "html", "other"];

/** A part without its description: what is needed to serve its bytes. */
export interface PartEntry {
  /** Position in the table; the message itself is 0. */
  readonly index: number;
  readonly kind: PartKind;
  /** Undefined: an encoding that cannot be undone. */
  readonly encoding: TransferEncoding | undefined;
  readonly text: TextKind;
  /** As the message names it; empty if it does not. One character per byte. */
  readonly charset: string;
  readonly headerStart: number;
  readonly bodyStart: number;
  readonly bodyEnd: number;
  readonly lines: number;
}

/** Bytes of a record: four of one byte, six of four. */
const recordBytes = 28;
const unknownEncoding = 255;
/** A charset's name that is kept; none is that long. */
const charsetBytesMax = 60;

/**
 * The parts of a message as a table: all parts in the order in which they lie, each before its
 * children. The stored form is described in docs/formats/cached-fields.md.
 */
export class PartTable {
  readonly bytes: Buffer;
  readonly count: number;

  /** @throws FormatError where `bytes` cannot be a part table */
  constructor(bytes: Uint8Array) {
    this.bytes = asBuffer(bytes);
    if (bytes.length < 4) throw new FormatError("A part table without its count");
    this.count = this.bytes.readUInt32LE(0);
    if (this.count < 1 || 4 + this.count * recordBytes > bytes.length)
      throw new FormatError(`A part table of ${bytes.length} bytes for ${this.count} parts`);
  }

  #record(index: number): number {
    if (!(index >= 0 && index < this.count))
      throw new FormatError(`Part ${index} of a table of ${this.count}`);
    return 4 + index * recordBytes;
  }

  kind(index: number): PartKind {
    const kind = kinds[this.bytes[this.#record(index)]!];
    if (kind === undefined) throw new FormatError("A part of an unknown kind");
    return kind;
  }

  /** The first part after this one and all that it contains. */
  next(index: number): number {
    const next = this.bytes.readUInt32LE(this.#record(index) + 20);
    if (next <= index || next > this.count) throw new FormatError("A part that ends nowhere");
    return next;
  }

  /** The `number`-th child (from 1) of a multipart or message, or -1. */
  child(index: number, number: number): number {
    const end = this.next(index);
    let child = index + 1;
    for (let left = number; child < end && left > 1; left--) child = this.next(child);
    return number >= 1 && child < end ? child : -1;
  }

  /** @throws FormatError where the record is damaged */
  entry(index: number): PartEntry {
    const at = this.#record(index);
    const { bytes } = this;
    const text = textKinds[bytes[at + 2]!];
    const headerStart = bytes.readUInt32LE(at + 4);
    const bodyStart = bytes.readUInt32LE(at + 8);
    const bodyEnd = bytes.readUInt32LE(at + 12);
    const charsetStart = bytes.readUInt32LE(at + 24);
    const charsetEnd = charsetStart + bytes[at + 3]!;
    if (
      text === undefined ||
      headerStart > bodyStart ||
      bodyStart > bodyEnd ||
      charsetEnd > bytes.length
    )
      throw new FormatError("A damaged part");
    return {
      index,
      kind: this.kind(index),
      encoding: transferEncodings[bytes[at + 1]!],
      text,
      charset: bytes.toString("latin1", charsetStart, charsetEnd),
      headerStart,
      bodyStart,
      bodyEnd,
      lines: bytes.readUInt32LE(at + 16),
    };
  }

  /**
   * The part that a section number names, or -1. A message that is no multipart has one part, 1,
   * which is its text. RFC 9051 §6.4.5.1
   */
  find(path: readonly number[]): number {
    if (path.length === 0) return 0;
    let index = this.#partOfMessage(0, path[0]!);
    for (let i = 1; i < path.length && index >= 0; i++) {
      const kind = this.kind(index);
      if (kind === "multipart") index = this.child(index, path[i]!);
      else if (kind === "message") index = this.#partOfMessage(index + 1, path[i]!);
      else return -1;
    }
    return index;
  }

  #partOfMessage(message: number, number: number): number {
    if (this.kind(message) === "multipart") return this.child(message, number);
    return number === 1 ? message : -1;
  }
}

/** The table of all parts from `root` on. */
export function encodePartTable(root: MessagePart, partCount: number): Uint8Array {
  const charsets: string[] = [];
  let charsetsAt = 4 + partCount * recordBytes;
  const bytes = Buffer.alloc(charsetsAt);
  let index = 0;
  const write = (part: MessagePart): void => {
    const at = 4 + index * recordBytes;
    index++;
    const encoding = (transferEncodings as readonly string[]).indexOf(part.encoding);
    const charset =
      part.type === "text"
        ? (parameter(part.params, "charset") ?? "").slice(0, charsetBytesMax)
        : "";
    bytes[at] = kinds.indexOf(part.kind);
    bytes[at + 1] = encoding < 0 ? unknownEncoding : encoding;
    bytes[at + 2] = textKinds.indexOf(textKindOf(part));
    bytes[at + 3] = charset.length;
    bytes.writeUInt32LE(part.headerStart, at + 4);
    bytes.writeUInt32LE(part.bodyStart, at + 8);
    bytes.writeUInt32LE(part.bodyEnd, at + 12);
    bytes.writeUInt32LE(part.lines, at + 16);
    bytes.writeUInt32LE(charsetsAt, at + 24);
    if (charset !== "") {
      charsets.push(charset);
      charsetsAt += charset.length;
    }
    for (const child of part.children) write(child);
    bytes.writeUInt32LE(index, at + 20);
  };
  write(root);
  bytes.writeUInt32LE(index, 0);
  if (charsets.length === 0) return bytes;
  return Buffer.concat([bytes, Buffer.from(charsets.join(""), "latin1")]);
}

function textKindOf(part: MessagePart): TextKind {
  if (part.type !== "text") return "none";
  if (part.subtype === "plain" || part.subtype === "html") return part.subtype;
  return "other";
}

/** Moves all parts of a stored table, in place, as `by` bytes more in front of the header do. */
export function shiftPartTable({ bytes, count }: PartTable, by: number): void {
  for (let index = 0; index < count; index++) {
    const at = 4 + index * recordBytes;
    // The header of the message itself still begins where the message does.
    if (index > 0) bytes.writeUInt32LE(bytes.readUInt32LE(at + 4) + by, at + 4);
    bytes.writeUInt32LE(bytes.readUInt32LE(at + 8) + by, at + 8);
    bytes.writeUInt32LE(bytes.readUInt32LE(at + 12) + by, at + 12);
  }
}
