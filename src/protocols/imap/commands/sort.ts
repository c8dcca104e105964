import { ImapSyntaxError, type SortCommand } from "#wire/index.ts";
import type { CommandSpec } from "../command-spec.ts";
import { highestModSeq, numbersOf, writeNumbers } from "../search/results.ts";
import { asksModSeq, completionOf, refusalOf, searchMessages } from "../search/search-messages.ts";
import { sortMessages } from "../search/sort-messages.ts";

/** RFC 5256 §3 (SORT) */
export const sort: CommandSpec<SortCommand> = {
  name: "SORT",
  state: "selected",
  usesSeqs: true,
  capabilities: ["SORT"],
  async run(session, command) {
    // They are those of ESORT, which is not announced. RFC 5267 §3
    if (command.returns !== null) throw new ImapSyntaxError("SORT takes no return options");
    try {
      const { program, charset, criteria } = command;
      const withModSeq = asksModSeq(program);
      if (withModSeq) session.enabled.condstore = true;
      const found = await searchMessages(session, program, charset);
      const { order, damaged } = await sortMessages(session, found.uids, criteria);
      const plain = await numbersOf(session, found.uids, command);
      const numbers = inOrder(plain, order);
      const modSeq = withModSeq ? highestModSeq(session, found.uids) : 0;
      await writeNumbers(session, "SORT", { numbers, modSeq });
      return completionOf(session, { ...found, damaged: found.damaged || damaged });
    } catch (error) {
      return refusalOf(error);
    }
  },
};

function inOrder(numbers: Uint32Array, order: Uint32Array): Uint32Array {
  const ordered = new Uint32Array(order.length);
  for (let i = 0; i < order.length; i++) ordered[i] = numbers[order[i]!]!;
  return ordered;
}
