import { equalBytes, FormatError } from "#base/bytes.ts";
import { Refusal } from "#base/assert.ts";
import { CachedFields } from "#message/index.ts";
import type { AccountState } from "../index/account-state.ts";
import type { MailboxState } from "../index/mailbox-state.ts";
import type { ContentReader } from "../ports.ts";
import { prepareMessage } from "../prepare.ts";
import type { Rest } from "../slices.ts";
import { type KeyKind, LinkColumn, markOf, TextColumn, type TextKey } from "./key-columns.ts";
import type { SortedTexts } from "./sorted-texts.ts";

/** Columns as they were stored; undefined where they cannot be had. Never rejects for damage. */
export interface StoredKeys {
  text(key: TextKey): Promise<TextColumn | undefined>;
  texts(key: TextKey): Promise<SortedTexts | undefined>;
  links(): Promise<LinkColumn | undefined>;
}

/** Base subjects of messages. */
export interface Subjects {
  /** Number of the text, 0 for the empty one. */
  readonly numbers: Uint32Array;
  /** 1: it marks a reply or a forwarded message. */
  readonly replies: Uint8Array;
}

/** What links messages to one another, in the order of their uids. */
export interface MessageLinks {
  /** Number of the Message-ID, 0 for none. */
  readonly ids: Uint32Array;
  /** The references of message i are `references[starts[i] .. ends[i])`, the oldest first. */
  readonly starts: Uint32Array;
  readonly ends: Uint32Array;
  readonly references: Uint32Array;
  /** Numbers of Message-IDs are not above it. */
  readonly idCount: number;
}

/** What was stored turns out to be damaged: these keys can be added to no more. */
export class KeysUnusable extends Error {
  override readonly name = "KeysUnusable";
}

/** Messages whose keys are looked up without a look at the time. */
const rowsPerLook = 4_096;
const noRow = 0xffff_ffff;

/**
 * Keys for SORT and THREAD of the contents of an account: derived from the cached fields when they
 * are asked for, and stored when the account is settled. What belongs to a content never changes.
 * Several commands may use one object at the same time.
 */
export class MessageKeys {
  readonly #state: AccountState;
  readonly #contents: ContentReader;
  readonly #stored: StoredKeys | undefined;
  readonly #texts = new Map<TextKey, TextColumn>();
  #links: LinkColumn | undefined;

  constructor(state: AccountState, contents: ContentReader, stored?: StoredKeys) {
    this.#state = state;
    this.#contents = contents;
    this.#stored = stored;
  }

  /** Approximate memory. */
  get bytes(): number {
    let bytes = this.#links?.bytes ?? 0;
    for (const column of this.#texts.values()) bytes += column.bytes;
    return bytes;
  }

  /**
   * Makes the keys of those kinds known of the messages in `uids` of a mailbox, as long as it is
   * there. Errors: `Refusal` UNAVAILABLE; `KeysUnusable`.
   *
   * @param uids ascending
   * @returns true where some messages could not be read: they count as having no header
   */
  async read(
    mailbox: MailboxState,
    { uids, kinds }: { readonly uids: Uint32Array; readonly kinds: readonly KeyKind[] },
    rest: Rest,
  ): Promise<boolean> {
    for (const kind of kinds) await this.#open(kind);
    let damaged = false;
    for (let start = 0; start < uids.length; start += rowsPerLook) {
      const pause = rest();
      if (pause !== undefined) await pause;
      const lacking = this.#lacking(mailbox, uids.subarray(start, start + rowsPerLook), kinds);
      if (lacking.length === 0) continue;
      for (const kind of kinds) await this.#makeExtensible(kind);
      for (const row of lacking) {
        const added = this.#add(row, kinds);
        if (!(added instanceof Promise ? await added : added)) damaged = true;
        const rested = rest();
        if (rested !== undefined) await rested;
      }
    }
    return damaged;
  }

  /** The same for all contents of the account; what cannot be read is passed over. */
  async readAll(kinds: readonly KeyKind[], rest: Rest): Promise<void> {
    for (const kind of kinds) {
      await this.#open(kind);
      await this.#makeExtensible(kind);
    }
    const { messages } = this.#state;
    for (let row = 0; row < messages.count; row++) {
      const pause = rest();
      if (pause !== undefined) await pause;
      const { number } = messages.arrays;
      if (number[row] !== 0 && !this.#knows(row, kinds)) await this.#add(this.#lack(row), kinds);
    }
  }

  /** Ranks of the texts of messages. Only messages that were read have one; the others have 0. */
  async ranks(
    mailbox: MailboxState,
    { uids, key }: { readonly uids: Uint32Array; readonly key: TextKey },
    rest: Rest,
  ): Promise<Uint32Array> {
    const column = this.#texts.get(key)!;
    const pending = column.ranks(rest);
    const ranks = pending === undefined ? undefined : await pending;
    const { values } = column;
    const found = new Uint32Array(uids.length);
    await this.#eachKnown(mailbox, { uids, of: column }, rest, (start, rows) => {
      for (let i = 0; i < rows.length; i++) {
        const row = rows[i]!;
        if (row === noRow) continue;
        const number = values[row]! >>> 1;
        found[start + i] = ranks === undefined ? number : ranks[number]!;
      }
    });
    return found;
  }

