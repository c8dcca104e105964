import type { PlainCommand } from "#wire/index.ts";
import type { CommandSpec } from "../command-spec.ts";

/** RFC 9051 §6.1.1 */
export const capability: CommandSpec<PlainCommand> = {
  name: "CAPABILITY",
  state: "authenticated",
  capabilities: [],
  run(session) {
    const { output, stream } = session;
    // RFC 4978 §3: not to be offered twice.
    const names = session.capabilities.filter(
      (name) => name !== "COMPRESS=DEFLATE" || !stream.compressed,
    );
    output.ascii(`* CAPABILITY ${names.join(" ")}`).crlf();
  },
};
