/**
 * Sort keys: what SORT and THREAD need of the contents of an account, as numbers by the rows of its
 * message table. Each row says which content it is about, so nothing here can be taken for another.
 * @format keys
 */
import { fromUtf8, FormatError, utf8 } from "#base/bytes.ts";
import type { AccountState } from "../index/account-state.ts";
import { markOf, type TextColumn, textKeys } from "../search/key-columns.ts";
import type { LinkColumn } from "../search/key-columns.ts";
import type { MessageKeys } from "../search/message-keys.ts";
import { NumberList } from "../search/number-list.ts";
import type { StoredTexts } from "../search/sorted-texts.ts";
import type { Slices } from "../slices.ts";
import { joinSections, type SectionedObject, splitSections } from "./snapshot-sections.ts";

const keysFormatVersion = 1;
/** Rows, or texts, that are encoded without a look at the time. */
const rowsPerLook = 8_192;

/** The sections in the order in which they are stored. */
export const keySections = [
  "marks",
  "subject",
  "from",
  "to",
  "cc",
  "ids",
  "referencesAt",
  "references",
  "hashes",
  "subjectEnds",
  "subjectTexts",
  "fromEnds",
  "fromTexts",
  "toEnds",
  "toTexts",
  "ccEnds",
  "ccTexts",
] as const;
export type KeySection = (typeof keySections)[number];

export function keysObject(storeId: Uint8Array): SectionedObject {
  return { kind: "keys", version: keysFormatVersion, storeId };
}

/**
 * The pieces of the object. The keys must know all contents that are to be stored; others work in
 * the meantime.
 */
export async function encodeKeys(
  { state, keys, storeId }: { state: AccountState; keys: MessageKeys; storeId: Uint8Array },
  slices: Slices,
): Promise<Uint8Array[]> {
  const { texts, links } = keys.columns;
  const cut = await cutRows(
    state,
    { texts: textKeys.map((key) => texts.get(key)!), links: links! },
    slices,
  );
  const parts = new Map<KeySection, Uint8Array>();
  parts.set("marks", bytesOf(cut.marks)).set("ids", bytesOf(cut.links.ids));
  parts.set("referencesAt", bytesOf(cut.links.referencesAt));
  parts.set("references", bytesOf(cut.links.references.view().slice()));
  parts.set("hashes", bytesOf(Float64Array.from(cut.links.hashes)));
  for (const [i, key] of textKeys.entries()) {
    const stored = await cutTexts(texts.get(key)!, cut.values[i]!, slices);
    parts.set(key, bytesOf(cut.values[i]!));
    parts.set(`${key}Ends`, bytesOf(stored.ends)).set(`${key}Texts`, stored.text);
  }
  return joinSections(
    keySections.map((name) => parts.get(name)!),
    keysObject(storeId),
    slices,
  );
}

/** Reads all of it. Errors: `FormatError`. */
export function checkKeys(bytes: Uint8Array, storeId: Uint8Array): void {
  const sections = splitSections(bytes, keysObject(storeId));
  if (sections.length !== keySections.length) throw new FormatError("Sort keys lack a section");
}

/** Numbers of a section. Errors: `FormatError`. */
export function numbersOf(section: Uint8Array): Uint32Array {
  if (section.length % 4 !== 0) throw new FormatError("A column of sort keys is cut short");
  return new Uint32Array(section.buffer, section.byteOffset, section.length / 4);
}

/** Errors: `FormatError`. */
export function hashesOf(section: Uint8Array): Float64Array {
  if (section.length % 8 !== 0 || section.length === 0)
    throw new FormatError("A column of sort keys is cut short");
  return new Float64Array(section.buffer, section.byteOffset, section.length / 8);
}

/** Errors: `FormatError`. */
export function textsOf(ends: Uint8Array, text: Uint8Array): StoredTexts {
  const stored = { ends: numbersOf(ends), text: fromUtf8(text) };
  if (stored.ends.length === 0 || stored.ends.at(-1) !== stored.text.length)
    throw new FormatError("Texts of sort keys are cut short");
  return stored;
}