  /** Base subjects of messages that were read. */
  async subjects(mailbox: MailboxState, uids: Uint32Array, rest: Rest): Promise<Subjects> {
    const column = this.#texts.get("subject")!;
    const { values } = column;
    const numbers = new Uint32Array(uids.length);
    const replies = new Uint8Array(uids.length);
    await this.#eachKnown(mailbox, { uids, of: column }, rest, (start, rows) => {
      for (let i = 0; i < rows.length; i++) {
        const row = rows[i]!;
        if (row === noRow) continue;
        numbers[start + i] = values[row]! >>> 1;
        replies[start + i] = values[row]! & 1;
      }
    });
    return { numbers, replies };
  }

  /** Links of messages that were read. */
  async links(mailbox: MailboxState, uids: Uint32Array, rest: Rest): Promise<MessageLinks> {
    const column = this.#links!;
    // They are replaced when they grow, and what was read is in these.
    const values = column.values;
    const { idCount } = column;
    const ids = new Uint32Array(uids.length);
    const starts = new Uint32Array(uids.length);
    const ends = new Uint32Array(uids.length);
    await this.#eachKnown(mailbox, { uids, of: column }, rest, (start, rows) => {
      for (let i = 0; i < rows.length; i++) {
        const row = rows[i]!;
        if (row === noRow) continue;
        ids[start + i] = values.ids[row]!;
        const at = values.referencesAt[row]!;
        starts[start + i] = at + 1;
        ends[start + i] = at + 1 + values.references[at]!;
      }
    });
    return { ids, starts, ends, references: values.references, idCount };
  }

  /** For whoever stores them. */
  get columns(): { texts: ReadonlyMap<TextKey, TextColumn>; links: LinkColumn | undefined } {
    return { texts: this.#texts, links: this.#links };
  }

  async #open(kind: KeyKind): Promise<void> {
    if (kind === "references") {
      if (this.#links !== undefined) return;
      const stored = await this.#stored?.links();
      this.#links ??= stored ?? new LinkColumn();
      return;
    }
    if (this.#texts.has(kind)) return;
    const stored = await this.#stored?.text(kind);
    if (!this.#texts.has(kind)) this.#texts.set(kind, stored ?? new TextColumn(kind));
  }

  async #makeExtensible(kind: KeyKind): Promise<void> {
    if (kind === "references" || this.#texts.get(kind)!.extensible) return;
    const texts = await this.#stored!.texts(kind);
    if (texts === undefined) throw new KeysUnusable("The texts of stored keys are damaged");
    this.#texts.get(kind)!.take(texts);
  }

  #column(kind: KeyKind): TextColumn | LinkColumn {
    return kind === "references" ? this.#links! : this.#texts.get(kind)!;
  }

  #knows(row: number, kinds: readonly KeyKind[]): boolean {
    const mark = markOf(this.#state.messages.arrays, row);
    return kinds.every((kind) => this.#column(kind).rows.has(row, mark));
  }

  #lack(row: number): Lacking {
    return { row, number: this.#state.messages.arrays.number[row]! };
  }

  #lacking(mailbox: MailboxState, uids: Uint32Array, kinds: readonly KeyKind[]): Lacking[] {
    const lacking: Lacking[] = [];
    const { arrays } = this.#state.messages;
    const columns = kinds.map((kind) => this.#column(kind).rows);
    const rows = rowsTogether(mailbox, uids);
    if (rows !== undefined && columns.every((c) => c.firstUnknown(arrays, rows) === rows.length))
      return lacking;
    eachRow(mailbox, uids, (_, row) => {
      const mark = markOf(arrays, row);
      for (let i = 0; i < columns.length; i++)
        if (!columns[i]!.has(row, mark)) {
          lacking.push(this.#lack(row));
          break;
        }
    });
    return lacking;
  }

  /** True unless the content is there and cannot be read. */
  #add({ row, number }: Lacking, kinds: readonly KeyKind[]): boolean | Promise<boolean> {
    // What was expunged meanwhile needs no keys.
    if (this.#state.messages.arrays.number[row] !== number) return true;
    try {
      const bytes = this.#contents.fields(this.#state, row);
      if (bytes instanceof Promise) return this.#awaitFields({ row, number }, kinds, bytes);
      this.#take({ row, number }, kinds, bytes);
      return true;
    } catch (error) {
      if (!isDamage(error)) throw error;
      return this.#addByBody({ row, number }, kinds);
    }
  }

  async #awaitFields(
    lacking: Lacking,
    kinds: readonly KeyKind[],
    bytes: Promise<Uint8Array>,
  ): Promise<boolean> {
    try {
      this.#take(lacking, kinds, await bytes);
      return true;
    } catch (error) {
      if (!isDamage(error)) throw error;
      return this.#addByBody(lacking, kinds);
    }
  }

  /** Where cached fields are damaged they are made anew of the message. */
  async #addByBody({ row, number }: Lacking, kinds: readonly KeyKind[]): Promise<boolean> {
    if (this.#state.messages.arrays.number[row] !== number) return true;
    try {
      const body = await this.#contents.body(this.#state, row);
      this.#take({ row, number }, kinds, prepareMessage(body, { binary: true }).fields);
      return true;
    } catch (error) {
      if (!isDamage(error)) throw error;
      return false;
    }
  }

  #take({ row, number }: Lacking, kinds: readonly KeyKind[], bytes: Uint8Array): void {
    const { arrays } = this.#state.messages;
    if (arrays.number[row] !== number) return;
    const fields = new CachedFields(bytes);
    const mark = markOf(arrays, row);
    for (const kind of kinds) {
      const column = this.#column(kind);
      if (!column.rows.has(row, mark)) column.add(row, mark, fields);
    }
  }

  /**
   * Calls `found` with the rows of messages, `noRow` for those that are not there or not known, and
   * with the index of the first one in `uids`; with rests.
   */
  async #eachKnown(
    mailbox: MailboxState,
    { uids, of }: { readonly uids: Uint32Array; readonly of: TextColumn | LinkColumn },
    rest: Rest,
    found: (start: number, rows: Uint32Array) => void,
  ): Promise<void> {
    for (let start = 0; start < uids.length; start += rowsPerLook) {
      found(start, this.#knownRows(mailbox, uids.subarray(start, start + rowsPerLook), of));
      const pause = rest();
      if (pause !== undefined) await pause;
    }
  }

  #knownRows(mailbox: MailboxState, uids: Uint32Array, of: TextColumn | LinkColumn): Uint32Array {
    const { arrays } = this.#state.messages;
    const together = rowsTogether(mailbox, uids);
    if (together !== undefined && of.rows.firstUnknown(arrays, together) === together.length)
      return together;
    const rows = new Uint32Array(uids.length).fill(noRow);
    eachRow(mailbox, uids, (index, row) => {
      if (of.rows.has(row, markOf(arrays, row))) rows[index] = row;
    });
    return rows;
  }
}

