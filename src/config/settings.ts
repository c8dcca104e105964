/** All settings, composed from what the areas declare. */
import * as v from "valibot";
import { httpSettings } from "#admin/settings.ts";
import { authSettings } from "#auth/settings.ts";
import { onDeliverHook, onRecipientHook } from "#delivery/settings.ts";
import { storeSettings } from "#store/settings.ts";
import {
  clearTextLoginSettings,
  listenersSettings,
  onLoginHook,
  parkAfterMsSettings,
  tlsSettings,
} from "#proxy/settings.ts";

const wholeNumber = v.pipe(
  v.number(),
  v.integer("expected a whole number"),
  v.minValue(0, "expected 0 or more"),
);

export const settingsSchema = v.strictObject({
  /** Folder of everything the server keeps. */
  dataDir: v.optional(v.pipe(v.string(), v.nonEmpty("expected a path")), "./data"),
  /** What the server calls itself; default is the name of the machine. */
  hostname: v.optional(v.pipe(v.string(), v.nonEmpty("expected a host name"))),
  logLevel: v.optional(v.picklist(["debug", "info", "warn", "error", "silent"]), "info"),
  listeners: listenersSettings,
  tls: tlsSettings,
  clearTextLogin: clearTextLoginSettings,
  /** Idle sessions cost next to nothing after this time; false: they keep what they have. */
  parkAfterMs: parkAfterMsSettings,
  http: httpSettings,
  auth: authSettings,
  store: storeSettings,
  /** What an account may hold that has no quota of its own; an absent limit is none. */
  quota: v.optional(
    v.strictObject({ bytes: v.exactOptional(wholeNumber), messages: v.exactOptional(wholeNumber) }),
    {},
  ),
  /** Makes an account "demo" with sample mail on the first start; for trials on one machine. */
  demo: v.optional(v.boolean(), false),
  onLogin: onLoginHook,
  onRecipient: onRecipientHook,
  onDeliver: onDeliverHook,
});

/** What roost.config.ts may say. */
export type RoostConfig = v.InferInput<typeof settingsSchema>;

/** The same with all defaults, and with absolute paths. */
export type Settings = v.InferOutput<typeof settingsSchema>;
