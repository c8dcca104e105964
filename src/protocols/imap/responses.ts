/** What commands answer, and the one place that turns errors into answers. */
import { errorText, Refusal } from "#base/assert.ts";
import type { Log } from "#base/log.ts";
import { ConnectionBroken } from "#base/stream.ts";
import { ImapSyntaxError, type SyntaxCode } from "#wire/index.ts";
import type { Output } from "./output.ts";
import { ViewLost } from "./view.ts";

/** The tagged response of a command. RFC 9051 §7.1 */
export interface Completion {
  readonly status: "OK" | "NO" | "BAD";
  /** Response code without brackets, such as `APPENDUID 1 2`. */
  readonly code?: string | undefined;
  readonly text: string;
}

/** The session is over: the client gets BYE and the connection is closed. RFC 9051 §7.1.5 */
export class SessionEnd extends Error {
  override readonly name = "SessionEnd";
  readonly code: string | undefined;
  constructor(text: string, code?: string) {
    super(text);
    this.code = code;
  }
}

/** The session is to be frozen: nobody reads from its stream any more. */
export class FreezeDue extends Error {
  override readonly name = "FreezeDue";
}

export function ok(text: string, code?: string): Completion {
  return { status: "OK", code, text };
}

export function no(text: string, code?: string): Completion {
  return { status: "NO", code, text };
}

/** A broken grammar, whether the decoder saw it or the session. */
export function bad(text: string, code: SyntaxCode | null = null): Completion {
  return { status: "BAD", code: code ?? undefined, text };
}

/** A tagged status response, or with the tag `*` an untagged one. */
export function writeStatus(out: Output, tag: string, completion: Completion): void {
  out.status(tag, completion.status, { code: completion.code ?? null, text: completion.text });
}

export function writeBye(out: Output, text: string, code?: string): void {
  out.status("*", "BYE", { code: code ?? null, text });
}

/** Whether an error means that the session cannot go on. */
export function endOf(error: unknown): SessionEnd | undefined {
  if (error instanceof SessionEnd) return error;
  if (error instanceof ViewLost) return new SessionEnd(`${error.message}, please select again`);
  return undefined;
}

/**
 * Turns whatever a command threw into its tagged response: a grammar error is BAD, a refusal NO
 * with its code, everything else a bug, which is logged with its cause. What ends the session or
 * says that the client is gone is thrown on.
 */
export function completionOf(error: unknown, log: Log): Completion {
  if (error instanceof ImapSyntaxError) return bad(error.message, error.code);
  if (error instanceof Refusal) return no(error.message, error.code);
  if (error instanceof ConnectionBroken || error instanceof FreezeDue) throw error;
  if (endOf(error) !== undefined) throw error;
  log.error(
    { error: errorText(error), stack: error instanceof Error ? error.stack : undefined },
    "A command failed",
  );
  return no("Internal error, see the server's log", "SERVERBUG");
}
