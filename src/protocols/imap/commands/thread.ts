import { ImapSyntaxError, type ThreadCommand } from "#wire/index.ts";
import type { CommandSpec } from "../command-spec.ts";
import { numbersOf } from "../search/results.ts";
import { completionOf, refusalOf, searchMessages } from "../search/search-messages.ts";
import { type ThreadAlgorithm, threadMessages } from "../search/thread-messages.ts";
import { writeThreads } from "../search/write-threads.ts";

const algorithms: readonly ThreadAlgorithm[] = ["ORDEREDSUBJECT", "REFERENCES", "REFS"];

/** RFC 5256 §3 (THREAD) */
export const thread: CommandSpec<ThreadCommand> = {
  name: "THREAD",
  state: "selected",
  usesSeqs: true,
  capabilities: algorithms.map((algorithm) => `THREAD=${algorithm}`),
  async run(session, command) {
    const algorithm = algorithms.find((known) => known === command.algorithm);
    if (algorithm === undefined) throw new ImapSyntaxError("Unknown threading algorithm");
    try {
      const found = await searchMessages(session, command.program, command.charset);
      const { threads, damaged } = await threadMessages(session, found.uids, algorithm);
      const numbers = await numbersOf(session, found.uids, command);
      await writeThreads(session, threads, numbers);
      return completionOf(session, { ...found, damaged: found.damaged || damaged });
    } catch (error) {
      return refusalOf(error);
    }
  },
};
