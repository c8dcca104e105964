import type { CachedFields, Envelope, PartTable } from "#message/index.ts";
import { asBuffer } from "#base/bytes.ts";
import { decodeEnvelope } from "#message/index.ts";
import type { AccountState, MailboxState } from "#store/index.ts";
import type { TextNode } from "./program.ts";

/** The message that a search looks at: its columns, and of its contents what was read so far. */
export class Subject {
  readonly #mailbox: MailboxState;
  readonly #account: AccountState;
  /** The columns of the mailbox and of the account. */
  rows: MailboxState["rows"]["arrays"];
  messages: AccountState["messages"]["arrays"];
  /** Row of the mailbox, and of the account's message table; valid until the next `await`. */
  row = 0;
  message = 0;
  fields: CachedFields | undefined;
  body: Uint8Array | undefined;
  /** What was found in a body that is too large to be searched at once. */
  found: ReadonlySet<TextNode> | undefined;
  #parts: PartTable | undefined;
  #envelope: Envelope | undefined;
  /** Null where it was not looked at. */
  #plainEnvelope: string | undefined | null = null;

  constructor(mailbox: MailboxState, account: AccountState) {
    this.#mailbox = mailbox;
    this.#account = account;
    this.rows = mailbox.rows.arrays;
    this.messages = account.messages.arrays;
  }

  /** Takes new columns where the tables grew; to be called after each `await`. */
  refresh(): void {
    this.rows = this.#mailbox.rows.arrays;
    this.messages = this.#account.messages.arrays;
  }

  /** Turns to another message, with the fields that are known of it. */
  turnTo(row: number, fields?: CachedFields): void {
    this.row = row;
    this.message = this.rows.message[row]!;
    this.fields = fields;
    this.body = undefined;
    this.found = undefined;
    this.#parts = undefined;
    this.#envelope = undefined;
    this.#plainEnvelope = null;
  }

  get envelope(): Envelope {
    return (this.#envelope ??= decodeEnvelope(this.fields!.envelope));
  }

  /** The stored ENVELOPE in upper case; undefined where it is not ASCII or has encoded words. */
  get plainEnvelope(): string | undefined {
    if (this.#plainEnvelope === null) {
      const text = asBuffer(this.fields!.envelope).toString("latin1");
      this.#plainEnvelope = /=\?|[^\x00-\x7f]/.test(text) ? undefined : text.toUpperCase();
    }
    return this.#plainEnvelope;
  }

  get parts(): PartTable {
    return (this.#parts ??= this.fields!.parts);
  }

  get header(): Uint8Array {
    return this.body!.subarray(0, this.fields!.headerBytes);
  }
}
