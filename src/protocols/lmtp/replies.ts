/** The one place where an error becomes a reply. RFC 2033 §4.2, RFC 3463 */
import { Refusal } from "#base/assert.ts";
import type { Reply } from "#wire/index.ts";

export function reply(
  code: number,
  enhanced: string | null,
  text: string | readonly string[],
): Reply {
  return { code, enhanced, text };
}

/** The reply to a refused recipient or delivery; undefined for what is our own mistake. */
export function refusalReply(error: unknown): Reply | undefined {
  if (!(error instanceof Refusal)) return undefined;
  switch (error.code) {
    case "NONEXISTENT":
      return reply(550, "5.1.1", error.message);
    case "AUTHORIZATIONFAILED":
      return reply(550, "5.2.1", error.message);
    case "OVERQUOTA":
      return reply(452, "4.2.2", error.message);
    case "TOOBIG":
      return reply(552, "5.2.2", error.message);
    case "NOPERM":
    case "CANNOT":
      return reply(550, "5.7.1", error.message);
    case "LIMIT":
      return reply(452, "4.2.0", error.message);
    default:
      return reply(451, "4.3.0", error.message);
  }
}

export const bugReply: Reply = reply(451, "4.3.0", "Internal error; try again later");
