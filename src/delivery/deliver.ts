import type { Directory } from "#auth/index.ts";
import { Refusal } from "#base/assert.ts";
import { withDeadline } from "#base/deadline.ts";
import { limits } from "#base/limits.ts";
import type { Account, Store } from "#store/index.ts";
import type {
  ArrivedMessage,
  DeliveryHooks,
  DeliveryOutcome,
  Placement,
  Recipient,
} from "./arrival.ts";
import { ArrivedContent, type PreparingParts } from "./arrived-content.ts";
import { Filing, requireRoom } from "./filing.ts";

export interface DeliveryOptions extends PreparingParts {
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
    const groups = [...Map.groupBy(recipients, ({ accountId }) => accountId).values()];
    const content = new ArrivedContent(message, groups.length, this.#options);
    const outcomes = new Map<Recipient, DeliveryOutcome>();
    const step = accountsAtATime(message);
    for (let at = 0; at < groups.length; at += step)
      for (const outcome of await this.#deliverToSome(content, groups.slice(at, at + step)))
        outcomes.set(outcome.recipient, outcome);
    return recipients.map((recipient) => outcomes.get(recipient)!);
  }

  /** Delivers to some accounts: as one burst, so that their records come into one batch. */
  async #deliverToSome(
    content: ArrivedContent,
    groups: readonly (readonly Recipient[])[],
  ): Promise<DeliveryOutcome[]> {
    const { clock } = this.#options;
    const ready = await Promise.all([
      ...groups.map((group) => this.#ready(content, group)),
      // Whoever files it meets the error again.
      content.prepare().catch(() => undefined),
    ]);
    const underWay: Promise<DeliveryOutcome[]>[] = [];
    let since = clock.monotonic();
    for (const one of ready) {
      if (one === undefined) continue;
      underWay.push(this.#deliverTo(content, one));
      if (clock.monotonic() - since < limits.sliceMs) continue;
      await clock.yield();
      since = clock.monotonic();
    }
    return (await Promise.all(underWay)).flat();
  }

  /** Opens the account that recipients share, and hears where the operator wants the message. */
  async #ready(content: ArrivedContent, recipients: readonly Recipient[]): Promise<ReadyAccount> {
    try {
      const account = await this.#open(recipients[0]!);
      const placements = await Promise.all(recipients.map((one) => this.#placement(content, one)));
      return { recipients, account, placements };
    } catch (error) {
      return { recipients, error };
    }
  }

  async #placement({ message }: ArrivedContent, recipient: Recipient): Promise<Placed> {
    const { onDeliver } = this.#options.hooks;
    if (onDeliver === undefined) return { placement: undefined };
    const { sender, content } = message;
    try {
      return {
        placement: await this.#inTime("onDeliver", onDeliver({ recipient, sender, content })),
      };
    } catch (error) {
      return { error };
    }
  }

  /** Delivers to recipients that share an account, and closes it. */
  async #deliverTo(content: ArrivedContent, ready: ReadyAccount): Promise<DeliveryOutcome[]> {
    const { recipients } = ready;
    if ("error" in ready) return recipients.map((recipient) => ({ recipient, error: ready.error }));
    const { account, placements } = ready;
    try {
      const filing = new Filing(content, account, this.#options.clock);
      const outcomes: DeliveryOutcome[] = [];
      for (const [index, recipient] of recipients.entries())
        outcomes.push({ recipient, error: await file(filing, recipient, placements[index]!) });
      await account.durable();
      return outcomes;
    } catch (error) {
      return recipients.map((recipient) => ({ recipient, error }));
    } finally {
      this.#options.store.close(account);
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

/** What the operator said, or how that failed. */
type Placed = { readonly placement: Placement | undefined } | { readonly error: unknown };

/** Recipients that share an account, which is open; or why it could not be opened. */
type ReadyAccount = { readonly recipients: readonly Recipient[] } & (
  | { readonly account: Account; readonly placements: readonly Placed[] }
  | { readonly error: unknown }
);

/** Null, or why it did not go. */
async function file(filing: Filing, recipient: Recipient, placed: Placed): Promise<unknown> {
  if ("error" in placed) return placed.error;
  try {
    await filing.file(recipient, placed.placement);
    return null;
  } catch (error) {
    return error;
  }
}

/** Large messages are copied for each account; those that the journal takes are not. */
function accountsAtATime({ content }: ArrivedMessage): number {
  if (content.length <= limits.inlineBodyBytesMax) return limits.deliveryAccountsMax;
  return Math.max(1, Math.floor(limits.deliveryBytesMax / content.length));
}
