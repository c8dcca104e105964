import { Refusal } from "#base/assert.ts";
import type { MailboxNumber } from "#base/brand.ts";
import type { Clock } from "#base/clock.ts";
import type { Account, UidRanges } from "#store/index.ts";
import type { Placement, Recipient } from "./arrival.ts";
import type { ArrivedContent } from "./arrived-content.ts";
import { type Destination, destinationOf } from "./destination.ts";

/** Refuses what has no room in an account. Errors: `Refusal` OVERQUOTA, TOOBIG (never room). */
export function requireRoom(account: Account, bytes: number): void {
  const { quota } = account;
  if (quota.bytes !== undefined && bytes > quota.bytes)
    throw new Refusal("TOOBIG", "The message is larger than the whole mailbox may be");
  account.requireRoom(1, bytes);
}

/** Puts one message into the mailboxes of one account, its content once. */
export class Filing {
  readonly #content: ArrivedContent;
  readonly #account: Account;
  readonly #clock: Clock;
  /** Mailboxes that have the message. */
  readonly #filed = new Set<MailboxNumber>();
  /** A copy without flags, that others can be made from. */
  #source: { readonly mailbox: MailboxNumber; readonly uids: UidRanges } | undefined;

  constructor(content: ArrivedContent, account: Account, clock: Clock) {
    this.#content = content;
    this.#account = account;
    this.#clock = clock;
  }

  /**
   * Files the message for a recipient; the record is not yet durable. At once, where the content is
   * prepared and small enough for the journal: then the accounts of one burst share it. Errors: `Refusal` as
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
      const making = this.#content.copyFor(recipient);
      const copy = making instanceof Promise ? await making : making;
      requireRoom(this.#account, copy.prepared.body.length + (copy.prefix?.length ?? 0));
      const added = { ...copy, flags, internalDate: this.#clock.now() };
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
