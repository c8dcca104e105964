import type { EnableCommand } from "#wire/index.ts";
import type { CommandSpec } from "../command-spec.ts";
import type { Session } from "../session.ts";

/** What can be enabled, and how. RFC 9051 §6.3.1 */
const extensions: ReadonlyMap<string, (session: Session) => void> = new Map([
  ["CONDSTORE", ({ enabled }: Session) => void (enabled.condstore = true)],
  // RFC 7162 §3.2.3
  ["QRESYNC", ({ enabled }: Session) => void (enabled.qresync = enabled.condstore = true)],
  ["UTF8=ACCEPT", ({ enabled }: Session) => void (enabled.utf8 = true)],
  ["IMAP4REV2", ({ enabled }: Session) => void (enabled.rev2 = true)],
]);
const spelled: ReadonlyMap<string, string> = new Map([["IMAP4REV2", "IMAP4rev2"]]);

/** RFC 9051 §6.3.1; what is not known is ignored. */
export const enable: CommandSpec<EnableCommand> = {
  name: "ENABLE",
  state: "authenticated",
  capabilities: ["ENABLE", "QRESYNC", "UTF8=ACCEPT"],
  run(session, command) {
    const { output, decoder } = session;
    output.ascii("* ENABLED");
    for (const name of new Set(command.capabilities)) {
      const switchOn = extensions.get(name);
      if (switchOn === undefined) continue;
      switchOn(session);
      output.space().ascii(spelled.get(name) ?? name);
    }
    output.crlf();
    output.utf8 = decoder.utf8 = session.utf8Names;
  },
};
