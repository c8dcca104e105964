import type { AccountId, MailboxNumber } from "#base/brand.ts";

/** A durable change: the mailbox has reached this modseq. */
export interface MailboxChange {
  readonly account: AccountId;
  readonly mailbox: MailboxNumber;
  readonly modseq: number;
}

/**
 * Durable changes of the mailboxes of all accounts, for those who do not have the account open:
 * whoever keeps frozen sessions wakes those that are to be told something.
 */
export class MailboxChanges {
  readonly #listeners = new Set<(change: MailboxChange) => void>();
  readonly #wakes = new Map<string, Set<() => void>>();

  /** Calls `listener` after each change of any mailbox. */
  listen(listener: (change: MailboxChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Calls `wake` after each change of one mailbox. */
  watch(
    { account, mailbox }: Pick<MailboxChange, "account" | "mailbox">,
    wake: () => void,
  ): () => void {
    const key = keyOf(account, mailbox);
    const wakes = this.#wakes.get(key) ?? new Set();
    this.#wakes.set(key, wakes.add(wake));
    return () => {
      wakes.delete(wake);
      if (wakes.size === 0 && this.#wakes.get(key) === wakes) this.#wakes.delete(key);
    };
  }

  /** Tells whoever wants to know. */
  tell(change: MailboxChange): void {
    for (const listener of this.#listeners) listener(change);
    if (this.#wakes.size === 0) return;
    for (const wake of [...(this.#wakes.get(keyOf(change.account, change.mailbox)) ?? [])]) wake();
  }
}

function keyOf(account: AccountId, mailbox: MailboxNumber): string {
  return `${account}/${mailbox}`;
}
