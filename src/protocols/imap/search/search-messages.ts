import { Refusal } from "#base/assert.ts";
import { knowsCharset } from "#message/index.ts";
import { ImapSyntaxError, type SearchKey } from "#wire/index.ts";
import { type Completion, no, ok } from "../responses.ts";
import type { Session } from "../session.ts";
import { compileSearch } from "./compile.ts";
import { type Found, runSearch } from "./run-search.ts";

/**
 * Runs the search program of SEARCH, SORT or THREAD. Errors: `Refusal` BADCHARSET, LIMIT,
 * UNAVAILABLE; `ImapSyntaxError`.
 *
 * @param charset null where the client named none
 */
export function searchMessages(
  session: Session,
  program: SearchKey,
  charset: string | null,
): Promise<Found> {
  // RFC 6855 §3
  if (charset !== null && charset !== "UTF-8" && session.enabled.utf8)
    throw new ImapSyntaxError("With UTF8=ACCEPT there is no other charset");
  if (charset !== null && !knowsCharset(charset))
    throw new Refusal("BADCHARSET", "The charset is not known");
  // What claims to be ASCII and is not is taken for UTF-8.
  return runSearch(session, compileSearch(session, program, charset ?? "US-ASCII"));
}

/** True where a program asks for mod-sequences, so that the answer has one. RFC 7162 §3.1.5 */
export function asksModSeq(key: SearchKey): boolean {
  switch (key.key) {
    case "MODSEQ":
      return true;
    case "AND":
      return key.keys.some(asksModSeq);
    case "OR":
      return asksModSeq(key.left) || asksModSeq(key.right);
    case "NOT":
      return asksModSeq(key.of);
    default:
      return false;
  }
}

/** What the client must know beside the result. RFC 5530 §3 */
export function completionOf(session: Session, found: Found): Completion | undefined {
  if (found.damaged) return ok("Some messages could not be read", "CORRUPTION");
  if (session.view.ghosts.length > 0) return ok("Some messages are gone", "EXPUNGEISSUED");
  return undefined;
}

/** RFC 9051 §7.1 (BADCHARSET) */
export function refusalOf(error: unknown): Completion {
  if (error instanceof Refusal && error.code === "BADCHARSET")
    return no(error.message, "BADCHARSET (US-ASCII UTF-8)");
  throw error;
}
