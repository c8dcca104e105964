/** A client that selects nothing and looks at all mailboxes after every command of the others. */
import { fetchItems, type ImapClient, tokenText } from "../client/imap-client.ts";
import { type Mailbox, type ModelAccount, present } from "./account.ts";
import { checkStatus, expectedList, statusItems, statusOf } from "./commands/listing.ts";
import { demand, demandEqual } from "./failure.ts";
import { nameOf, quotedName } from "./names.ts";
import type { DataResponse } from "./session.ts";

// \Recent is given away by what sessions are told, at which the model looks later.
const items = statusItems.filter((item) => item !== "RECENT");

export class Witness {
  readonly #client: ImapClient;
  readonly #account: ModelAccount;

  constructor(client: ImapClient, account: ModelAccount) {
    this.#client = client;
    this.#account = account;
  }

  /** Compares, and learns the modseq of what was changed last. */
  async look(): Promise<void> {
    const account = this.#account;
    const options = `SUBSCRIBED CHILDREN SPECIAL-USE STATUS (${items.join(" ")})`;
    const answer = await this.#client.ok(`LIST "" "*" RETURN (${options})`);
    const data = answer.untagged.filter((event): event is DataResponse => event.kind === "data");
    const statuses = data.filter(({ name }) => name === "STATUS");
    for (const response of statuses) this.#takeNew(response);
    demandEqual([...account.expectedNames.keys()], [], "Mailboxes that should have been created");
    await this.#learn(statuses);
    checkStatus(statuses, { mailboxes: account.mailboxes, items, utf8: false, recents: new Map() });
    const listed = data.filter(({ name }) => name === "LIST").map(({ tokens }) => tokens);
    const names = listed.map((tokens) => nameOf(tokens[2], false)).sort();
    const request = { patterns: ["*"], select: [], returns: ["SUBSCRIBED"] };
    const expected = expectedList(account, request);
    demandEqual(names, expected.map(({ name }) => name).sort(), "Names of all mailboxes");
    for (const tokens of listed) {
      const name = nameOf(tokens[2], false);
      const attributes = (tokens[0] as string[]).map((each) => each.toLowerCase()).sort();
      const wanted = expected.find((each) => each.name === name)!.attributes;
      demandEqual(attributes, wanted, `Attributes of ${name}`);
    }
  }

  #takeNew(response: DataResponse): void {
    const account = this.#account;
    const name = nameOf(response.tokens[0], false);
    const expected = account.expectedNames.get(name);
    const values = statusOf(response);
    const renamed = account.find(name);
    if (renamed !== undefined && renamed.uidValidity === undefined)
      account.takeUidValidity(renamed, Number(values.get("UIDVALIDITY")));
    if (expected === undefined) return;
    account.expectedNames.delete(name);
    const [id] = values.get("MAILBOXID") as readonly [string];
    const uidValidity = Number(values.get("UIDVALIDITY"));
    const mailbox = account.takeMailbox({ id: tokenText(id), name, uidValidity });
    mailbox.specialUse = expected.specialUse;
    account.add(mailbox, expected.messages);
  }

  /** Modseqs by uid, as a client that only looks sees them. */
  async #modseqsOf({ name }: Mailbox): Promise<Map<number, number>> {
    const client = this.#client;
    await client.ok(`EXAMINE ${quotedName(name, false)}`);
    const { untagged } = await client.ok("UID FETCH 1:* MODSEQ");
    await client.ok("UNSELECT");
    const modseqs = new Map<number, number>();
    for (const event of untagged) {
      const items = fetchItems(event);
      const [modseq] = (items.get("MODSEQ") ?? []) as readonly number[];
      if (modseq !== undefined) modseqs.set(Number(items.get("UID")), modseq);
    }
    return modseqs;
  }

  async #learn(statuses: readonly DataResponse[]): Promise<void> {
    const account = this.#account;
    const learned: [Mailbox, number][] = [];
    for (const response of statuses) {
      const name = nameOf(response.tokens[0], false);
      const mailbox = account.find(name);
      demand(mailbox !== undefined, `There should be no mailbox ${name}`);
      learned.push([mailbox, Number(statusOf(response).get("HIGHESTMODSEQ"))]);
    }
    for (const [mailbox, highest] of learned) {
      const own = mailbox.inSteps ? await this.#modseqsOf(mailbox) : undefined;
      account.learnModseq(mailbox, highest, own);
    }
    account.modseq = Math.max(account.modseq, ...learned.map(([, highest]) => highest));
    for (const mailbox of account.mailboxes)
      demand(
        present(mailbox).every(({ modseq }) => modseq <= mailbox.highestModseq),
        "A modseq was not learned",
      );
  }
}
