import type { AccountId, TenantId } from "#base/brand.ts";

/** Somebody who gets a message, as `Delivery.resolve` found him. */
export interface Recipient {
  /** The address as the sender wrote it. */
  readonly address: string;
  readonly accountId: AccountId;
  readonly tenant: TenantId;
  /** Login name of the account. */
  readonly name: string;
  /** What followed `+` in the local part. RFC 5233 §1 */
  readonly detail?: string;
  readonly quota: { readonly bytes?: number; readonly messages?: number };
}

/** A message as it arrived, whole. */
export interface ArrivedMessage {
  /** Envelope sender, "" for the null path. */
  readonly sender: string;
  /** The content as sent, dot-stuffing removed. */
  readonly content: Uint8Array;
  /** The line ends stay as they are; otherwise a bare LF becomes CRLF. RFC 3030 §3 */
  readonly exact?: boolean;
}

/** Where a message goes and with which flags. */
export interface Placement {
  readonly mailbox: string;
  readonly flags?: readonly string[];
}

/** How delivery ended for one recipient: null when the message is durable, else the error. */
export type DeliveryOutcome = { readonly recipient: Recipient; readonly error: unknown };

/** Code of the operator that runs at delivery; a thrown `Refusal` refuses the recipient. */
export interface DeliveryHooks {
  /** Gives an address another one, or undefined to look up the address itself. */
  readonly onRecipient?:
    | ((address: string) => Promise<string | undefined> | string | undefined)
    | undefined;
  /** Chooses the mailbox; undefined leaves the usual choice. */
  readonly onDeliver?:
    | ((delivery: {
        readonly recipient: Recipient;
        readonly sender: string;
        readonly content: Uint8Array;
      }) => Promise<Placement | undefined> | Placement | undefined)
    | undefined;
}
