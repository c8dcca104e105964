import type { Directory } from "#auth/index.ts";
import { Refusal } from "#base/assert.ts";
import { withDeadline } from "#base/deadline.ts";
import { limits } from "#base/limits.ts";
import type { Account, Store } from "#store/index.ts";
import type { ArrivedMessage, DeliveryHooks, DeliveryOutcome, Recipient } from "./arrival.ts";
import { Filing, type FilingParts, requireRoom } from "./filing.ts";

export interface DeliveryOptions extends FilingParts {
  readonly store: Store;
  readonly directory: Directory;
  readonly hooks: DeliveryHooks;
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
   * Errors: `Refusal` NONEXISTENT (nobody's), OVERQUOTA (no room now), TOOBIG (never room for so
   * much), AUTHORIZATIONFAILED (disabled), UNAVAILABLE.
   */
  async resolve(address: string, size: number): Promise<Recipient> {
    const { directory, hooks } = this.#options;
    const changed =
      hooks.onRecipient === undefined
        ? undefined
        : await this.#inTime("onRecipient", hooks.onRecipient(address));
    const target = await directory.findAddress(changed ?? address);
    if (target === undefined) throw new Refusal("NONEXISTENT", "There is no such user here");
    if (target.disabled) throw new Refusal("AUTHORIZATIONFAILED", "This mailbox is disabled");
    const { accountId, tenant, name, quota, detail } = target;
    const base: Recipient = { address, accountId, tenant, name, quota };
    const recipient = detail === undefined ? base : { ...base, detail };
    if (quota.bytes !== undefined || quota.messages !== undefined) {
      const account = await this.#open(recipient);
      try {
        requireRoom(account, size);
      } finally {
        this.#options.store.close(account);
      }
    }
    return recipient;
  }

  /**
   * Delivers to each recipient; an account gets one copy per mailbox, however many addresses lead
   * there. Never rejects: every recipient has an outcome, in the same order.
   */
  async deliver(
    message: ArrivedMessage,
    recipients: readonly Recipient[],
  ): Promise<DeliveryOutcome[]> {
    if (recipients.length === 1) return this.#deliverTo(message, recipients);
    const outcomes = new Map<Recipient, DeliveryOutcome>();
    const { clock } = this.#options;
    let underWay: Promise<DeliveryOutcome[]>[] = [];
    const settle = async (): Promise<void> => {
      for (const done of await Promise.all(underWay))
        for (const outcome of done) outcomes.set(outcome.recipient, outcome);
      underWay = [];
    };
    let since = clock.monotonic();
    for (const group of Map.groupBy(recipients, ({ accountId }) => accountId).values()) {
      underWay.push(this.#deliverTo(message, group));
      if (underWay.length * message.content.length >= limits.deliveryBytesMax) await settle();
      if (clock.monotonic() - since < limits.sliceMs) continue;
      await clock.yield();
      since = clock.monotonic();
    }
    await settle();
    return recipients.map((recipient) => outcomes.get(recipient)!);
  }

  /** Delivers to recipients that share an account. */
  async #deliverTo(
    message: ArrivedMessage,
    recipients: readonly Recipient[],
  ): Promise<DeliveryOutcome[]> {
    let account: Account | undefined;
    try {
      account = await this.#open(recipients[0]!);
      const filing = new Filing(message, account, this.#options);
      const outcomes: DeliveryOutcome[] = [];
      for (const recipient of recipients)
        outcomes.push({ recipient, error: await this.#file(filing, recipient) });
      await account.durable();
      return outcomes;
    } catch (error) {
      return recipients.map((recipient) => ({ recipient, error }));
    } finally {
      if (account !== undefined) this.#options.store.close(account);
    }
  }

  /** Null, or why it did not go. */
  async #file(filing: Filing, recipient: Recipient): Promise<unknown> {
    const { onDeliver } = this.#options.hooks;
    const { sender, content } = filing.message;
    try {
      const placement =
        onDeliver === undefined
          ? undefined
          : await this.#inTime("onDeliver", onDeliver({ recipient, sender, content }));
      await filing.file(recipient, placement);
      return null;
    } catch (error) {
      return error;
    }
  }

  /** The outcome of an operator's hook. */
  #inTime<T>(hook: string, outcome: T | Promise<T>): T | Promise<T> {
    if (!(outcome instanceof Promise)) return outcome;
    return withDeadline(this.#options.clock, limits.hookMs, hook, outcome);
  }

  #open({ accountId, quota }: Recipient): Promise<Account> {
    return this.#options.store.open(accountId, { accountId, quota });
  }
}
