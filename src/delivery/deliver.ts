import type { Directory } from "#auth/index.ts";
import { Refusal } from "#base/assert.ts";
import { concatBytes, utf8 } from "#base/bytes.ts";
import type { Clock } from "#base/clock.ts";
import {
  type Account,
  canonicalMailboxName,
  flagBits,
  type Flags,
  type MailboxState,
  type PreparedMessage,
  type Store,
} from "#store/index.ts";
import type { ArrivedMessage, DeliveryHooks, DeliveryOutcome, Recipient } from "./arrival.ts";

export interface DeliveryOptions {
  readonly store: Store;
  readonly directory: Directory;
  readonly clock: Clock;
  readonly hooks: DeliveryHooks;
  /** Parses a message whose line ends may be of any kind. */
  readonly prepare: (message: Uint8Array) => PreparedMessage;
}

/** Files messages for the accounts of one directory. */
export class Delivery {
  readonly #options: DeliveryOptions;

  constructor(options: DeliveryOptions) {
    this.#options = options;
  }

  /**
   * Whose mail an address takes.
   *
   * @param size what the sender announced, in bytes, or 0
   * Errors: `Refusal` NONEXISTENT (nobody's), OVERQUOTA, AUTHORIZATIONFAILED (disabled), UNAVAILABLE.
   */
  async resolve(address: string, size: number): Promise<Recipient> {
    const { directory, hooks } = this.#options;
    const changed = await hooks.onRecipient?.(address);
    const target = await directory.findAddress(changed ?? address);
    if (target === undefined) throw new Refusal("NONEXISTENT", "There is no such user here");
    if (target.disabled) throw new Refusal("AUTHORIZATIONFAILED", "This mailbox is disabled");
    const recipient: Recipient = { address, ...recipientOf(target) };
    const { quota } = recipient;
    if (quota.bytes !== undefined || quota.messages !== undefined)
      await this.#withAccount(recipient, (account) => account.requireRoom(1, size));
    return recipient;
  }

  /**
   * Delivers to each recipient. Two addresses that lead to the same mailbox of the same account get
   * one copy. Never rejects: every recipient has an outcome.
   */
  async deliver(
    message: ArrivedMessage,
    recipients: readonly Recipient[],
  ): Promise<DeliveryOutcome[]> {
    const copies = new Map<string, Promise<null>>();
    return Promise.all(
      recipients.map(async (recipient) => {
        const key = `${recipient.accountId}/${recipient.detail ?? ""}`;
        let copy = copies.get(key);
        if (copy === undefined) copies.set(key, (copy = this.#deliverTo(message, recipient)));
        try {
          return { recipient, error: await copy };
        } catch (error) {
          return { recipient, error };
        }
      }),
    );
  }

  async #deliverTo(message: ArrivedMessage, recipient: Recipient): Promise<null> {
    const { clock, hooks, prepare } = this.#options;
    const { sender, content } = message;
    const placement = await hooks.onDeliver?.({ recipient, sender, content });
    const prepared = prepare(concatBytes([traceFields(sender, recipient.address), content]));
    await this.#withAccount(recipient, async (account) => {
      const mailbox =
        placement === undefined
          ? mailboxForDetail(account, recipient.detail)
          : (account.state.mailboxesByName.get(canonicalMailboxName(placement.mailbox)) ??
            account.mailbox("INBOX"));
      const flags = flagsOf(placement?.flags ?? []);
      await account.addMessages(mailbox.number, [{ prepared, flags, internalDate: clock.now() }]);
      await account.durable();
    });
    return null;
  }

  async #withAccount<T>(
    recipient: Recipient,
    use: (account: Account) => T | Promise<T>,
  ): Promise<T> {
    const { accountId, quota } = recipient;
    const account = await this.#options.store.open(accountId, { accountId, quota });
    try {
      return await use(account);
    } finally {
      this.#options.store.close(account);
    }
  }
}

function recipientOf(target: NonNullable<Awaited<ReturnType<Directory["findAddress"]>>>) {
  const { accountId, tenant, name, quota, detail } = target;
  return { accountId, tenant, name, quota, ...(detail === undefined ? {} : { detail }) };
}

/** RFC 5321 §4.4 (Return-Path), RFC 9228 (Delivered-To) */
function traceFields(sender: string, address: string): Uint8Array {
  return utf8(`Return-Path: <${sender}>\r\nDelivered-To: ${address}\r\n`);
}

/** The mailbox that the detail of an address names, without regard to case; else INBOX. */
function mailboxForDetail(account: Account, detail: string | undefined): MailboxState {
  const inbox = account.mailbox("INBOX");
  if (detail === undefined || detail === "") return inbox;
  const exact = account.state.mailboxesByName.get(detail);
  if (exact !== undefined) return exact;
  const wanted = detail.toLowerCase();
  for (const mailbox of account.state.mailboxes.values())
    if (mailbox.name.toLowerCase() === wanted) return mailbox;
  return inbox;
}

function flagsOf(names: readonly string[]): Flags {
  let bits = 0;
  const keywords: string[] = [];
  for (const name of names) {
    const bit = (flagBits as Readonly<Record<string, number>>)[name];
    if (bit !== undefined) bits |= bit;
    else if (!name.startsWith("\\")) keywords.push(name);
    else throw new Refusal("CANNOT", `There is no flag ${name}`);
  }
  return { bits, keywords };
}
