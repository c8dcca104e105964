import type { PlainCommand } from "#wire/index.ts";
import type { CommandSpec } from "../command-spec.ts";
import { ok, writeBye } from "../responses.ts";

/** RFC 9051 §6.1.3 */
export const logout: CommandSpec<PlainCommand> = {
  name: "LOGOUT",
  state: "authenticated",
  sync: false,
  capabilities: [],
  run(session) {
    writeBye(session.output, "Logging out");
    session.ended = true;
    return ok("Logged out");
  },
};
