import type { AccountState } from "../index/account-state.ts";
import type { MailboxState } from "../index/mailbox-state.ts";
import type { ContentReader } from "../ports.ts";
import type { Rest } from "../slices.ts";
import { type KeyKind, keyKinds } from "./key-columns.ts";
import { KeysUnusable, MessageKeys, type StoredKeys } from "./message-keys.ts";

/** What the keys of an account need. */
export interface KeysHome {
  readonly contents: ContentReader;
  /** What was stored when the account was settled. */
  stored(): StoredKeys | undefined;
  /** Told after each use, as the keys may have grown. */
  used(): void;
}

/** The sort keys of an account, while they are in memory. */
export class AccountKeys {
  readonly #state: AccountState;
  readonly #home: KeysHome;
  #keys: MessageKeys | undefined;

  constructor(state: AccountState, home: KeysHome) {
    this.#state = state;
    this.#home = home;
  }

  /** Approximate memory. */
  get bytes(): number {
    return this.#keys?.bytes ?? 0;
  }

  /**
   * Keys of the kinds that are asked for, of the messages in `uids`. Errors: `Refusal` UNAVAILABLE;
   * what `rest` throws.
   *
   * @param uids ascending
   * @returns `damaged`: some messages could not be read, and count as having no header
   */
  read(
    mailbox: MailboxState,
    wanted: { readonly uids: Uint32Array; readonly kinds: readonly KeyKind[] },
    rest: Rest,
  ): Promise<{ keys: MessageKeys; damaged: boolean }> {
    return this.#use((keys) => keys.read(mailbox, wanted, rest));
  }

  /** All keys of all contents that can be read, for whoever stores them. */
  async readAll(rest: Rest): Promise<MessageKeys> {
    const wasKept = this.#keys !== undefined;
    const { keys } = await this.#use(async (each) => {
      await each.readAll(keyKinds, rest);
      return false;
    });
    // Nobody has asked for them yet.
    if (!wasKept) {
      this.forget();
      this.#home.used();
    }
    return keys;
  }

  async #use(
    work: (keys: MessageKeys) => Promise<boolean>,
  ): Promise<{ keys: MessageKeys; damaged: boolean }> {
    let keys = (this.#keys ??= this.#fresh(this.#home.stored()));
    try {
      return { keys, damaged: await work(keys) };
    } catch (error) {
      if (!(error instanceof KeysUnusable)) throw error;
      if (this.#keys === keys) this.#keys = this.#fresh();
      keys = this.#keys ?? this.#fresh();
      return { keys, damaged: await work(keys) };
    } finally {
      this.#home.used();
    }
  }

  #fresh(stored?: StoredKeys): MessageKeys {
    return new MessageKeys(this.#state, this.#home.contents, stored);
  }

  /** Gives their memory back. */
  forget(): void {
    this.#keys = undefined;
  }
}
