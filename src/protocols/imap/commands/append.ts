import { Refusal } from "#base/assert.ts";
import { noBytes } from "#base/bytes.ts";
import { limits } from "#base/limits.ts";
import type { MailboxState, NewMessage } from "#store/index.ts";
import { type AppendHead, type DecodeEvent, formatRanges, ImapSyntaxError } from "#wire/index.ts";
import type { CommandPolicy } from "../command-spec.ts";
import { readFlags } from "../flags.ts";
import { bad, type Completion, completionOf, ok, SessionEnd } from "../responses.ts";
import type { Session } from "../session.ts";

/** RFC 9051 §6.3.12, RFC 3502 (several messages), RFC 3516 §4.4, RFC 6855 §4, RFC 7889 §3 */
export const append: CommandPolicy = {
  name: "APPEND",
  state: "authenticated",
  capabilities: ["UIDPLUS", "MULTIAPPEND", "BINARY", "APPENDLIMIT", "UTF8=ACCEPT"],
};

/**
 * Takes an APPEND whose beginning the decoder gave. All its messages are added or none. What is to
 * be refused is refused before the client sends it, if it waits for that.
 */
export async function runAppend(session: Session, mailboxName: string): Promise<Completion> {
  const arrival = new Arrival(session);
  try {
    const mailbox = session.targetMailbox(mailboxName);
    for (;;) {
      const event = await session.input.nextEvent();
      const end = await take(arrival, event);
      if (end !== undefined) return end === "end" ? await arrival.add(mailbox) : end;
    }
  } catch (error) {
    // Errors of the grammar reach us as events, after which there is nothing left to refuse.
    if (arrival.open) session.decoder.refuse();
    return completionOf(error, session.log);
  } finally {
    arrival.release();
  }
}

function take(
  arrival: Arrival,
  event: DecodeEvent,
): Promise<Completion | "end" | undefined> | Completion | "end" | undefined {
  switch (event.kind) {
    case "append-message":
      return arrival.begin(event.head).then(() => undefined);
    case "append-data":
      arrival.data(event.bytes);
      return undefined;
    case "append-message-end":
      return arrival.finish().then(() => undefined);
    case "append-end":
      arrival.open = false;
      return "end";
    case "error":
      arrival.open = false;
      return bad(event.text, event.code);
    case "fatal":
      arrival.open = false;
      throw new SessionEnd(event.text);
    default:
      arrival.open = false;
      throw new SessionEnd(`Unexpected ${event.kind}`);
  }
}

/** The messages of one APPEND while they arrive. */
class Arrival {
  /** The decoder still has events of this command. */
  open = true;
  readonly #session: Session;
  readonly #messages: NewMessage[] = [];
  /** Bytes taken of the memory for arriving messages. */
  #taken = 0;
  #head: AppendHead | undefined;
  #bytes: Uint8Array = noBytes;
  #filled = 0;

  constructor(session: Session) {
    this.#session = session;
  }

  /** Refuses what cannot be taken; then lets the client send. */
  async begin(head: AppendHead): Promise<void> {
    const { account, output, services, utf8Names } = this.#session;
    services.store.requireWritable();
    readFlags(head.flags);
    if (head.utf8 && !utf8Names) throw new ImapSyntaxError("Enable UTF8=ACCEPT first");
    // RFC 3502 §6.3.11: a message of no octets gives the whole command up.
    if (head.size === 0) throw new Refusal("CANNOT", "A message cannot be empty");
    if (head.size > limits.messageBytesMax)
      throw new Refusal("TOOBIG", `A message has at most ${limits.messageBytesMax} bytes`);
    if (this.#taken + head.size > limits.appendBytesMax)
      throw new Refusal("TOOBIG", `Send at most ${limits.appendBytesMax} bytes in one command`);
    account.requireRoom(this.#messages.length + 1, this.#taken + head.size);
    await this.#takeMemory(head.size);
    this.#head = head;
    this.#bytes = noBytes;
    this.#filled = 0;
    if (head.sync) output.continuation("OK");
  }

  /** Who holds memory already does not wait for more: others might wait for it likewise. */
  async #takeMemory(bytes: number): Promise<void> {
    const { account, clock, input, services } = this.#session;
    const waitMs = this.#taken === 0 ? limits.arrivingWaitMs : 0;
    if (!(await services.arrivingBytes.take(account.state.id, bytes, { clock, waitMs })))
      throw new Refusal("LIMIT", "Too much mail is arriving at this moment, try again later");
    this.#taken += bytes;
    input.silenceMs = limits.arrivingSilenceMs;
  }

  /** Copies into memory of the announced size: pieces of few bytes would cost many times that. */
  data(bytes: Uint8Array): void {
    const { size } = this.#head!;
    if (bytes.length === size) this.#bytes = bytes;
    else {
      if (this.#filled === 0) this.#bytes = Buffer.allocUnsafeSlow(size);
      this.#bytes.set(bytes, this.#filled);
    }
    this.#filled += bytes.length;
  }

  async finish(): Promise<void> {
    const { clock, services } = this.#session;
    const head = this.#head!;
    const bytes = this.#bytes;
    this.#bytes = noBytes;
    // RFC 9051 §9 (CHAR8): only a literal8 may hold NUL.
    if (!head.literal8 && bytes.includes(0)) throw new ImapSyntaxError("NUL in a literal");
    const binary = head.literal8 && !head.utf8;
    const prepared = await services.prepareMessage(bytes, { binary });
    const internalDate = head.date === null ? clock.now() : head.date.ms;
    this.#messages.push({ prepared, flags: readFlags(head.flags), internalDate });
  }

  /** RFC 9051 §7.1 (APPENDUID) */
  async add(mailbox: MailboxState): Promise<Completion> {
    const { account } = this.#session;
    const added = await account.addMessages(mailbox.number, this.#messages);
    return ok("Appended", `APPENDUID ${added.uidValidity} ${formatRanges(added.uids)}`);
  }

  release(): void {
    if (this.#taken === 0) return;
    const { account, input, services } = this.#session;
    services.arrivingBytes.release(account.state.id, this.#taken);
    input.silenceMs = limits.imapIdleTimeoutMs;
  }
}
