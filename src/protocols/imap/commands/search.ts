import { Refusal } from "#base/assert.ts";
import { noRanges, type SearchCommand, type SearchReturn } from "#wire/index.ts";
import type { CommandSpec } from "../command-spec.ts";
import type { Completion } from "../responses.ts";
import {
  chosen,
  highestModSeq,
  numbersOf,
  savedRanges,
  writeExtended,
  writeNumbers,
} from "../search/results.ts";
import { asksModSeq, completionOf, refusalOf, searchMessages } from "../search/search-messages.ts";
import type { Session } from "../session.ts";

/** RFC 9051 §6.4.4: what IMAP4rev2 answers with where the client names no options. */
const all: SearchReturn = {
  min: false,
  max: false,
  all: true,
  count: false,
  save: false,
  partial: null,
};

/** RFC 9051 §6.4.4, RFC 4731 §3, RFC 5182 §2, RFC 7162 §3.1.5 */
export const search: CommandSpec<SearchCommand> = {
  name: "SEARCH",
  state: "selected",
  usesSeqs: true,
  capabilities: ["CONDSTORE", "ESEARCH", "SEARCHRES", "WITHIN", "OBJECTID", "SAVEDATE"],
  async run(session, command) {
    try {
      return await runAndWrite(session, command);
    } catch (error) {
      // RFC 5182 §2.1: a search that fails saves the empty result.
      if (error instanceof Refusal && command.returns?.save === true) session.saved = noRanges;
      return refusalOf(error);
    }
  },
};

async function runAndWrite(
  session: Session,
  command: SearchCommand,
): Promise<Completion | undefined> {
  const { program, tag, uid } = command;
  const returns = command.returns ?? (session.enabled.rev2 ? all : null);
  const withModSeq = asksModSeq(program);
  if (withModSeq) session.enabled.condstore = true;
  const found = await searchMessages(session, program, command.charset);
  const told = returns === null ? found.uids : chosen(returns, found.uids);
  const modSeq = withModSeq ? highestModSeq(session, told) : 0;
  if (returns?.save === true) session.saved = savedRanges(returns, found.uids);
  const numbers = await numbersOf(session, found.uids, command);
  if (returns === null) await writeNumbers(session, "SEARCH", { numbers, modSeq });
  else if (tells(returns)) await writeExtended(session, { tag, uid, returns, numbers, modSeq });
  return completionOf(session, found);
}

/** RFC 5182 §2.1: SAVE alone is not answered. */
function tells({ min, max, all: whole, count, partial }: SearchReturn): boolean {
  return min || max || whole || count || partial !== null;
}
