import { Refusal, unreachable } from "#base/assert.ts";
import { noBytes } from "#base/bytes.ts";
import { limits } from "#base/limits.ts";
import type { CachedFields, PartTable } from "#message/index.ts";
import type { BodyReader } from "#store/index.ts";
import { noRanges, type Ranges, rangesContain } from "#wire/index.ts";
import { FlagLines } from "../flag-lines.ts";
import { flagsText, writeKeywords } from "../flags.ts";
import { emailId, threadId } from "../object-ids.ts";
import type { Session } from "../session.ts";
import { writeFlagLines, writeFlagsOf } from "../sync.ts";
import {
  decodeSmall,
  type EncodedPart,
  encodedPart,
  encodedPartOf,
  measure,
  writeDecoded,
  writeLarge,
} from "./binary.ts";
import { isDamage, readFields } from "./contents.ts";
import { largeSection, writeLargeSection } from "./large-sections.ts";
import type { BodyItem, ColumnItem, FetchPlan, FieldsItem } from "./plan.ts";
import { noneSeen, setSeen, unsetSeen } from "./seen.ts";
import { cut, keptSectionBytes, sectionBytes, type SectionItem } from "./sections.ts";

/** Rows that are written before it is looked whether it is time for a pause. */
const rowsPerLook = 64;

/** What was read of a message, after which its row may no longer be valid. */
interface Contents {
  readonly uid: number;
  readonly fields: CachedFields | undefined;
  readonly body: Uint8Array | BodyReader | undefined;
}

/**
 * Writes the FETCH responses of one command. All that is read of a message is read before its
 * response is begun; what cannot be read is left out of it, and `failure` says why.
 */
export class FetchRun {
  readonly #session: Session;
  readonly #plan: FetchPlan;
  /** All bodies of the plan, where it has none but sections. */
  readonly #sections: readonly SectionItem[];
  /** Of the first message that could not be answered in full. */
  failure: Refusal | undefined;
  /** Fields that had to be waited for. */
  #contents: Contents | undefined;
  #waiting: Promise<void> | undefined;
  /** The response that is being written has an item already. */
  #began = false;

  constructor(session: Session, plan: FetchPlan) {
    this.#session = session;
    this.#plan = plan;
    this.#sections = plan.sectionsOnly ? (plan.bodies as readonly SectionItem[]) : [];
  }

  /** Answers for the messages in `uids` that are there; lets others work meanwhile. */
  async run(uids: Ranges): Promise<void> {
    const session = this.#session;
    const { changedSince, flagLine } = this.#plan;
    if (flagLine !== undefined)
      return writeFlagLines(session, uids, new FlagLines(session, flagLine, changedSince));
    const step = this.#plan.keptHeader && !this.#plan.setsSeen ? "rows" : "slice";
    session.startSlice();
    for (let i = 0; i < uids.length; i += 2) {
      const last = uids[i + 1]!;
      let next = uids[i]!;
      while (next <= last) {
        next =
          step === "rows" ? this.#writeRows(next, last) : await this.#writeSlice({ next, last });
        const waiting = this.#waiting ?? session.pause();
        if (waiting === undefined) continue;
        this.#waiting = undefined;
        await waiting;
        session.requireMailbox();
      }
    }
  }

  // Without bodies: as many rows as fit the output, without a promise in between

