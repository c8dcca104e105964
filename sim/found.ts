/** Reads whole mailboxes as a client sees them. */
import type { Token } from "#wire/index.ts";
import { fetchItems, type ImapClient, tokenList, tokenText } from "../test/client/imap-client.ts";
import type { Found, ModelMessage } from "./oracle.ts";

/** Selects a mailbox and reads every message's uid, flags and mark. */
export async function readMailbox(client: ImapClient, mailbox: string): Promise<Found> {
  const selected = await client.ok(`SELECT ${mailbox} (CONDSTORE)`);
  let [uidValidity, uidNext, highestModseq] = [0, 0, 0];
  for (const response of selected.untagged) {
    if (response.kind !== "status") continue;
    const value = Number(tokenText(response.codeTokens[0]));
    if (response.code === "UIDVALIDITY") uidValidity = value;
    if (response.code === "UIDNEXT") uidNext = value;
    if (response.code === "HIGHESTMODSEQ") highestModseq = value;
  }
  return { uidValidity, uidNext, highestModseq, messages: await readMessages(client) };
}

/** Every message of the selected mailbox, by uid. */
export async function readMessages(client: ImapClient): Promise<Map<number, ModelMessage>> {
  const messages = new Map<number, ModelMessage>();
  const answer = await client.ok("UID FETCH 1:* (UID FLAGS BODY.PEEK[HEADER.FIELDS (X-MARK)])");
  for (const response of answer.untagged) {
    const items = fetchItems(response);
    const header = [...items].find(([name]) => name.startsWith("BODY["));
    if (header === undefined) continue;
    messages.set(Number(tokenText(items.get("UID"))), {
      mark: /X-Mark: (\S+)/i.exec(tokenText(header[1]))?.[1] ?? "?",
      flags: flagsOf(items.get("FLAGS")),
    });
  }
  return messages;
}

/** Flags of a FETCH, without \Recent. */
export function flagsOf(token: Token | undefined): Set<string> {
  return new Set(
    tokenList(token)
      .map((flag) => tokenText(flag))
      .filter((flag) => flag !== "\\Recent"),
  );
}
