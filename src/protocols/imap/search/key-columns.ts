/** What SORT and THREAD know of the messages of a mailbox, as numbers. */
import type { CachedFields } from "#message/index.ts";
import { NumberList } from "./number-list.ts";
import { OrderedTexts } from "./ordered-texts.ts";

/** Keys of SORT that come from header fields. RFC 5256 §3 */
export type TextKey = "subject" | "from" | "to" | "cc";
/** What a column can be about. */
export type KeyKind = TextKey | "references";

/** Values of messages in the ascending order of their uids. It only grows. */
export interface KeyColumn {
  /** Uids up to this one are there, if there were such messages. */
  readonly lastUid: number;
  readonly count: number;
  /** Approximate memory. */
  readonly bytes: number;
  /** Adds a message with a uid above `lastUid`; undefined: its fields cannot be read. */
  append(uid: number, fields: CachedFields | undefined): void;
}

/** For each message the number of a text. */
export class TextColumn implements KeyColumn {
  readonly texts = new OrderedTexts();
  readonly #key: TextKey;
  readonly #uids = new NumberList();
  /** Number of the text times two; one more for a subject that marks a reply. */
  readonly #values = new NumberList();

  constructor(key: TextKey) {
    this.#key = key;
  }

  get lastUid(): number {
    return this.#uids.last;
  }
  get count(): number {
    return this.#uids.length;
  }
  get bytes(): number {
    return this.#uids.bytes + this.#values.bytes + this.texts.bytes;
  }

  append(uid: number, fields: CachedFields | undefined): void {
    const text = fields === undefined ? "" : textOf(fields, this.#key);
    const mark = this.#key === "subject" && fields?.isReplyOrForward === true ? 1 : 0;
    this.#uids.push(uid);
    this.#values.push(this.texts.numberOf(text) * 2 + mark);
  }

  /** Of ascending uids: the numbers of their texts, and whether they mark a reply or a forward. */
  valuesOf(uids: Uint32Array): { numbers: Uint32Array; replies: Uint8Array } {
    const numbers = new Uint32Array(uids.length);
    const replies = new Uint8Array(uids.length);
    const values = this.#values.view();
    eachPosition(this.#uids.view(), uids, (index, position) => {
      numbers[index] = values[position]! >>> 1;
      replies[index] = values[position]! & 1;
    });
    return { numbers, replies };
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

/** For each message the number of its Message-ID and of those that it refers to. */
export class ReferencesColumn implements KeyColumn {
  readonly #numbers = new Map<string, number>();
  #characters = 0;
  readonly #uids = new NumberList();
  /** 0 for none. */
  readonly #ids = new NumberList();
  /** Where the references of each message end in `#references`. */
  readonly #ends = new NumberList();
  readonly #references = new NumberList();

  get lastUid(): number {
    return this.#uids.last;
  }
  get count(): number {
    return this.#uids.length;
  }
  get bytes(): number {
    const lists = [this.#uids, this.#ids, this.#ends, this.#references];
    const bytes = lists.reduce((sum, list) => sum + list.bytes, 0);
    return bytes + this.#characters + this.#numbers.size * 72;
  }
  /** How many Message-IDs there are; their numbers are from 1 to this one. */
  get idCount(): number {
    return this.#numbers.size;
  }

  append(uid: number, fields: CachedFields | undefined): void {
    const id = fields?.messageId ?? "";
    this.#uids.push(uid);
    this.#ids.push(id === "" ? 0 : this.#numberOf(id));
    if (fields !== undefined)
      for (const reference of fields.threadReferences)
        this.#references.push(this.#numberOf(reference));
    this.#ends.push(this.#references.length);
  }

  #numberOf(id: string): number {
    let number = this.#numbers.get(id);
    if (number === undefined) {
      number = this.#numbers.size + 1;
      this.#numbers.set(id, number);
      this.#characters += id.length;
    }
    return number;
  }

  /** Of ascending uids: the numbers of their ids, and where their references lie. */
  valuesOf(uids: Uint32Array): MessageLinks {
    const ids = new Uint32Array(uids.length);
    const starts = new Uint32Array(uids.length);
    const ends = new Uint32Array(uids.length);
    const allIds = this.#ids.view();
    const allEnds = this.#ends.view();
    eachPosition(this.#uids.view(), uids, (index, position) => {
      ids[index] = allIds[position]!;
      starts[index] = position === 0 ? 0 : allEnds[position - 1]!;
      ends[index] = allEnds[position]!;
    });
    return { ids, starts, ends, references: this.#references.view(), idCount: this.idCount };
  }
}

/** What links messages to one another, in the order of their uids. */
export interface MessageLinks {
  /** Number of the Message-ID, 0 for none. */
  readonly ids: Uint32Array;
  /** The references of message i are `references[starts[i] .. ends[i])`, the oldest first. */
  readonly starts: Uint32Array;
  readonly ends: Uint32Array;
  readonly references: Uint32Array;
  readonly idCount: number;
}

/** Calls `found` for each of the ascending `uids` that is in the ascending `all`. */
function eachPosition(
  all: Uint32Array,
  uids: Uint32Array,
  found: (index: number, position: number) => void,
): void {
  let position = 0;
  for (let index = 0; index < uids.length; index++) {
    const uid = uids[index]!;
    while (position < all.length && all[position]! < uid) position++;
    if (all[position] === uid) found(index, position);
  }
}
