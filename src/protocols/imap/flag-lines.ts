import { assert } from "#base/assert.ts";
import { fromLatin1 } from "#base/bytes.ts";
import { limits } from "#base/limits.ts";
import { lowerBound } from "#store/index.ts";
import { decimalBytesMax, putDecimal } from "#wire/index.ts";
import { flagsText, recentBit, writeKeywords } from "./flags.ts";
import type { Session } from "./session.ts";

/** What a line of `FlagLines` may say. */
export type FlagLineItem = "UID" | "FLAGS" | "MODSEQ";

const [uidItem, flagsItem, modseqItem] = [0, 1, 2];
const itemNumbers = { UID: uidItem, FLAGS: flagsItem, MODSEQ: modseqItem } as const;

/** `* n FETCH (UID n MODSEQ (n))` without its flags. */
const lineBytesMax = 40 + 3 * decimalBytesMax;
/** What one takes usually: for the size of buffers. */
const lineBytesUsual = 48;
/** Rows that are looked at before it is looked whether it is time for a pause. */
const rowsPerLook = 16_384;

const [asterisk, space, closing, CR, LF] = [0x2a, 0x20, 0x29, 0x0d, 0x0a];

/**
 * FETCH responses of nothing but uid, flags and modseq, written by one small loop over the columns,
 * which is fast within its first few hundred rows: whoever opens a large mailbox asks for all of
 * them, and a server that was just started has not compiled anything yet.
 */
export class FlagLines {
  readonly #session: Session;
  readonly #items: Uint8Array;
  /** What stands before each item. */
  readonly #names: readonly Uint8Array[];
  readonly #flagsAt: number;
  readonly #since: number;
  /** Keyword set * 64 + bits → the flags with what stands before them. */
  readonly #texts = new Map<number, Uint8Array>();

  /**
   * @param items at least one, in the order in which they are told
   * @param since only messages that changed after this modseq are told
   */
  constructor(session: Session, items: readonly FlagLineItem[], since: number) {
    assert(items.length > 0, "A response has items");
    this.#session = session;
    this.#items = Uint8Array.from(items, (item) => itemNumbers[item]);
    this.#names = items.map((item, index) =>
      fromLatin1(`${index === 0 ? " FETCH (" : " "}${item}${item === "MODSEQ" ? " (" : " "}`),
    );
    this.#flagsAt = items.indexOf("FLAGS");
    this.#since = since;
  }

  /**
   * Writes lines for the announced messages from uid `next` to `last` until the output is full.
   *
   * @returns the uid to go on with
   */
  write(next: number, last: number): number {
    const { view } = this.#session;
    if (this.#flagsAt >= 0) writeKeywords(this.#session);
    const { mailbox } = view;
    const from = mailbox.firstRowFrom(next);
    const behind = Math.min(view.liveCount, mailbox.firstRowFrom(last + 1));
    if (from >= behind) return last + 1;
    const row = this.#writeRows(from, Math.min(behind, from + rowsPerLook));
    return row < behind ? mailbox.rows.arrays.uid[row]! : last + 1;
  }

  /** Gives the row to go on with. */
  #writeRows(from: number, behind: number): number {
    const { output, view } = this.#session;
    const { enabled } = this.#session;
    const { flags, keywordSet, modseq, uid } = view.mailbox.rows.arrays;
    const { ghosts } = view;
    const recentFloor = enabled.rev2 ? Number.POSITIVE_INFINITY : view.recentFloor;
    const items = this.#items;
    const names = this.#names;
    const since = this.#since;
    const tellsFlags = this.#flagsAt >= 0;
    const wanted = (behind - from) * lineBytesUsual;

    let key = -1;
    let text: Uint8Array = names[0]!;
    let need = lineBytesMax;
    let buffer = output.room(need, wanted);
    let at = output.position;
    let row = from;
    let before = lowerBound(ghosts, ghosts.length, uid[from]!);
    for (; row < behind; row++) {
      const changed = modseq[row]!;
      if (changed <= since) continue;
      const number = uid[row]!;
      if (tellsFlags) {
        const wantedKey =
          keywordSet[row]! * 64 + (flags[row]! | (number >= recentFloor ? recentBit : 0));
        if (wantedKey !== key) {
          key = wantedKey;
          text = this.#texts.get(key) ?? this.#newText(row, key);
          need = lineBytesMax + text.length;
        }
      }
      if (at + need > buffer.length) {
        output.wrote(at);
        if (output.full) return row;
        buffer = output.room(need, wanted);
        at = output.position;
      }
      while (before < ghosts.length && ghosts[before]! < number) before++;
      buffer[at] = asterisk;
      buffer[at + 1] = space;
      at = putDecimal(buffer, at + 2, row + 1 + before);
      for (let i = 0; i < items.length; i++) {
        const item = items[i]!;
        const name = item === flagsItem ? text : names[i]!;
        buffer.set(name, at);
        at += name.length;
        if (item === uidItem) at = putDecimal(buffer, at, number);
        else if (item === modseqItem) {
          at = putDecimal(buffer, at, changed);
          buffer[at++] = closing;
        }
      }
      buffer[at] = closing;
      buffer[at + 1] = CR;
      buffer[at + 2] = LF;
      at += 3;
    }
    output.wrote(at);
    return behind;
  }

  #newText(row: number, key: number): Uint8Array {
    const { mailbox } = this.#session.view;
    const name = this.#names[this.#flagsAt]!;
    const flags = flagsText(mailbox, row, (key & recentBit) !== 0);
    const text = Buffer.concat([name, fromLatin1(flags)]);
    if (this.#texts.size >= limits.keywordsPerMailboxMax) this.#texts.clear();
    this.#texts.set(key, text);
    return text;
  }
}