/** A content whose keys are not known. */
interface Lacking {
  readonly row: number;
  readonly number: number;
}

/**
 * Rows of the message table of messages that follow one another in the mailbox, as most do; else
 * undefined. Valid until something changes.
 */
function rowsTogether(mailbox: MailboxState, uids: Uint32Array): Uint32Array | undefined {
  if (uids.length === 0) return undefined;
  const { uid, message } = mailbox.rows.arrays;
  const first = mailbox.firstRowFrom(uids[0]!);
  const behind = first + uids.length;
  if (behind > mailbox.count) return undefined;
  return equalBytes(bytesOf(uid.subarray(first, behind)), bytesOf(uids))
    ? message.subarray(first, behind)
    : undefined;
}

function bytesOf({ buffer, byteOffset, byteLength }: Uint32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** Calls `found` with the row of the message table of each of the ascending `uids` that is there. */
function eachRow(
  mailbox: MailboxState,
  uids: Uint32Array,
  found: (index: number, row: number) => void,
): void {
  if (uids.length === 0) return;
  const { uid, message } = mailbox.rows.arrays;
  const { count } = mailbox;
  let row = mailbox.firstRowFrom(uids[0]!);
  for (let index = 0; index < uids.length; index++) {
    const wanted = uids[index]!;
    // Mostly they follow one another.
    if (uid[row]! < wanted && row < count) row = mailbox.firstRowFrom(wanted);
    if (row < count && uid[row] === wanted) found(index, message[row++]!);
  }
}

function isDamage(error: unknown): boolean {
  return error instanceof FormatError || (error instanceof Refusal && error.code === "CORRUPTION");
}
