/** What SORT and THREAD know of contents, as numbers by the rows of the account's message table. */
import type { CachedFields } from "#message/index.ts";
import type { AccountState } from "../index/account-state.ts";
import { messageIdHash } from "../prepare.ts";
import type { Rest } from "../slices.ts";
import { IdNumbers } from "./id-numbers.ts";
import { NumberList } from "./number-list.ts";
import { SortedTexts } from "./sorted-texts.ts";

/** Keys of SORT that come from header fields. RFC 5256 §3 */
export const textKeys = ["subject", "from", "to", "cc"] as const;
export type TextKey = (typeof textKeys)[number];
/** What a column can be about. */
export const keyKinds = [...textKeys, "references"] as const;
export type KeyKind = (typeof keyKinds)[number];

type MessageArrays = AccountState["messages"]["arrays"];

/**
 * A number by which the content in a row is known again: rows are given to others in time, and what
 * was stored may be of a former life of the account. Never 0.
 */
export function markOf({ number, size, messageIdHash: id }: MessageArrays, row: number): number {
  const mark = Math.imul(number[row]!, 0x9e37_79b1) ^ Math.imul(size[row]!, 0x85eb_ca6b) ^ id[row]!;
  return mark === 0 ? 1 : mark >>> 0;
}

/** Rows of the message table that a column knows. */
export class MarkedRows {
  #marks: Uint32Array;

  /** @param marks of contents by row, 0 where none is known */
  constructor(marks: Uint32Array = new Uint32Array(0)) {
    this.#marks = marks;
  }

  get length(): number {
    return this.#marks.length;
  }

  /** Whether it is the content with that mark that is known in a row. */
  has(row: number, mark: number): boolean {
    return this.#marks[row] === mark;
  }

  /**
   * Index of the first of `rows` whose content is not known; how many they are where all of them
   * are. The loop is as small as it can be, for a server that was just started runs it slowly.
   */
  firstUnknown({ number, size, messageIdHash: id }: MessageArrays, rows: Uint32Array): number {
    const { buffer, byteOffset, length } = this.#marks;
    // Large unsigned numbers would be put on the heap one by one.
    const marks = new Int32Array(buffer, byteOffset, length);
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i]!;
      const mark =
        Math.imul(number[row]!, 0x9e37_79b1) ^ Math.imul(size[row]!, 0x85eb_ca6b) ^ id[row]!;
      if (marks[row] !== (mark === 0 ? 1 : mark)) return i;
    }
    return rows.length;
  }

  set(row: number, mark: number): void {
    if (row >= this.#marks.length) this.#marks = grown(this.#marks, row);
    this.#marks[row] = mark;
  }
}

/** For each content the number of a text. */
export class TextColumn {
  readonly rows: MarkedRows;
  readonly #key: TextKey;
  /** Number of the text times two; one more for a subject that marks a reply. */
  #values: Uint32Array;
  /** Undefined while they are stored and nobody needs them. */
  #texts: SortedTexts | undefined;

  /** @param stored values and marks, whose texts may be given later */
  constructor(key: TextKey, stored?: { marks: Uint32Array; values: Uint32Array }) {
    this.#key = key;
    this.rows = new MarkedRows(stored?.marks);
    this.#values = stored?.values ?? new Uint32Array(0);
    if (stored === undefined) this.#texts = new SortedTexts();
  }

  get bytes(): number {
    return this.#values.byteLength + this.rows.length * 4 + (this.#texts?.bytes ?? 0);
  }

  /** Whether contents can be added. */
  get extensible(): boolean {
    return this.#texts !== undefined;
  }

  /** Makes it extensible. */
  take(texts: SortedTexts): void {
    this.#texts ??= texts;
  }

  get texts(): SortedTexts | undefined {
    return this.#texts;
  }

  add(row: number, mark: number, fields: CachedFields): void {
    const reply = this.#key === "subject" && fields.isReplyOrForward ? 1 : 0;
    if (row >= this.#values.length) this.#values = grown(this.#values, row);
    this.#values[row] = this.#texts!.numberOf(textOf(fields, this.#key)) * 2 + reply;
    this.rows.set(row, mark);
  }

  /** Values by row. */
  get values(): Uint32Array {
    return this.#values;
  }

  /** Ranks by number; undefined: the numbers are ranks. */
  ranks(rest: Rest): Promise<Uint32Array> | undefined {
    return this.#texts?.ranks(rest);
  }
}

function textOf(fields: CachedFields, key: TextKey): string {
  switch (key) {
    case "subject":
      return fields.subjectKey;
    case "from":
      return fields.fromKey;
    case "to":
      return fields.toKey;
    case "cc":
      return fields.ccKey;
  }
}

/** What a column of references is made of. */
export interface StoredLinks {
  readonly marks: Uint32Array;
  readonly ids: Uint32Array;
  readonly referencesAt: Uint32Array;
  readonly references: Uint32Array;
  readonly hashes: Float64Array;
}

/** For each content the number of its Message-ID and of those that it refers to. */
export class LinkColumn {
  readonly rows: MarkedRows;
  readonly #numbers: IdNumbers;
  /** 0 for none. */
  #ids: Uint32Array;
  /** Where in `#references` the number of references stands, followed by them; 0 for none. */
  #referencesAt: Uint32Array;
  readonly #references: NumberList;

  constructor(stored?: StoredLinks) {
    this.rows = new MarkedRows(stored?.marks);
    this.#numbers = new IdNumbers(stored?.hashes);
    this.#ids = stored?.ids ?? new Uint32Array(0);
    this.#referencesAt = stored?.referencesAt ?? new Uint32Array(0);
    this.#references = new NumberList(stored?.references);
    if (this.#references.length === 0) this.#references.push(0);
  }

  get bytes(): number {
    const lists = this.#ids.byteLength + this.#referencesAt.byteLength + this.rows.length * 4;
    return lists + this.#references.bytes + this.#numbers.bytes;
  }

  /** How many Message-IDs there are; their numbers are from 1 to this one. */
  get idCount(): number {
    return this.#numbers.count;
  }

  hashOf(id: number): number {
    return this.#numbers.hashOf(id);
  }

  add(row: number, mark: number, fields: CachedFields): void {
    if (row >= this.#ids.length) {
      this.#ids = grown(this.#ids, row);
      this.#referencesAt = grown(this.#referencesAt, row);
    }
    this.#ids[row] = this.#numbers.numberOf(messageIdHash(fields.messageId));
    const references = fields.threadReferences;
    this.#referencesAt[row] = 0;
    if (references.length > 0) {
      this.#referencesAt[row] = this.#references.length;
      this.#references.push(references.length);
      for (const id of references) this.#references.push(this.#numbers.numberOf(messageIdHash(id)));
    }
    this.rows.set(row, mark);
  }

  /** What is known, by row. */
  get values(): { ids: Uint32Array; referencesAt: Uint32Array; references: Uint32Array } {
    const references = this.#references.view();
    return { ids: this.#ids, referencesAt: this.#referencesAt, references };
  }
}

/** A copy with room for `row` and some more. */
function grown(numbers: Uint32Array, row: number): Uint32Array {
  const copy = new Uint32Array(Math.max(64, row + 1 + (row >> 3)));
  copy.set(numbers);
  return copy;
}
