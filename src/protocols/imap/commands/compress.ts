import type { CompressCommand } from "#wire/index.ts";
import type { CommandSpec } from "../command-spec.ts";
import { bad, no, ok, SessionEnd } from "../responses.ts";

/** RFC 4978 §3 */
export const compress: CommandSpec<CompressCommand> = {
  name: "COMPRESS",
  state: "authenticated",
  capabilities: ["COMPRESS=DEFLATE"],
  run(session, command) {
    const { decoder, stream } = session;
    if (command.algorithm !== "DEFLATE") return bad("Only DEFLATE is known");
    if (stream.compressed) return no("DEFLATE is active already", "COMPRESSIONACTIVE");
    // What was sent without waiting for the answer is neither plain nor compressed for sure.
    if (decoder.buffered > 0) throw new SessionEnd("Nothing may follow COMPRESS before its answer");
    session.afterAnswer = () => stream.startCompression();
    return ok("DEFLATE active");
  },
};
