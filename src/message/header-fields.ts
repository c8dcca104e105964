import { asBuffer, concatBytes } from "#base/bytes.ts";
import { decodeHeaderText } from "./encoded-words.ts";
import { fieldText, findColon, nameEnd } from "./header.ts";

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const TAB = 0x09;
const crlf = Uint8Array.of(CR, LF);

/** One field of a header block; all are offsets into it. */
export interface FieldRange {
  readonly start: number;
  readonly nameEnd: number;
  /** After the colon. */
  readonly valueStart: number;
  /** After the last line end. */
  readonly end: number;
}

/**
 * The fields of a header block in order, with their folded lines. Ends at an empty line. Lines that
 * are no fields are passed over.
 */
export function* fieldsOf(header: Uint8Array): Generator<FieldRange> {
  const bytes = asBuffer(header);
  let at = 0;
  while (at < bytes.length) {
    const start = at;
    if (isLineEnd(bytes, at)) return;
    do at = endOfLine(bytes, at);
    while (bytes[at] === SPACE || bytes[at] === TAB);
    const colon = findColon(bytes, start, endOfLine(bytes, start));
    if (colon > start && bytes[start]! > SPACE)
      yield { start, nameEnd: nameEnd(bytes, start, colon), valueStart: colon + 1, end: at };
  }
}

function isLineEnd(bytes: Uint8Array, at: number): boolean {
  return bytes[at] === LF || (bytes[at] === CR && bytes[at + 1] === LF);
}

function endOfLine(bytes: Buffer, at: number): number {
  const lf = bytes.indexOf(LF, at);
  return lf < 0 ? bytes.length : lf + 1;
}

/** Names of header fields, compared without regard to case. */
class FieldNames {
  readonly #byLength: Uint8Array[][] = [];

  constructor(names: readonly string[]) {
    for (const name of names)
      (this.#byLength[name.length] ??= []).push(Buffer.from(name.toLowerCase(), "latin1"));
  }

  has(bytes: Uint8Array, start: number, end: number): boolean {
    const candidates = this.#byLength[end - start];
    if (candidates === undefined) return false;
    next: for (const name of candidates) {
      for (let i = 0; i < name.length; i++) {
        const c = bytes[start + i]!;
        if ((c >= 0x41 && c <= 0x5a ? c | 0x20 : c) !== name[i]!) continue next;
      }
      return true;
    }
    return false;
  }
}

/** A prepared HEADER.FIELDS or HEADER.FIELDS.NOT, for use on many messages. */
export class FieldSelection {
  readonly #names: FieldNames;
  readonly #not: boolean;

  /** @param not select all fields but these */
  constructor(names: readonly string[], not: boolean) {
    this.#names = new FieldNames(names);
    this.#not = not;
  }

  /**
   * The selected fields of a header block as they stand there, and an empty line.
   * RFC 9051 §6.4.5.1
   */
  select(header: Uint8Array): Uint8Array {
    const bytes = asBuffer(header);
    const pieces: Uint8Array[] = [];
    let from = -1;
    let to = 0;
    for (const { start, nameEnd: endOfName, end } of fieldsOf(bytes)) {
      if (this.#names.has(bytes, start, endOfName) === this.#not) continue;
      if (start !== to || from < 0) {
        if (from >= 0) pieces.push(bytes.subarray(from, to));
        from = start;
      }
      to = end;
    }
    if (from >= 0) {
      pieces.push(bytes.subarray(from, to));
      if (bytes[to - 1] !== LF) pieces.push(crlf);
    }
    pieces.push(crlf);
    return concatBytes(pieces);
  }
}

/** The named fields of a header block (all others with `not`), and an empty line. */
export function headerFields(
  header: Uint8Array,
  names: readonly string[],
  not: boolean,
): Uint8Array {
  return new FieldSelection(names, not).select(header);
}

/** The values of all fields of a name, unfolded, not decoded: one character per byte. */
export function headerValues(header: Uint8Array, name: string): string[] {
  const names = new FieldNames([name]);
  const values: string[] = [];
  for (const field of fieldsOf(header))
    if (names.has(header, field.start, field.nameEnd))
      values.push(fieldText(header, field.valueStart, field.end));
  return values;
}

/** The values of all fields of a name as text: unfolded, encoded words decoded. */
export function headerTexts(header: Uint8Array, name: string): string[] {
  return headerValues(header, name).map(decodeHeaderText);
}
