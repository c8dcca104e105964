import type { IdCommand } from "#wire/index.ts";
import type { CommandSpec } from "../command-spec.ts";

/** RFC 2971 §3.1; the server does not change its ways for any answer. */
export const id: CommandSpec<IdCommand> = {
  name: "ID",
  state: "authenticated",
  capabilities: ["ID"],
  run(session, command) {
    const fields = (command.fields ?? []).slice(0, 30);
    session.log.debug({ client: Object.fromEntries(fields) }, "A client said who it is");
    session.output.ascii('* ID ("name" "Roost")').crlf();
  },
};
