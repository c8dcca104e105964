import type { PlainCommand } from "#wire/index.ts";
import type { CommandSpec } from "../command-spec.ts";

/** One personal namespace without a prefix. RFC 9051 §6.3.10 */
export const namespace: CommandSpec<PlainCommand> = {
  name: "NAMESPACE",
  state: "authenticated",
  capabilities: ["NAMESPACE"],
  run(session) {
    session.output.ascii('* NAMESPACE (("" "/")) NIL NIL').crlf();
  },
};
