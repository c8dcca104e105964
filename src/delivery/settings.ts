/**
 * Delivery's part of roost.config.ts: the operator's code. Declares; nothing runs here.
 */
import * as v from "valibot";
import type { DeliveryHooks } from "./arrival.ts";

const isFunction = (value: unknown): boolean => typeof value === "function";

/** Called with an address that mail comes for. */
export const onRecipientHook = v.optional(
  v.custom<NonNullable<DeliveryHooks["onRecipient"]>>(isFunction, "expected a function"),
);

/** Called before a message is filed for a recipient. */
export const onDeliverHook = v.optional(
  v.custom<NonNullable<DeliveryHooks["onDeliver"]>>(isFunction, "expected a function"),
);
