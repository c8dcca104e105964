/**
 * Delivery: a message that arrived becomes messages in mailboxes.
 *
 * - `Delivery.resolve` says whose an address is, before the message is sent.
 * - `Delivery.deliver` files one message for its recipients; each has an outcome of its own, and a
 *   good one means that the message is durable.
 * - An account gets a message's content once, however many of its addresses and mailboxes it is
 *   for. Accounts share nothing: each is settled, sealed and erased on its own.
 *
 * Knows the store and the directory, nothing of LMTP. Operators' hooks run here.
 */
export { Delivery, type DeliveryOptions } from "./deliver.ts";
export type {
  ArrivedMessage,
  DeliveryHooks,
  DeliveryOutcome,
  Placement,
  Recipient,
} from "./arrival.ts";
