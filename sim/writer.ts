/** The one client of an account that changes flags and moves messages about. */
import { utf8 } from "#base/bytes.ts";
import { type Clock, sleep } from "#base/clock.ts";
import type { Random } from "#base/random.ts";
import type { Token } from "#wire/index.ts";
import { type Answer, type ImapClient, tokenText } from "../test/client/imap-client.ts";
import { readMailbox } from "./found.ts";
import {
  type AccountOracle,
  type Found,
  type ModelMailboxes,
  type ModelMessage,
  withMailbox,
} from "./oracle.ts";

export const mailboxes = ["INBOX", "Archive", "Trash"] as const;
const flags = ["\\Seen", "\\Flagged", "\\Deleted", "\\Answered", "work", "$Forwarded"];

export interface WriterParts {
  readonly client: ImapClient;
  readonly oracle: AccountOracle;
  readonly random: Random;
  readonly clock: Clock;
  /** A mark that nobody had before. */
  readonly newMark: () => string;
}

/** A message that can be recognised. */
export function markedMessage(mark: string, random: Random): string {
  const lines = random.below(30);
  return `From: a@example.org\r\nX-Mark: ${mark}\r\nSubject: ${mark}\r\nMessage-ID: <${mark}@sim>\r\n\r\n${`line of ${mark}\r\n`.repeat(lines)}`;
}

/** Reads all mailboxes, checks them against the oracle, then works until the connection ends. */
export async function runWriter(parts: WriterParts): Promise<never> {
  const { client, oracle, random, clock } = parts;
  await reconcileAll(client, oracle);
  for (;;) {
    await new Step(parts, mailboxes[random.below(mailboxes.length)]!).run();
    await sleep(clock, random.below(20));
    if (random.below(12) === 0) await reconcileAll(client, oracle);
  }
}

/** Compares everything that the account has with what it must have. */
export async function reconcileAll(client: ImapClient, oracle: AccountOracle): Promise<void> {
  const due = oracle.due();
  const found = new Map<string, Found>();
  for (const mailbox of mailboxes) found.set(mailbox, await readMailbox(client, mailbox));
  oracle.reconcile(found, due);
}

/** One command on one mailbox. */
class Step {
  readonly #parts: WriterParts;
  readonly #mailbox: string;

  constructor(parts: WriterParts, mailbox: string) {
    this.#parts = parts;
    this.#mailbox = mailbox;
  }

  async run(): Promise<void> {
    const { client, random, oracle } = this.#parts;
    await client.ok(`SELECT ${this.#mailbox}`);
    const uids = [...oracle.messages(this.#mailbox).keys()];
    const kind = random.below(uids.length === 0 ? 1 : 6);
    if (kind === 0) return this.#append();
    const chosen = this.#choose(uids);
    if (kind <= 2) return this.#store(chosen);
    if (kind === 3) return this.#transfer("COPY", chosen);
    if (kind === 4) return this.#transfer("MOVE", chosen);
    return this.#expunge(chosen);
  }

  #choose(uids: readonly number[]): number[] {
    const { random } = this.#parts;
    const share = 1 + random.below(4);
    const chosen = uids.filter(() => random.below(share) === 0);
    return chosen.length > 0 ? chosen : [uids[random.below(uids.length)]!];
  }

  #flags(): string[] {
    const { random } = this.#parts;
    return flags.filter(() => random.below(3) === 0);
  }

