import { limits } from "#base/limits.ts";
import {
  type CachedFields,
  type PartTable,
  searchableText,
  searchableTextOf,
  type SearchScope,
  type TextPiece,
} from "#message/index.ts";
import type { Session } from "../session.ts";
import type { BodyReader } from "#store/index.ts";
import { isDamage, readFields } from "../fetch/contents.ts";
import { readRange } from "../fetch/large-sections.ts";
import type { Program } from "./compile.ts";
import {
  depthOf,
  evaluate,
  no,
  textNodes,
  type TextNode,
  type Truth,
  unknown,
  yes,
} from "./program.ts";
import { Subject } from "./subject.ts";
import type { Ranges } from "#wire/index.ts";
import { NumberList } from "./number-list.ts";

/** What a search found. */
export interface Found {
  /** Ascending. */
  readonly uids: Uint32Array;
  /** Some messages could not be read, and were taken as not matching. */
  readonly damaged: boolean;
}

/** The messages of a block that the columns did not rule out. */
interface Block {
  readonly uids: number[];
  readonly truths: Truth[];
  /** Read so far, for those that are still unknown. */
  readonly fields: (CachedFields | undefined)[];
}

/**
 * Finds the messages of the view that match, a block at a time: by their columns, then by their
 * cached fields, then by their bodies. Lets others work in between: a message counts as it is when
 * it is looked at. Errors: `Refusal` UNAVAILABLE.
 */
export async function runSearch(session: Session, program: Program): Promise<Found> {
  session.startSlice();
  if (program.all) return { uids: uidsIn(session, program.within), damaged: false };
  const run = new SearchRun(session, program);
  const { within } = program;
  for (let i = 0; i < within.length; i += 2)
    for (let next = within[i]!; next <= within[i + 1]!;) {
      next = run.scan(next, within[i + 1]!);
      if (run.undecided) await run.decide();
      run.keep();
      const pause = session.pause();
      if (pause !== undefined) await run.resume(pause);
    }
  return { uids: run.found.view(), damaged: run.damaged };
}

/** Uids of all messages of the view in some ranges. */
function uidsIn({ view }: Session, within: Ranges): Uint32Array {
  const { liveCount, mailbox } = view;
  const { uid } = mailbox.rows.arrays;
  const uids = new Uint32Array(liveCount);
  let count = 0;
  for (let i = 0; i < within.length; i += 2) {
    const first = mailbox.firstRowFrom(within[i]!);
    const end = Math.min(mailbox.firstRowFrom(within[i + 1]! + 1), liveCount);
    if (first >= end) continue;
    uids.set(uid.subarray(first, end), count);
    count += end - first;
  }
  return uids.subarray(0, count);
}

class SearchRun {
  readonly found = new NumberList();
  damaged = false;
  readonly #session: Session;
  readonly #program: Program;
  readonly #texts: readonly TextNode[];
  readonly #subject: Subject;
  #block: Block = { uids: [], truths: [], fields: [] };
  undecided = false;

  constructor(session: Session, program: Program) {
    this.#session = session;
    this.#program = program;
    this.#texts = textNodes(program.root);
    this.#subject = new Subject(session.view.mailbox, session.account.state);
  }

  async resume(pause: Promise<unknown>): Promise<void> {
    await pause;
    this.#session.input.requireClient();
    this.#session.requireMailbox();
    this.#subject.refresh();
  }

  /** Looks at the columns of a block of messages from the uid `next`; gives the uid to go on with. */
  scan(next: number, last: number): number {
    const { liveCount, mailbox } = this.#session.view;
    const { root } = this.#program;
    const subject = this.#subject;
    const { uid } = subject.rows;
    const block: Block = { uids: [], truths: [], fields: [] };
    this.#block = block;
    this.undecided = false;
    let left = limits.searchBlockMessages;
    let row = mailbox.firstRowFrom(next);
    for (; row < liveCount && uid[row]! <= last && left > 0; row++, left--) {
      subject.turnTo(row);
      const truth = evaluate(root, subject, 0);
      if (truth === no) continue;
      if (truth === unknown) this.undecided = true;
      block.uids.push(uid[row]!);
      block.truths.push(truth);
    }
    return row < liveCount && uid[row]! <= last ? uid[row]! : last + 1;
  }

  /** Reads what is needed to decide about the block. */
  async decide(): Promise<void> {
    const { truths, uids } = this.#block;
    for (let i = 0; i < uids.length; i++)
      if (truths[i] === unknown) {
        const step = this.#decideByFields(i);
        if (step instanceof Promise) await step;
        const pause = this.#session.pause();
        if (pause !== undefined) await this.resume(pause);
      }
    if (depthOf(this.#program.root) < 2) return;
    let asked = 0;
    for (let i = 0; i < uids.length; i++)
      if (truths[i] === unknown) {
        if (i >= asked) asked = this.#askAhead(i);
        const step = this.#decideByBody(i);
        if (step instanceof Promise) await step;
        const pause = this.#session.pause();
        if (pause !== undefined) await this.resume(pause);
      }
  }

  /** Adds what matches to the result. */
  keep(): void {
    const { truths, uids } = this.#block;
    for (let i = 0; i < uids.length; i++) if (truths[i] === yes) this.found.push(uids[i]!);
  }

  /** What cannot be read does not match, nor does its negation. */
  #giveUp(index: number, error: unknown): void {
    if (!isDamage(error)) throw error;
    this.damaged = true;
    this.#block.truths[index] = no;
  }

  #turnTo(index: number, fields?: CachedFields): boolean {
    const row = this.#session.view.mailbox.rowOf(this.#block.uids[index]!);
    if (row < 0) {
      this.#block.truths[index] = no;
      return false;
    }
    this.#subject.turnTo(row, fields);
    return true;
  }

