import { Refusal } from "#base/assert.ts";
import type { MailboxNumber } from "#base/brand.ts";
import { type Account, type MailboxState, rangesOf, type UidRanges } from "#store/index.ts";

/** What a session knows; numbers and nothing else. */
export interface MaildropState {
  readonly mailbox: MailboxNumber;
  readonly uidValidity: number;
  /** Of message 1, 2, 3 ...; ascending. */
  readonly uids: Uint32Array;
  /** 1 for a message that is marked as deleted, in the same order. */
  readonly deleted: Uint8Array;
}

/**
 * INBOX as it was when the session began. Its numbers never change; a message that has been marked,
 * or that others have expunged, is there no more. RFC 1939 §4, §5
 */
export class Maildrop {
  readonly #account: Account;
  readonly state: MaildropState;

  constructor(account: Account, state: MaildropState) {
    this.#account = account;
    this.state = state;
  }

  /** INBOX as it is now. Errors: `Refusal` NONEXISTENT. */
  static open(account: Account): Maildrop {
    const { number, uidValidity, rows } = account.mailbox("INBOX");
    const uids = rows.arrays.uid.slice(0, rows.count);
    return new Maildrop(account, {
      ...{ mailbox: number, uidValidity, uids },
      deleted: new Uint8Array(uids.length),
    });
  }

  /** Messages at login: the greatest number. */
  get count(): number {
    return this.state.uids.length;
  }

  get #mailbox(): MailboxState | undefined {
    const { mailbox, uidValidity } = this.state;
    const found = this.#account.state.mailboxes.get(mailbox);
    return found?.uidValidity === uidValidity ? found : undefined;
  }

  /**
   * Calls `visit` with each message that is there, from number `from` to before `to`, and with its
   * row in the account's message table.
   */
  forEach(from: number, to: number, visit: (number: number, row: number) => void): void {
    const mailbox = this.#mailbox;
    const { uids, deleted } = this.state;
    const end = Math.min(to, uids.length + 1);
    if (mailbox === undefined || from >= end) return;
    const { uid, message } = mailbox.rows.arrays;
    let row = mailbox.firstRowFrom(uids[from - 1]!);
    for (let number = from; number < end; number++) {
      const wanted = uids[number - 1]!;
      while (row < mailbox.count && uid[row]! < wanted) row++;
      if (row < mailbox.count && uid[row] === wanted && deleted[number - 1] === 0)
        visit(number, message[row]!);
    }
  }

  /** The row of a message in the account's message table. Errors: `Refusal` NONEXISTENT. */
  rowOf(number: number): number {
    const { uids, deleted } = this.state;
    const uid = uids[number - 1];
    if (uid === undefined) throw new Refusal("NONEXISTENT", `There is no message ${number}`);
    if (deleted[number - 1] === 1)
      throw new Refusal("NONEXISTENT", `Message ${number} is marked as deleted`);
    const mailbox = this.#mailbox;
    const row = mailbox?.rowOf(uid) ?? -1;
    if (row < 0)
      throw new Refusal("NONEXISTENT", `Message ${number} was removed by another program`);
    return mailbox!.rows.arrays.message[row]!;
  }

  /** Octets of the message in a row. RFC 1939 §11 */
  sizeOf(row: number): number {
    return this.#account.state.messages.arrays.size[row]!;
  }

  /**
   * The unique id of a message that is there: the one that it was imported with, else UIDVALIDITY
   * and uid in hexadecimal. RFC 1939 §7
   */
  uidlOf(number: number): string {
    const uid = this.state.uids[number - 1]!;
    const imported = this.#mailbox?.uidls.get(uid);
    if (imported !== undefined && /^[!-~]{1,70}$/.test(imported)) return imported;
    return `${this.state.uidValidity.toString(16).padStart(8, "0")}.${uid.toString(16)}`;
  }

  /** Errors: as of `rowOf`. */
  markDeleted(number: number): void {
    this.rowOf(number);
    this.state.deleted[number - 1] = 1;
  }

  /** Takes all marks away. */
  reset(): void {
    this.state.deleted.fill(0);
  }

  /** What QUIT removes. */
  get marked(): UidRanges {
    const { uids, deleted } = this.state;
    return rangesOf(uids.filter((_, index) => deleted[index] === 1));
  }

  /**
   * Removes what is marked, all of it in one change; durable when the account is.
   * Errors: `Refusal` NONEXISTENT where INBOX is another one now, LIMIT, UNAVAILABLE.
   */
  update(): void {
    const { marked } = this;
    if (marked.length === 0) return;
    if (this.#mailbox === undefined)
      throw new Refusal("NONEXISTENT", "INBOX was replaced: nothing was removed");
    this.#account.removeMessages(this.state.mailbox, marked);
  }
}