  /** Runs a command whose effect is known beforehand or told by its answer. */
  async #change(
    command: () => Promise<Answer>,
    effect: (model: ModelMailboxes, answer?: Answer) => ModelMailboxes,
  ): Promise<void> {
    const { oracle } = this.#parts;
    oracle.begins((model) => effect(model));
    const answer = await command();
    if (answer.status === "OK") oracle.acknowledged((model) => effect(model, answer));
    else oracle.refused();
  }

  async #append(): Promise<void> {
    const { client, random, oracle, newMark } = this.#parts;
    const mark = newMark();
    const text = utf8(markedMessage(mark, random));
    const wanted = this.#flags();
    // Where it lands is told by the answer; without one, the delivery rule of the oracle looks for it.
    oracle.deliveryBegins(mark);
    const target = "INBOX";
    const answer = await client.command(`APPEND ${target} (${wanted.join(" ")}) {}`, text);
    if (answer.status !== "OK") return oracle.deliveryRefused(mark);
    const uid = Number(tokenText(answer.codeTokens[1]));
    oracle.tell(target, Number(tokenText(answer.codeTokens[0])), uid, mark);
    oracle.acknowledged((model) =>
      withMailbox(model, target, (messages) => messages.set(uid, { mark, flags: new Set(wanted) })),
    );
    oracle.see(mark);
    oracle.deliveryAcknowledged(mark);
  }

  async #store(uids: readonly number[]): Promise<void> {
    const { client, random } = this.#parts;
    const mode = ["+", "-", ""][random.below(3)]!;
    const wanted = this.#flags();
    const silent = random.below(2) === 0 ? ".SILENT" : "";
    await this.#change(
      () => client.command(`UID STORE ${uids.join()} ${mode}FLAGS${silent} (${wanted.join(" ")})`),
      (model) =>
        withMailbox(model, this.#mailbox, (messages) => {
          for (const uid of uids) {
            const message = messages.get(uid);
            if (message !== undefined)
              messages.set(uid, { ...message, flags: changed(message.flags, mode, wanted) });
          }
        }),
    );
  }

  async #transfer(verb: "COPY" | "MOVE", uids: readonly number[]): Promise<void> {
    const { client, random, oracle } = this.#parts;
    const target = mailboxes[random.below(mailboxes.length)]!;
    if (target === this.#mailbox) return;
    // The uids that the copies get are the next ones; deliveries go to INBOX at the same time.
    const before = target === "INBOX" ? undefined : oracle.nextUid(target);
    if (before === undefined) return;
    await this.#change(
      () => client.command(`UID ${verb} ${uids.join()} ${target}`),
      (model, answer) => {
        const pairs = answer === undefined ? guessed(uids, before) : copied(answer, uids);
        return transferred(model, { verb, from: this.#mailbox, target, pairs });
      },
    );
  }

  async #expunge(uids: readonly number[]): Promise<void> {
    const { client, random } = this.#parts;
    if (random.below(2) === 0) {
      await this.#change(
        () => client.command(`UID STORE ${uids.join()} +FLAGS.SILENT (\\Deleted)`),
        (model) =>
          withMailbox(model, this.#mailbox, (messages) => {
            for (const uid of uids) {
              const message = messages.get(uid);
              if (message !== undefined)
                messages.set(uid, { ...message, flags: new Set([...message.flags, "\\Deleted"]) });
            }
          }),
      );
    }
    const all = random.below(2) === 0;
    await this.#change(
      () => client.command(all ? "EXPUNGE" : `UID EXPUNGE ${uids.join()}`),
      (model) =>
        withMailbox(model, this.#mailbox, (messages) => {
          for (const [uid, { flags: set }] of messages)
            if (set.has("\\Deleted") && (all || uids.includes(uid))) messages.delete(uid);
        }),
    );
  }
}

function changed(old: ReadonlySet<string>, mode: string, wanted: readonly string[]): Set<string> {
  if (mode === "") return new Set(wanted);
  const next = new Set(old);
  for (const flag of wanted)
    if (mode === "+") next.add(flag);
    else next.delete(flag);
  return next;
}

function guessed(uids: readonly number[], first: number): Map<number, number> {
  return new Map([...uids].sort((a, b) => a - b).map((uid, index) => [uid, first + index]));
}

/** The arguments of a response code, in the answer or untagged before it. */
function codeTokens(answer: Answer, code: string): readonly Token[] {
  if (answer.code === code) return answer.codeTokens;
  for (const response of answer.untagged)
    if (response.kind === "status" && response.code === code) return response.codeTokens;
  return [];
}

/** COPYUID: source uid → new uid. RFC 9051 §7.1 */
function copied(answer: Answer, uids: readonly number[]): Map<number, number> {
  const tokens = codeTokens(answer, "COPYUID");
  const from = expand(tokenText(tokens[1]));
  const to = expand(tokenText(tokens[2]));
  if (from.length !== to.length || from.length > uids.length)
    throw new Error(`COPYUID does not fit: ${tokenText(tokens[1])} ${tokenText(tokens[2])}`);
  return new Map(from.map((uid, index) => [uid, to[index]!]));
}

function expand(set: string): number[] {
  return set
    .split(",")
    .filter((part) => part !== "")
    .flatMap((part) => {
      const [from, to = from] = part.split(":").map(Number) as [number, number?];
      return Array.from({ length: to - from + 1 }, (_, i) => from + i);
    });
}

function transferred(
  model: ModelMailboxes,
  transfer: { verb: "COPY" | "MOVE"; from: string; target: string; pairs: Map<number, number> },
): ModelMailboxes {
  const source = model.get(transfer.from) ?? new Map<number, ModelMessage>();
  let next = withMailbox(model, transfer.target, (messages) => {
    for (const [uid, newUid] of transfer.pairs) {
      const message = source.get(uid);
      if (message !== undefined) messages.set(newUid, message);
    }
  });
  if (transfer.verb === "MOVE")
    next = withMailbox(next, transfer.from, (messages) => {
      for (const uid of transfer.pairs.keys()) messages.delete(uid);
    });
  return next;
}
