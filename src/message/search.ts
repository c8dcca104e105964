import { isAscii } from "node:buffer";
import { Refusal } from "#base/assert.ts";
import { concatBytes, latin1 } from "#base/bytes.ts";
import { limits } from "#base/limits.ts";
import { type CharsetDecoder, charsetDecoder, isAsciiCompatible } from "./charsets.ts";
import { decodeHeaderText } from "./encoded-words.ts";
import { foldCase } from "./folding.ts";
import { unfold } from "./header.ts";
import type { PartEntry, PartTable } from "./part-table.ts";
import { type TransferDecoder, transferDecoder } from "./transfer-encoding.ts";

/** A piece of a message's text. */
export interface TextPiece {
  /** Position of the part in the part table. */
  readonly part: number;
  readonly isHeader: boolean;
  /** Decoded and folded (`foldCase`). */
  readonly text: string;
  /** The text goes on in the next piece. */
  readonly more: boolean;
}

/** Header fields and texts, or texts alone: SEARCH TEXT and SEARCH BODY. RFC 9051 §6.4.4 */
export type SearchScope = "text" | "body";

/**
 * The text of a message for searching, piece by piece, each from at most
 * `limits.searchChunkBytes` of the message. HTML is given as it is written.
 */
export function* searchableText(
  message: Uint8Array,
  parts: PartTable,
  scope: SearchScope,
): Generator<TextPiece> {
  for (let index = 0; index < parts.count; index++) {
    const part = parts.entry(index);
    if (scope === "text" && part.bodyStart > part.headerStart)
      yield { part: index, isHeader: true, text: headerText(headerOf(message, part)), more: false };
    if (!isSearchable(part)) continue;
    for (const { text, more } of textOf(message, part))
      yield { part: index, isHeader: false, text, more };
  }
}

/** A message that is not held: the bytes from `start` to before `end`, in pieces of any size. */
export interface MessageReader {
  pieces(start: number, end: number): AsyncIterable<Uint8Array>;
}

/** The same for a message of which only a piece at a time, and one header, is in memory. */
export async function* searchableTextOf(
  message: MessageReader,
  parts: PartTable,
  scope: SearchScope,
): AsyncGenerator<TextPiece> {
  for (let index = 0; index < parts.count; index++) {
    const part = parts.entry(index);
    const { headerStart, bodyStart, bodyEnd } = part;
    if (scope === "text" && bodyStart > headerStart) {
      const header: Uint8Array[] = [];
      for await (const piece of message.pieces(headerStart, bodyStart)) header.push(piece);
      const text = headerText(concatBytes(header));
      yield { part: index, isHeader: true, text, more: false };
    }
    if (!isSearchable(part)) continue;
    const decoder = new PartDecoder(part);
    for await (const piece of message.pieces(bodyStart, bodyEnd))
      for (const encoded of chunks(piece, 0, piece.length))
        yield { part: index, isHeader: false, text: decoder.push(encoded), more: true };
    yield { part: index, isHeader: false, text: decoder.end(), more: false };
  }
}

/** A text in an encoding that nobody knows is not searched. */
function isSearchable(part: PartEntry): boolean {
  return part.text !== "none" && part.kind === "leaf" && part.encoding !== undefined;
}

function headerOf(message: Uint8Array, { headerStart, bodyStart }: PartEntry): Uint8Array {
  return message.subarray(headerStart, bodyStart);
}

/** All fields of a part's header: unfolded, each decoded by itself, folded for comparison. */
function headerText(bytes: Uint8Array): string {
  const header = unfold(latin1(bytes));
  return foldCase(header.replace(/.+/g, decodeHeaderText));
}

function* textOf(message: Uint8Array, part: PartEntry): Generator<{ text: string; more: boolean }> {
  const decoder = new PartDecoder(part);
  for (const encoded of chunks(message, part.bodyStart, part.bodyEnd))
    yield { text: decoder.push(encoded), more: true };
  yield { text: decoder.end(), more: false };
}

/** Makes decoded and folded text of a part's bytes. */
class PartDecoder {
  readonly #transfer: TransferDecoder;
  readonly #charset: CharsetDecoder;

  constructor(part: PartEntry) {
    this.#transfer = transferDecoder(part.encoding!);
    this.#charset = charsetDecoder(part.charset);
  }

