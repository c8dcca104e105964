/**
 * The part of roost.config.ts about logins. Declares; nothing is read or opened here.
 */
import * as v from "valibot";
import { limits } from "#base/limits.ts";

const wholeNumber = v.pipe(v.number(), v.integer("expected a whole number"));

export const authSettings = v.optional(
  v.strictObject({
    /** Stores passwords that are kept in an old form anew when their owner logs in. */
    rehash: v.optional(v.boolean(), false),
    /** Threads that hash passwords. */
    passwordThreads: v.optional(
      v.pipe(
        wholeNumber,
        v.minValue(1, "expected 1 thread or more"),
        v.maxValue(64, "expected at most 64 threads"),
      ),
      limits.passwordThreads,
    ),
    /** Longest delay after failed logins, in milliseconds; 0 switches delays off. */
    penaltyDelayMsMax: v.optional(
      v.pipe(
        wholeNumber,
        v.minValue(0, "expected 0 or more"),
        v.maxValue(limits.penaltyDelayMsMax, `expected at most ${limits.penaltyDelayMsMax}`),
      ),
      limits.penaltyDelayMsMax,
    ),
    /** Addresses that many users come from, such as a webmail's; failures do not slow them. */
    sharedAddresses: v.optional(v.pipe(v.array(v.string()), v.maxLength(1_000)), []),
  }),
  {},
);

export type AuthSettings = v.InferOutput<typeof authSettings>;
