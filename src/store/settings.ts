/**
 * The store's part of roost.config.ts. Declares; nothing is opened here.
 */
import * as v from "valibot";
import { limits } from "#base/limits.ts";
import type { InitialMailbox } from "./store.ts";

/** What every new account gets. RFC 6154 §2 */
export const usualMailboxes: readonly InitialMailbox[] = [
  { name: "INBOX" },
  { name: "Drafts", specialUse: "\\Drafts" },
  { name: "Sent", specialUse: "\\Sent" },
  { name: "Junk", specialUse: "\\Junk" },
  { name: "Trash", specialUse: "\\Trash" },
  { name: "Archive", specialUse: "\\Archive" },
];

const specialUses = ["\\Archive", "\\Drafts", "\\Flagged", "\\Junk", "\\Sent", "\\Trash"] as const;

const mailbox = v.strictObject({
  name: v.pipe(v.string(), v.nonEmpty("expected the name of a mailbox")),
  specialUse: v.exactOptional(v.picklist(specialUses)),
});

export const storeSettings = v.optional(
  v.strictObject({
    /** Mailboxes of a new account; INBOX must be among them. */
    initialMailboxes: v.optional(
      v.pipe(
        v.array(mailbox),
        v.maxLength(100),
        v.check(
          (list) => list.some(({ name }) => name === "INBOX"),
          "expected INBOX to be among the mailboxes",
        ),
      ),
      () => usualMailboxes.map((one) => ({ ...one })) as v.InferOutput<typeof mailbox>[],
    ),
    /** Memory for accounts that nobody uses at the moment, in bytes. */
    accountMemoryBytes: v.optional(
      v.pipe(v.number(), v.integer("expected a whole number"), v.minValue(0)),
      limits.accountMemoryBytes,
    ),
  }),
  {},
);

export type StoreSettings = v.InferOutput<typeof storeSettings>;
