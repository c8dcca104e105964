import { Refusal } from "#base/assert.ts";
import type { MailboxNumber } from "#base/brand.ts";
import { asBuffer } from "#base/bytes.ts";
import type { Clock } from "#base/clock.ts";
import type { Account, PreparedMessage, UidRanges } from "#store/index.ts";
import type { ArrivedMessage, Placement, Recipient } from "./arrival.ts";
import { type Destination, destinationOf } from "./destination.ts";

/** Refuses what has no room in an account. Errors: `Refusal` OVERQUOTA, TOOBIG (never room). */
export function requireRoom(account: Account, bytes: number): void {
  const { quota } = account;
  if (quota.bytes !== undefined && bytes > quota.bytes)
    throw new Refusal("TOOBIG", "The message is larger than the whole mailbox may be");
  account.requireRoom(1, bytes);
}

export interface FilingParts {
  readonly clock: Clock;
  readonly prepare: (
    message: Uint8Array,
    options: { readonly binary?: boolean; readonly clock: Clock },
  ) => PreparedMessage | Promise<PreparedMessage>;
}

/** Puts one message into the mailboxes of one account, its content once. */
export class Filing {
  readonly message: ArrivedMessage;
  readonly #account: Account;
  readonly #parts: FilingParts;
  /** Mailboxes that have the message. */
  readonly #filed = new Set<MailboxNumber>();
  /** A copy without flags, that others can be made from. */
  #source: { readonly mailbox: MailboxNumber; readonly uids: UidRanges } | undefined;

  constructor(message: ArrivedMessage, account: Account, parts: FilingParts) {
    this.message = message;
    this.#account = account;
    this.#parts = parts;
  }

  /**
   * Files the message for a recipient; the record is not yet durable. Errors: `Refusal` as
   * `Account.addMessages`, and TOOBIG.
   */
  async file(recipient: Recipient, placement: Placement | undefined): Promise<void> {
    const destination = destinationOf(this.#account, recipient, placement);
    try {
      await this.#fileTo(destination, recipient);
    } catch (error) {
      // A mailbox may go while a large body is being put.
      const gone = !this.#account.state.mailboxes.has(destination.mailbox.number);
      if (!gone || this.#account.lost !== undefined) throw error;
      const inbox = this.#account.mailbox("INBOX");
      await this.#fileTo({ ...destination, mailbox: inbox }, recipient);
    }
  }

  async #fileTo({ mailbox, flags }: Destination, recipient: Recipient): Promise<void> {
    const { number } = mailbox;
    if (this.#filed.has(number)) return;
    const plain = flags.bits === 0 && flags.keywords.length === 0;
    if (!plain || !this.#copyTo(number)) {
      const { clock, prepare } = this.#parts;
      const { exact = false } = this.message;
      const whole = traced(this.message, recipient);
      const preparing = prepare(whole, { binary: exact, clock });
      const prepared = preparing instanceof Promise ? await preparing : preparing;
      requireRoom(this.#account, prepared.body.length);
      const added = { prepared, flags, internalDate: clock.now() };
      const { uids } = await this.#account.addMessages(number, [added]);
      if (plain) this.#source = { mailbox: number, uids };
    }
    this.#filed.add(number);
  }

  /** True when a copy by reference was made. */
  #copyTo(number: MailboxNumber): boolean {
    if (this.#source === undefined) return false;
    const { mailbox, uids } = this.#source;
    if (!this.#account.state.mailboxes.has(mailbox)) return false;
    return this.#account.copyMessages(mailbox, number, { uids, move: false }).uids.length > 0;
  }
}

/** The message behind our fields. RFC 5321 §4.4 (Return-Path), RFC 9228 §4 (Delivered-To) */
function traced({ sender, content }: ArrivedMessage, { address }: Recipient): Uint8Array {
  const head = `Return-Path: <${sender}>\r\nDelivered-To: ${address}\r\n`;
  const headBytes = Buffer.byteLength(head);
  const whole = Buffer.allocUnsafeSlow(headBytes + content.length);
  whole.write(head);
  asBuffer(content).copy(whole, headBytes);
  return whole;
}