  /** Gives the uid to go on with. */
  #writeRows(next: number, last: number): number {
    const { output, view } = this.#session;
    const { changedSince, needsFields } = this.#plan;
    const { mailbox, liveCount } = view;
    const { modseq, uid } = mailbox.rows.arrays;
    let row = mailbox.firstRowFrom(next);
    for (let left = rowsPerLook; row < liveCount && uid[row]! <= last; row++) {
      if (left-- === 0 || output.full) return uid[row]!;
      if (modseq[row]! <= changedSince) continue;
      if (!needsFields) {
        this.#writeHead(row);
        output.ascii(")\r\n");
        continue;
      }
      const fields = this.#fieldsOf(row);
      if (fields instanceof Promise) {
        this.#waiting = fields;
        return uid[row]!;
      }
      if (this.#plan.bodies.length > 0 && fields?.keptHeader === undefined) {
        this.#waiting = this.#writeMessage(uid[row]!, noRanges).then(() => undefined);
        return uid[row]! + 1;
      }
      this.#writeWithFields(row, fields);
    }
    return last + 1;
  }

  /** Undefined where they cannot be read. */
  #fieldsOf(row: number): CachedFields | undefined | Promise<void> {
    const uid = this.#session.view.mailbox.rows.arrays.uid[row]!;
    const known = this.#contents;
    this.#contents = undefined;
    if (known?.uid === uid) return known.fields;
    try {
      const fields = readFields(this.#session, row);
      if (!(fields instanceof Promise)) return fields;
      return fields.then(
        (found) => void (this.#contents = { uid, fields: found, body: undefined }),
        (error: unknown) => {
          this.#noteFailure(error);
          this.#contents = { uid, fields: undefined, body: undefined };
        },
      );
    } catch (error) {
      this.#noteFailure(error);
      return undefined;
    }
  }

  #writeWithFields(row: number, fields: CachedFields | undefined): void {
    const { output } = this.#session;
    if (fields === undefined && this.#plan.columns.length === 0) return;
    this.#writeHead(row);
    if (fields !== undefined) {
      for (const item of this.#plan.fields) this.#writeField(item, fields);
      for (const item of this.#plan.bodies as readonly SectionItem[])
        this.#writeSection(item, keptSectionBytes(fields.keptHeader!, item));
    }
    output.ascii(")\r\n");
  }

  /** Throws what is not about this message alone. */
  #noteFailure(error: unknown): void {
    if (isDamage(error))
      this.failure ??=
        error instanceof Refusal
          ? error
          : new Refusal("CORRUPTION", "What was kept of a message is damaged", { cause: error });
    else if (error instanceof Refusal && error.code === "UNKNOWN-CTE") this.failure ??= error;
    else throw error;
  }

  // Columns and fields

  #writeHead(row: number): void {
    const { output, view } = this.#session;
    // Others may have brought a keyword into use since the last response.
    if (this.#plan.tellsFlags) writeKeywords(this.#session);
    output.ascii("* ").number(view.seqOfRow(row)).ascii(" FETCH (");
    this.#began = false;
    for (const item of this.#plan.columns) this.#writeColumn(item, row);
  }

  #writeName(name: string): void {
    if (this.#began) this.#session.output.space();
    this.#began = true;
    this.#session.output.ascii(name);
  }

  #writeColumn(item: ColumnItem, row: number): void {
    const { account, enabled, output, view } = this.#session;
    const rows = view.mailbox.rows.arrays;
    const messages = account.state.messages.arrays;
    const message = rows.message[row]!;
    switch (item) {
      case "UID":
        this.#writeName("UID ");
        output.number(rows.uid[row]!);
        return;
      case "FLAGS": {
        this.#writeName("FLAGS ");
        const recent = !enabled.rev2 && rows.uid[row]! >= view.recentFloor;
        output.ascii(flagsText(view.mailbox, row, recent));
        return;
      }
      case "MODSEQ":
        this.#writeName("MODSEQ (");
        output.number(rows.modseq[row]!).ascii(")");
        return;
      case "RFC822.SIZE":
        this.#writeName("RFC822.SIZE ");
        output.number(messages.size[message]!);
        return;
      case "INTERNALDATE":
        this.#writeName("INTERNALDATE ");
        output.dateTime(messages.internalDate[message]!);
        return;
      case "SAVEDATE":
        this.#writeName("SAVEDATE ");
        output.dateTime(rows.savedAt[row]! * 1000);
        return;
      case "EMAILID":
        this.#writeName("EMAILID (");
        output.ascii(emailId(account.state.id, messages.number[message]!)).ascii(")");
        return;
      case "THREADID":
        this.#writeName("THREADID (");
        output.ascii(threadId(account.state.id, messages.thread[message]!)).ascii(")");
        return;
      default:
        unreachable(item);
    }
  }

  #writeField(item: FieldsItem, fields: CachedFields): void {
    const { output } = this.#session;
    switch (item) {
      case "ENVELOPE":
        this.#writeName("ENVELOPE ");
        output.bytes(fields.envelope);
        return;
      case "BODYSTRUCTURE":
        this.#writeName("BODYSTRUCTURE ");
        output.bytes(fields.bodyStructure);
        return;
      case "BODY":
        this.#writeName("BODY ");
        output.bytes(fields.body);
        return;
      case "PREVIEW":
        this.#writeName("PREVIEW ");
        output.string(fields.preview);
        return;
      default:
        unreachable(item);
    }
  }

  // With bodies: a slice of messages at a time

  async #writeSlice({ next, last }: { next: number; last: number }): Promise<number> {
    const session = this.#session;
    const slice = this.#slice(next, last);
    const seen =
      this.#plan.setsSeen && slice.uids.length > 0 ? setSeen(session, slice.uids) : noneSeen;
    if (seen.others.length > 0) await writeFlagsOf(session, seen.others);
    const failed: number[] = [];
    for (const uid of slice.uids) {
      const pause = session.pause();
      if (pause !== undefined) await pause;
      session.requireMailbox();
      if (this.#writeLent(uid, seen.changed)) continue;
      if (!(await this.#writeMessage(uid, seen.changed))) failed.push(uid);
    }
    if (failed.length > 0) unsetSeen(session, seen.changed, failed);
    return slice.next;
  }

  /** The next messages to answer, and the uid to go on with behind them. */
  #slice(next: number, last: number): { uids: number[]; next: number } {
    const { account, view } = this.#session;
    const { mailbox, liveCount } = view;
    const { message, modseq, uid } = mailbox.rows.arrays;
    const { size } = account.state.messages.arrays;
    const uids: number[] = [];
    const ahead: number[] = [];
    let bytes = 0;
    let left = limits.fetchAheadMessagesMax;
    let row = mailbox.firstRowFrom(next);
    for (; row < liveCount && uid[row]! <= last && left > 0; row++, left--) {
      if (modseq[row]! <= this.#plan.changedSince) continue;
      bytes += size[message[row]!]!;
      if (bytes > limits.fetchAheadBytesMax && uids.length > 0) break;
      uids.push(uid[row]!);
      ahead.push(message[row]!);
    }
    if (ahead.length > 1 && this.#plan.bodies.length > 0) account.bodiesAhead(ahead);
    return { uids, next: row < liveCount && uid[row]! <= last ? uid[row]! : last + 1 };
  }

  /** Answers for a message that is small and at hand; false where that takes more. */
  #writeLent(uid: number, changed: Ranges): boolean {
    const session = this.#session;
    if (!this.#plan.sectionsOnly) return false;
    session.view.refresh();
    const { mailbox } = session.view;
    const row = mailbox.rowOf(uid);
    if (row < 0) return true;
    let fields: CachedFields | undefined;
    let sections: (Uint8Array | null)[];
    try {
      const found = this.#plan.needsFields ? readFields(session, row) : undefined;
      if (found instanceof Promise) {
        found.catch(() => undefined);
        return false;
      }
      fields = found;
      if (this.#plan.needsFields && fields === undefined) return false;
      const body = session.account.lendBody(mailbox.rows.arrays.message[row]!);
      if (body === undefined) return false;
      sections = this.#sections.map((item) => sectionBytes(body, fields?.parts, item));
    } catch (error) {
      if (isDamage(error)) return false;
      throw error;
    }
    this.#writeMessageHead(row, rangesContain(changed, uid));
    for (const item of this.#plan.fields) this.#writeField(item, fields!);
    for (let i = 0; i < sections.length; i++) {
      this.#writeSectionName(this.#sections[i]!);
      const bytes = sections[i]!;
      if (bytes === null) session.output.ascii("NIL");
      else session.output.literalHead(bytes.length).copy(bytes);
    }
    session.output.ascii(")\r\n");
    return true;
  }

  #writeMessageHead(row: number, seen: boolean): void {
    const { columns } = this.#plan;
    this.#writeHead(row);
    if (seen && !columns.includes("FLAGS")) this.#writeColumn("FLAGS", row);
    if (seen && this.#session.enabled.condstore && !columns.includes("MODSEQ"))
      this.#writeColumn("MODSEQ", row);
  }

  /** False where the message could not be answered in full. */
  async #writeMessage(uid: number, changed: Ranges): Promise<boolean> {
    const session = this.#session;
    const contents = await this.#read(uid);
    const row = session.requireMailbox().rowOf(uid);
    session.view.refresh();
    // Expunged meanwhile: the view knows it as a ghost now, and the end of the command says so.
    if (row < 0) return true;
    const seen = rangesContain(changed, uid);
    const readable = contents !== undefined;
    if (!readable && this.#plan.columns.length === 0 && !seen) return false;
    this.#writeMessageHead(row, seen);
    if (readable) {
      for (const item of this.#plan.fields) this.#writeField(item, contents.fields!);
      const failures = await this.#writeBodies(contents);
      session.output.ascii(")\r\n");
      return failures === 0;
    }
    session.output.ascii(")\r\n");
    return false;
  }

  /** What the plan needs of a message; undefined where that cannot be read. */
  async #read(uid: number): Promise<Contents | undefined> {
    const session = this.#session;
    const { mailbox } = session.view;
    let row = mailbox.rowOf(uid);
    if (row < 0) return undefined;
    try {
      let fields: CachedFields | undefined;
      if (this.#plan.needsFields) {
        const found = readFields(session, row);
        if (found instanceof Promise) {
          fields = await found;
          row = session.requireMailbox().rowOf(uid);
        } else fields = found;
        if (row < 0 || fields === undefined) return undefined;
      }
      if (this.#plan.bodies.length === 0) return { uid, fields, body: undefined };
      const message = mailbox.rows.arrays.message[row]!;
      const body = session.account.openBody(message) ?? session.account.body(message);
      return { uid, fields, body: body instanceof Promise ? await body : body };
    } catch (error) {
      this.#noteFailure(error);
      return undefined;
    }
  }

  /** Gives the number of items that had to be left out. */
  async #writeBodies(contents: Contents): Promise<number> {
    const { output } = this.#session;
    let failures = 0;
    for (const item of this.#plan.bodies) {
      if (output.full) await output.flush();
      try {
        await this.#writeBody(item, contents);
      } catch (error) {
        // Nothing of the item was written yet.
        this.#noteFailure(error);
        failures++;
      }
    }
    // A response without items is none; this one is always true.
    if (!this.#began) this.#writeName(`UID ${contents.uid}`);
    return failures;
  }

  /** Throws before it has written anything. */
  async #writeBody(item: BodyItem, contents: Contents): Promise<void> {
    const session = this.#session;
    const { output } = session;
    const body = contents.body!;
    const parts: PartTable | undefined = contents.fields?.parts;
    switch (item.kind) {
      case "section": {
        const bytes =
          body instanceof Uint8Array
            ? sectionBytes(body, parts, item)
            : await largeSection(body, parts, item);
        if (bytes === null || bytes instanceof Uint8Array) return this.#writeSection(item, bytes);
        this.#writeSectionName(item);
        return writeLargeSection(session, body as BodyReader, bytes);
      }
      case "binarySize": {
        const part = await this.#encodedPart(contents, item.part);
        const small = part === null ? noBytes : decodeSmall(part);
        const size = small?.length ?? (await measure(session, part!)).size;
        this.#writeName(item.label);
        output.space().number(size);
        return;
      }
      case "binary":
        return this.#writeBinary(item, await this.#encodedPart(contents, item.part));
      default:
        unreachable(item);
    }
  }

  #encodedPart(
    { body, fields }: Contents,
    path: readonly number[],
  ): EncodedPart | null | Promise<EncodedPart | null> {
    return body instanceof Uint8Array
      ? encodedPart(body, fields?.parts, path)
      : encodedPartOf(body!, fields?.parts, path);
  }

  #writeSection(item: SectionItem, bytes: Uint8Array | null): void {
    const { output } = this.#session;
    this.#writeSectionName(item);
    if (bytes === null) output.ascii("NIL");
    else output.literal(bytes);
  }

  #writeSectionName({ label, partial }: SectionItem): void {
    const { output } = this.#session;
    this.#writeName(label);
    if (partial !== null) output.ascii("<").number(partial.offset).ascii(">");
    output.space();
  }

  async #writeBinary(
    item: Extract<BodyItem, { kind: "binary" }>,
    part: EncodedPart | null,
  ): Promise<void> {
    const session = this.#session;
    const { output } = session;
    const { label, partial } = item;
    const name = partial === null ? label : `${label}<${partial.offset}>`;
    const small = part === null ? null : decodeSmall(part);
    const decoded = small === undefined ? await measure(session, part!) : undefined;
    this.#writeName(name);
    output.space();
    if (small === null) output.ascii("NIL");
    else if (small !== undefined) writeDecoded(session, cut(small, partial));
    else await writeLarge(session, part!, { decoded: decoded!, partial });
  }
}
