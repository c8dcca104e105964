/** A second client on the writer's mailboxes: what it is told must add up at every moment. */
import { type Clock, sleep } from "#base/clock.ts";
import type { Random } from "#base/random.ts";
import {
  fetchItems,
  type ImapClient,
  tokenText,
  type Untagged,
} from "../test/client/imap-client.ts";
import { flagsOf } from "./found.ts";
import { type AccountOracle, Violation } from "./oracle.ts";
import { mailboxes } from "./writer.ts";

/** The mailbox as this client must believe it to be. */
class Picture {
  readonly #name: string;
  /** Index = sequence number − 1; undefined: the uid was not asked for yet. */
  readonly messages: { uid: number | undefined; flags: string | undefined }[] = [];

  constructor(name: string) {
    this.#name = name;
  }

  take(response: Untagged): void {
    if (response.kind !== "data" || response.number === null) return;
    const { name, number } = response;
    if (name === "EXISTS") {
      if (number < this.messages.length) throw this.#wrong(`EXISTS ${number} shrinks it`);
      while (this.messages.length < number)
        this.messages.push({ uid: undefined, flags: undefined });
    } else if (name === "EXPUNGE") {
      if (number < 1 || number > this.messages.length) throw this.#wrong(`EXPUNGE ${number}`);
      this.messages.splice(number - 1, 1);
    } else if (name === "FETCH") {
      const message = this.messages[number - 1];
      if (message === undefined) throw this.#wrong(`FETCH of ${number}`);
      const items = fetchItems(response);
      const uid = items.get("UID");
      if (uid !== undefined) {
        if (message.uid !== undefined && message.uid !== uid)
          throw this.#wrong(`message ${number} was uid ${message.uid} and is ${tokenText(uid)}`);
        message.uid = Number(tokenText(uid));
      }
      if (items.has("FLAGS")) message.flags = [...flagsOf(items.get("FLAGS"))].sort().join(" ");
    }
  }

  /** Uids must ascend. */
  check(): void {
    let last = 0;
    for (const { uid } of this.messages) {
      if (uid === undefined) continue;
      if (uid <= last) throw this.#wrong(`uid ${uid} follows ${last}`);
      last = uid;
    }
  }

  #wrong(text: string): Violation {
    return new Violation(`reader of ${this.#name} with ${this.messages.length} messages: ${text}`);
  }
}

export interface ReaderParts {
  readonly client: ImapClient;
  readonly oracle: AccountOracle;
  readonly random: Random;
  readonly clock: Clock;
}

/** Looks at mailboxes until the connection ends. */
export async function runReader({ client, random, clock }: ReaderParts): Promise<never> {
  for (;;) {
    const name = mailboxes[random.below(mailboxes.length)]!;
    const picture = new Picture(name);
    const selected = await client.ok(`EXAMINE ${name}`);
    for (const response of selected.untagged) picture.take(response);
    client.onUntagged = (response) => picture.take(response);
    for (let looks = random.below(8); looks >= 0; looks--) {
      await look(client, picture, random);
      picture.check();
      await sleep(clock, random.below(30));
    }
    client.onUntagged = undefined;
  }
}

async function look(client: ImapClient, picture: Picture, random: Random): Promise<void> {
  const count = picture.messages.length;
  switch (random.below(4)) {
    case 0:
      await client.ok("NOOP");
      return;
    case 1:
      if (count > 0) await client.command(`FETCH 1:${count} (UID FLAGS)`);
      return;
    case 2:
      if (count > 0) await client.command(`FETCH ${1 + random.below(count)} (FLAGS)`);
      return;
    default: {
      // After this the client knows all flags and uids; a second look must not differ.
      await client.ok("NOOP");
      const before = picture.messages.length;
      if (before > 0) await client.command(`UID FETCH 1:* (FLAGS)`);
    }
  }
}
