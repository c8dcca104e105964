import { latin1 } from "#base/bytes.ts";
import { limits } from "#base/limits.ts";

/** The fields that a parse takes note of, in lower case. */
const known = [
  "date",
  "subject",
  "from",
  "sender",
  "reply-to",
  "to",
  "cc",
  "bcc",
  "in-reply-to",
  "message-id",
  "references",
  "content-type",
  "content-transfer-encoding",
  "content-id",
  "content-description",
  "content-md5",
  "content-disposition",
  "content-language",
  "content-location",
] as const;

/** Name of a header field that a parse takes note of. */
export type KnownField = (typeof known)[number];

const numberOf = new Map<KnownField, number>(known.map((name, index) => [name, index]));

/** Known names by length: most fields of a message are told apart by that alone. */
const byLength: { number: number; name: Uint8Array }[][] = [];
for (const [number, name] of known.entries())
  (byLength[name.length] ??= []).push({ number, name: Buffer.from(name) });

const COLON = 0x3a;
const SPACE = 0x20;
const TAB = 0x09;

/** Which known field is named by these bytes, or -1. */
function fieldNumber(bytes: Uint8Array, start: number, end: number): number {
  const candidates = byLength[end - start];
  if (candidates === undefined) return -1;
  next: for (const { number, name } of candidates) {
    for (let i = 0; i < name.length; i++)
      if ((bytes[start + i]! | 0x20) !== name[i]!) continue next;
    return number;
  }
  return -1;
}

/**
 * Offset of the colon of a field in `bytes[start, end)`, or -1 where the line is not a field: a
 * name has no spaces in it (an mbox `From ` line has).
 */
export function findColon(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && bytes[at]! > SPACE && bytes[at] !== COLON) at++;
  while (at < end && (bytes[at] === SPACE || bytes[at] === TAB)) at++;
  return at < end && bytes[at] === COLON ? at : -1;
}

/** End of the field name before `colon`: RFC 5322 §4.5 allows space between them. */
export function nameEnd(bytes: Uint8Array, start: number, colon: number): number {
  let end = colon;
  while (end > start && (bytes[end - 1] === SPACE || bytes[end - 1] === TAB)) end--;
  return end;
}

/**
 * Where the known fields of a header block lie. `bytes` is the block; the fields are triples of
 * number, start and end of the value (with its folding, without the last line end).
 */
export class HeaderIndex {
  bytes: Uint8Array;
  readonly #fields: number[] = [];
  #open = false;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  /**
   * Notes the line `window[start, end)` (without its line end) of a block that begins at `origin`
   * of the window.
   */
  addLine(window: Uint8Array, start: number, end: number, origin: number): void {
    const first = window[start];
    if (first === SPACE || first === TAB) {
      if (this.#open) this.#fields[this.#fields.length - 1] = end - origin;
      return;
    }
    this.#open = false;
    // No known name is longer than 25 characters.
    const colon = findColon(window, start, Math.min(end, start + 64));
    if (colon < 0) return;
    const number = fieldNumber(window, start, nameEnd(window, start, colon));
    if (number < 0) return;
    this.#open = true;
    this.#fields.push(number, colon + 1 - origin, end - origin);
  }

  /** The value of the first such field, unfolded; undefined where there is none. */
  first(name: KnownField): string | undefined {
    const number = numberOf.get(name)!;
    const fields = this.#fields;
    for (let i = 0; i < fields.length; i += 3)
      if (fields[i] === number) return fieldText(this.bytes, fields[i + 1]!, fields[i + 2]!);
    return undefined;
  }

  /** The values of all such fields, unfolded. */
  all(name: KnownField): string[] {
    const number = numberOf.get(name)!;
    const fields = this.#fields;
    const values: string[] = [];
    for (let i = 0; i < fields.length; i += 3)
      if (fields[i] === number) values.push(fieldText(this.bytes, fields[i + 1]!, fields[i + 2]!));
    return values;
  }
}

/**
 * A field value as text with one character per byte: folding undone (RFC 5322 §2.2.3), white space
 * at both ends removed, at most `limits.headerFieldBytesMax` bytes.
 */
export function fieldText(bytes: Uint8Array, start: number, end: number): string {
  let from = start;
  let to = Math.min(end, start + limits.headerFieldBytesMax);
  while (from < to && bytes[from]! <= SPACE && bytes[from] !== 0) from++;
  while (to > from && bytes[to - 1]! <= SPACE && bytes[to - 1] !== 0) to--;
  return unfold(latin1(bytes, from, to));
}

/** Removes the line ends that are followed by white space. RFC 5322 §2.2.3 */
export function unfold(value: string): string {
  return value.includes("\n") ? value.replace(/\r?\n(?=[ \t]|$)/g, "") : value;
}
