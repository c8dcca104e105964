import type { AccountId } from "#base/brand.ts";

/** What LMTP keeps of a recipient; the rest is delivery's affair. */
export interface DeliverRecipient {
  readonly address: string;
  readonly accountId: AccountId;
}

/** A message that has arrived, whole. */
export interface DeliverMessage {
  /** Envelope sender, "" for the null path. */
  readonly sender: string;
  readonly content: Uint8Array;
  /** The line ends of `content` stay as they are: they are CRLF, or the message is binary. */
  readonly exact: boolean;
}

/** How LMTP hands over mail; `delivery` satisfies it, and later a link to other nodes. */
export interface Deliver<R extends DeliverRecipient = DeliverRecipient> {
  /**
   * Whose mail an address takes; `size` in bytes, 0 where the client did not say.
   * Errors: `Refusal` NONEXISTENT, OVERQUOTA (no room now), TOOBIG (never room for that size),
   * AUTHORIZATIONFAILED, UNAVAILABLE.
   */
  resolve(address: string, size: number): Promise<R>;
  /** An outcome per recipient in the same order; `error` null means durable. Never rejects. */
  deliver(
    message: DeliverMessage,
    recipients: readonly R[],
  ): Promise<readonly { readonly recipient: R; readonly error: unknown }[]>;
}
