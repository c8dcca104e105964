import type { PlainCommand } from "#wire/index.ts";
import type { CommandSpec } from "../command-spec.ts";

/** RFC 9051 §6.1.2; the changes are told at its end, as after any command. */
export const noop: CommandSpec<PlainCommand> = {
  name: "NOOP",
  state: "authenticated",
  capabilities: [],
  run() {},
};

/** Everything that was acknowledged is durable already. RFC 3501 §6.4.1 */
export const check: CommandSpec<PlainCommand> = {
  name: "CHECK",
  state: "selected",
  capabilities: [],
  run() {},
};