  #decideByFields(index: number): Promise<void> | undefined {
    if (!this.#turnTo(index)) return undefined;
    try {
      const fields = readFields(this.#session, this.#subject.row);
      if (fields instanceof Promise) return this.#awaitFields(index, fields);
      this.#takeFields(index, fields);
    } catch (error) {
      this.#giveUp(index, error);
    }
    return undefined;
  }

  async #awaitFields(index: number, fields: Promise<CachedFields | undefined>): Promise<void> {
    try {
      const found = await fields;
      this.#session.requireMailbox();
      this.#subject.refresh();
      if (this.#turnTo(index)) this.#takeFields(index, found);
    } catch (error) {
      this.#giveUp(index, error);
    }
  }

  #takeFields(index: number, fields: CachedFields | undefined): void {
    const { truths } = this.#block;
    if (fields === undefined) {
      truths[index] = no;
      return;
    }
    this.#subject.fields = fields;
    truths[index] = evaluate(this.#program.root, this.#subject, 1);
    if (truths[index] === unknown) this.#block.fields[index] = fields;
  }

  /** Announces the next bodies; gives the index of the first that was not. */
  #askAhead(from: number): number {
    const { truths, uids } = this.#block;
    const { account, view } = this.#session;
    const { rows, messages } = this.#subject;
    const ahead: number[] = [];
    let bytes = 0;
    let index = from;
    for (; index < uids.length && ahead.length < limits.fetchAheadMessagesMax; index++) {
      if (truths[index] !== unknown) continue;
      const row = view.mailbox.rowOf(uids[index]!);
      if (row < 0) continue;
      const size = messages.size[rows.message[row]!]!;
      // Such a one is read piece by piece.
      if (size > limits.heldBodyBytesMax) continue;
      bytes += size;
      if (bytes > limits.fetchAheadBytesMax && ahead.length > 0) break;
      ahead.push(rows.message[row]!);
    }
    if (ahead.length > 1) account.bodiesAhead(ahead);
    return index;
  }

  #decideByBody(index: number): Promise<void> | undefined {
    if (!this.#turnTo(index, this.#block.fields[index])) return undefined;
    try {
      const { account } = this.#session;
      const opening = account.openBody(this.#subject.message);
      if (opening !== undefined) return this.#awaitReader(index, opening);
      const body = account.body(this.#subject.message);
      if (body instanceof Promise) return this.#awaitBody(index, body);
      if (body.length > limits.searchedAtOnceBytesMax)
        return this.#awaitBody(index, Promise.resolve(body));
      this.#takeBody(index, body);
    } catch (error) {
      this.#giveUp(index, error);
    }
    return undefined;
  }

  async #awaitBody(index: number, pending: Promise<Uint8Array>): Promise<void> {
    try {
      const body = await pending;
      const isLarge = body.length > limits.searchedAtOnceBytesMax;
      const found = isLarge
        ? await this.#searchLarge((scope) => searchableText(body, this.#partsOf(index), scope))
        : undefined;
      this.#takeAwaited(index, body, found);
    } catch (error) {
      this.#giveUp(index, error);
    }
  }

  /** Of a message that is too large to be held, only the header is. */
  async #awaitReader(index: number, opening: Promise<BodyReader>): Promise<void> {
    try {
      const body = await opening;
      const found = await this.#searchLarge((scope) =>
        searchableTextOf(body, this.#partsOf(index), scope),
      );
      const end = this.#block.fields[index]!.headerBytes;
      this.#takeAwaited(index, await readRange(body, { start: 0, end }), found);
    } catch (error) {
      this.#giveUp(index, error);
    }
  }

  #partsOf(index: number): PartTable {
    return this.#block.fields[index]!.parts;
  }

  /** @param found what the text nodes found in a body that was searched piece by piece */
  #takeAwaited(index: number, body: Uint8Array, found: ReadonlySet<TextNode> | undefined): void {
    this.#session.requireMailbox();
    this.#subject.refresh();
    if (!this.#turnTo(index, this.#block.fields[index])) return;
    this.#subject.found = found;
    this.#takeBody(index, body);
  }

  #takeBody(index: number, body: Uint8Array): void {
    this.#subject.body = body;
    this.#block.truths[index] = evaluate(this.#program.root, this.#subject, 2);
    this.#block.fields[index] = undefined;
  }

  /** The text nodes that a large body contains, piece by piece. */
  async #searchLarge(
    textOf: (scope: SearchScope) => Iterable<TextPiece> | AsyncIterable<TextPiece>,
  ): Promise<ReadonlySet<TextNode>> {
    const found = new Set<TextNode>();
    const scope = this.#texts.some((node) => node.scope === "text") ? "text" : "body";
    const tails = new Map<TextNode, string>();
    for await (const piece of textOf(scope)) {
      for (const node of this.#texts) {
        if (found.has(node) || (piece.isHeader && node.scope === "body")) continue;
        const text = (tails.get(node) ?? "") + piece.text;
        if (node.search.inText(text)) found.add(node);
        const kept = Math.max(text.length - limits.searchNeedleCharactersMax * 2, 0);
        tails.set(node, piece.more ? text.slice(kept) : "");
      }
      if (found.size === this.#texts.length) break;
      const pause = this.#session.pause();
      if (pause !== undefined) await this.resume(pause);
    }
    return found;
  }
}