/** What is known of the rows of an account, consistent for each row. */
interface RowsCut {
  readonly marks: Uint32Array;
  /** Of each text column: as there, to be renumbered. */
  readonly values: readonly Uint32Array[];
  readonly links: LinkWriter;
}

async function cutRows(
  state: AccountState,
  { texts, links }: { texts: readonly TextColumn[]; links: LinkColumn },
  slices: Slices,
): Promise<RowsCut> {
  const { count } = state.messages;
  const marks = new Uint32Array(count);
  const values = texts.map(() => new Uint32Array(count));
  const writer = new LinkWriter(links, count);
  const end = (): number => Math.min(count, state.messages.count);
  for (let start = 0; start < end(); start += rowsPerLook) {
    const { arrays } = state.messages;
    const columns = texts.map((column) => column.values);
    for (let row = start; row < Math.min(start + rowsPerLook, end()); row++) {
      if (arrays.number[row] === 0) continue;
      const mark = markOf(arrays, row);
      if (!links.rows.has(row, mark) || texts.some(({ rows }) => !rows.has(row, mark))) continue;
      marks[row] = mark;
      for (let i = 0; i < columns.length; i++) values[i]![row] = columns[i]![row]!;
      writer.add(row);
    }
    await slices.rest();
  }
  return { marks, values, links: writer };
}

/** Gives Message-IDs their numbers anew, so that those that nobody has any more are gone. */
class LinkWriter {
  readonly ids: Uint32Array;
  readonly referencesAt: Uint32Array;
  readonly references = new NumberList();
  readonly hashes: number[] = [0];
  readonly #links: LinkColumn;
  readonly #renumbered = new Map<number, number>();

  constructor(links: LinkColumn, rows: number) {
    this.#links = links;
    this.ids = new Uint32Array(rows);
    this.referencesAt = new Uint32Array(rows);
    this.references.push(0);
  }

  add(row: number): void {
    const { ids, referencesAt, references } = this.#links.values;
    this.ids[row] = this.#renumber(ids[row]!);
    const at = referencesAt[row]!;
    if (at === 0) return;
    this.referencesAt[row] = this.references.length;
    const last = at + references[at]!;
    this.references.push(references[at]!);
    for (let i = at + 1; i <= last; i++) this.references.push(this.#renumber(references[i]!));
  }

  #renumber(id: number): number {
    if (id === 0) return 0;
    let number = this.#renumbered.get(id);
    if (number === undefined) {
      number = this.hashes.push(this.#links.hashOf(id)) - 1;
      this.#renumbered.set(id, number);
    }
    return number;
  }
}

/** The texts that `values` refer to, in their order; makes their ranks the numbers in `values`. */
async function cutTexts(
  column: TextColumn,
  values: Uint32Array,
  slices: Slices,
): Promise<{ ends: Uint32Array; text: Uint8Array }> {
  const texts = column.texts!;
  const { count } = texts;
  const ranks = await texts.ranks(slices.rest);
  const numberAt = new Uint32Array(count);
  for (let number = 0; number < count; number++) numberAt[ranks?.[number] ?? number] = number;
  await slices.rest();
  const used = new Uint8Array(count);
  used[0] = 1;
  for (let row = 0; row < values.length; row++) used[values[row]! >>> 1] = 1;
  await slices.rest();
  const renumbered = new Uint32Array(count);
  const ends = new NumberList();
  const pieces: Uint8Array[] = [];
  let end = 0;
  for (let start = 0; start < count; start += rowsPerLook) {
    let piece = "";
    for (let rank = start; rank < Math.min(start + rowsPerLook, count); rank++) {
      const number = numberAt[rank]!;
      if (used[number] === 0) continue;
      const text = texts.textAt(number);
      piece += text;
      end += text.length;
      renumbered[number] = ends.length;
      ends.push(end);
    }
    pieces.push(utf8(piece));
    await slices.rest();
  }
  for (let row = 0; row < values.length; row++)
    values[row] = renumbered[values[row]! >>> 1]! * 2 + (values[row]! & 1);
  await slices.rest();
  return { ends: ends.view().slice(), text: Buffer.concat(pieces) };
}

function bytesOf(numbers: Uint32Array | Float64Array): Uint8Array {
  return new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
}
