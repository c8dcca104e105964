import type { PlainCommand } from "#wire/index.ts";
import type { CommandSpec } from "../command-spec.ts";

/** RFC 9051 §6.1.1 */
export const capability: CommandSpec<PlainCommand> = {
  name: "CAPABILITY",
  state: "authenticated",
  capabilities: [],
  run(session) {
    session.output.ascii("* CAPABILITY ").ascii(session.capabilities.join(" ")).crlf();
  },
};