  push(encoded: Uint8Array): string {
    return foldCase(this.#charset.push(this.#transfer.push(encoded)));
  }

  end(): string {
    return foldCase(this.#charset.push(this.#transfer.end()) + this.#charset.end());
  }
}

function* chunks(bytes: Uint8Array, start: number, end: number): Generator<Uint8Array> {
  const step = limits.searchChunkBytes;
  for (let at = start; at < end; at += step) yield bytes.subarray(at, Math.min(at + step, end));
}

/** ASCII letters in upper case, as `foldCase` has them; other bytes as they are. */
const upperCase = new Uint8Array(256);
for (let c = 0; c < 256; c++) upperCase[c] = c >= 0x61 && c <= 0x7a ? c - 0x20 : c;

/** A string that is searched for in many messages, without regard to case. */
export class TextSearch {
  readonly #needle: string;
  /** The needle's bytes where it is ASCII, and how far a byte at its end lets the search skip. */
  readonly #ascii: Uint8Array | undefined;
  readonly #skip = new Uint16Array(256);

  /** @throws Refusal LIMIT where the string is longer than `limits.searchNeedleCharactersMax` */
  constructor(needle: string) {
    if (needle.length > limits.searchNeedleCharactersMax)
      throw new Refusal("LIMIT", "The string to search for is too long");
    this.#needle = foldCase(needle);
    const bytes = Buffer.from(this.#needle);
    if (bytes.length === 0 || !isAscii(bytes)) return;
    this.#ascii = bytes;
    this.#skip.fill(bytes.length);
    for (let i = 0; i < bytes.length - 1; i++) this.#skip[bytes[i]!] = bytes.length - 1 - i;
  }

  /** Whether a text contains the string. */
  inText(text: string): boolean {
    return foldCase(text).includes(this.#needle);
  }

  /**
   * Whether a message contains the string. The empty string is in every message.
   *
   * @throws FormatError where the part table is damaged
   */
  inMessage(message: Uint8Array, parts: PartTable, scope: SearchScope): boolean {
    if (this.#needle === "") return true;
    for (let index = 0; index < parts.count; index++) {
      const part = parts.entry(index);
      if (scope === "text" && headerText(headerOf(message, part)).includes(this.#needle))
        return true;
      if (isSearchable(part) && this.#inPart(message, part)) return true;
    }
    return false;
  }

  #inPart(message: Uint8Array, part: PartEntry): boolean {
    if (this.#ascii !== undefined && isAsciiCompatible(part.charset || "us-ascii")) {
      const found = this.#inBytes(message, part);
      // Only characters beyond ASCII can decompose to ASCII ones that the bytes do not show.
      if (found !== "unclear") return found === "yes";
    }
    let tail = "";
    for (const { text } of textOf(message, part)) {
      const both = tail + text;
      if (both.includes(this.#needle)) return true;
      tail = both.slice(Math.max(both.length - this.#needle.length + 1, 0));
    }
    return false;
  }

  #inBytes(message: Uint8Array, part: PartEntry): "yes" | "no" | "unclear" {
    const keep = this.#ascii!.length - 1;
    const decoder = transferDecoder(part.encoding!);
    let unclear = false;
    let tail: Uint8Array | undefined;
    const search = (piece: Uint8Array): boolean => {
      const bytes = tail === undefined ? piece : concatBytes([tail, piece]);
      tail = bytes.subarray(Math.max(bytes.length - keep, 0));
      unclear ||= !isAscii(piece);
      return this.#find(bytes);
    };
    for (const encoded of chunks(message, part.bodyStart, part.bodyEnd))
      if (search(decoder.push(encoded))) return "yes";
    const last = decoder.end();
    if (last.length > 0 && search(last)) return "yes";
    return unclear ? "unclear" : "no";
  }

  /** Horspool's search over folded bytes. */
  #find(bytes: Uint8Array): boolean {
    const needle = this.#ascii!;
    const skip = this.#skip;
    const last = needle.length - 1;
    const lastByte = needle[last]!;
    const end = bytes.length;
    for (let at = last; at < end;) {
      const c = upperCase[bytes[at]!]!;
      if (c === lastByte) {
        let i = last - 1;
        while (i >= 0 && upperCase[bytes[at - last + i]!] === needle[i]) i--;
        if (i < 0) return true;
      }
      at += skip[c]!;
    }
    return false;
  }
}

/** Whether a message contains a string, without regard to case. See `TextSearch`. */
export function messageContains(
  message: Uint8Array,
  parts: PartTable,
  search: { readonly needle: string; readonly scope: SearchScope },
): boolean {
  return new TextSearch(search.needle).inMessage(message, parts, search.scope);
}
