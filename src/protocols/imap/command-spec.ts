import type { Command, CommandName } from "#wire/index.ts";
import type { Completion } from "./responses.ts";
import type { Session } from "./session.ts";

/** When a command may be used and what it may do: applied by `connection.ts`, not by the command. */
export interface CommandPolicy {
  readonly name: CommandName;
  /** "authenticated" includes the selected state. RFC 9051 §3 */
  readonly state: "authenticated" | "selected";
  /**
   * The client may be counting on its sequence numbers, so expunges are held back, unless the
   * command was prefixed by UID. RFC 9051 §7.5.1
   */
  readonly usesSeqs?: boolean;
  /** Refused after EXAMINE. RFC 9051 §6.3.3 */
  readonly changesMailbox?: boolean;
  /** False: what has changed in the mailbox is not told at the end of the command. */
  readonly sync?: false;
  /** What it serves; announced when all who must serve it do, see `capabilities.ts`. */
  readonly capabilities: readonly string[];
}

/** One command: its policy as data, and its work. */
export interface CommandSpec<C extends Command = Command> extends CommandPolicy {
  /**
   * Does the work and writes untagged responses to `session.output`. Without a result the command
   * is answered by OK. Errors: `Refusal` becomes NO, `ImapSyntaxError` BAD, `SessionEnd` BYE.
   */
  run(session: Session, command: C): Completion | void | Promise<Completion | void>;
}
