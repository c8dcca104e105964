import type { AccountId } from "#base/brand.ts";

/** Which accounts have a POP3 session; one object for each owner of accounts. RFC 1939 §4 */
export class MaildropLocks {
  readonly #taken = new Set<AccountId>();

  /** What gives the maildrop back, any number of times; undefined where another session has it. */
  take(accountId: AccountId): (() => void) | undefined {
    if (this.#taken.has(accountId)) return undefined;
    this.#taken.add(accountId);
    let mine = true;
    return () => {
      if (mine) this.#taken.delete(accountId);
      mine = false;
    };
  }
}
