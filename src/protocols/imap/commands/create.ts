import { Refusal } from "#base/assert.ts";
import { canonicalMailboxName, superiorNames } from "#store/index.ts";
import type { CreateCommand } from "#wire/index.ts";
import type { CommandSpec } from "../command-spec.ts";
import { mailboxId } from "../object-ids.ts";
import { ok } from "../responses.ts";

/** Uses that a mailbox can be given; \All and \Flagged would be views. RFC 6154 §2, RFC 8457 §3 */
const assignableUses = new Set([
  "\\Archive",
  "\\Drafts",
  "\\Important",
  "\\Junk",
  "\\Sent",
  "\\Trash",
]);

/** Superior mailboxes that are missing are created, too. RFC 9051 §6.3.4, RFC 6154 §3 */
export const create: CommandSpec<CreateCommand> = {
  name: "CREATE",
  state: "authenticated",
  capabilities: ["CREATE-SPECIAL-USE", "OBJECTID"],
  run(session, command) {
    const { account, enabled, output } = session;
    const name = canonicalMailboxName(command.mailbox);
    const specialUse = command.specialUse ?? [];
    const unknown = specialUse.find((use) => !assignableUses.has(use));
    if (unknown !== undefined)
      throw new Refusal("USEATTR", `The special use ${unknown} cannot be given`);
    const superiors = superiorNames(name);
    const mailbox = account.createMailbox(name, { superiors, specialUse });
    // RFC 9051 §6.3.4: a name that was changed is told.
    if (enabled.rev2 && name !== command.mailbox.replace(/\/$/, ""))
      output
        .ascii('* LIST () "/" ')
        .mailbox(name)
        .ascii(' ("OLDNAME" (')
        .string(command.mailbox)
        .ascii("))")
        .crlf();
    return ok("Created", `MAILBOXID (${mailboxId(account.state.id, mailbox.number)})`);
  },
};
