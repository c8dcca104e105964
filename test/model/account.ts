/**
 * An account as plain objects and arrays: what every session of it must agree with. Modseqs are
 * learned of the server, in their order; all else is worked out here.
 */
import type { Content } from "./contents.ts";
import { superiors } from "./names.ts";

export interface Message {
  readonly uid: number;
  readonly content: Content;
  /** Flags and keywords, all in small letters. */
  flags: ReadonlySet<string>;
  /** Seconds. */
  readonly internalDate: number;
  readonly savedAt: number;
  /** Infinity until it is learned. */
  modseq: number;
  /** What it was before the command that is being looked at, which may tell this first. */
  before?: { readonly flags: ReadonlySet<string>; readonly modseq: number } | undefined;
  /** Modseq of its end; undefined while it is there. */
  goneAt: number | undefined;
}

export interface Mailbox {
  readonly id: string;
  name: string;
  /** Undefined until it is told: a renamed mailbox may get another one. */
  uidValidity: number | undefined;
  uidNext: number;
  highestModseq: number;
  /** All that ever were, by uid. */
  readonly messages: Message[];
  /** \Recent begins here for the next session. RFC 3501 §2.3.2 */
  firstRecent: number;
  specialUse: string;
  /** It has changed since its modseq was learned. */
  changed: boolean;
  /** In several steps, so that each message has a modseq of its own. */
  inSteps: boolean;
  deleted: boolean;
  /** The server's history of expunges begins here. */
  historyFloor: number;
}

/** What is known of a content by what the server said. */
interface ContentFacts {
  emailId?: string;
  threadId?: string;
  preview?: string;
}

export const systemFlags = ["\\answered", "\\flagged", "\\deleted", "\\seen", "\\draft"] as const;

export function present(mailbox: Mailbox): Message[] {
  return mailbox.messages.filter(({ goneAt }) => goneAt === undefined);
}

export function sizeOf(messages: readonly Message[]): number {
  return messages.reduce((sum, { content }) => sum + content.bytes.length, 0);
}

export class ModelAccount {
  readonly mailboxes: Mailbox[] = [];
  readonly subscriptions = new Set<string>();
  readonly facts = new Map<Content, ContentFacts>();
  /** Of all mailboxes and of all times. */
  modseq = 0;
  readonly messagesMax: number | undefined;
  readonly #usedIds = new Set<string>();
  readonly #lastUidValidity = new Map<string, number>();

  constructor(messagesMax: number | undefined) {
    this.messagesMax = messagesMax;
  }

  find(name: string | undefined): Mailbox | undefined {
    return this.mailboxes.find((mailbox) => mailbox.name === name);
  }

  get messageCount(): number {
    return this.mailboxes.reduce((sum, mailbox) => sum + present(mailbox).length, 0);
  }

  hasRoom(more: number): boolean {
    return this.messagesMax === undefined || this.messageCount + more <= this.messagesMax;
  }

  /** Takes a mailbox that the server made. Errors: an id or UIDVALIDITY that was used before. */
  takeMailbox(identity: { id: string; name: string; uidValidity: number }): Mailbox {
    const { id, name, uidValidity } = identity;
    if (this.#usedIds.has(id)) throw new Error(`Mailbox id ${id} is used twice`);
    if (uidValidity <= (this.#lastUidValidity.get(name) ?? 0))
      throw new Error(`UIDVALIDITY of ${name} did not grow`);
    this.#usedIds.add(id);
    this.#lastUidValidity.set(name, uidValidity);
    const mailbox: Mailbox = {
      id,
      name,
      uidValidity,
      uidNext: 1,
      highestModseq: 0,
      messages: [],
      firstRecent: 1,
      specialUse: "",
      changed: true,
      inSteps: false,
      deleted: false,
      historyFloor: 0,
    };
    this.mailboxes.push(mailbox);
    return mailbox;
  }

  /** Names that are to exist though no answer told their ids. */
  readonly expectedNames = new Map<string, { specialUse: string; messages: readonly Message[] }>();

  create(name: string, specialUse = "", messages: readonly Message[] = []): void {
    for (const above of superiors(name))
      if (this.find(above) === undefined)
        this.expectedNames.set(above, { specialUse: "", messages: [] });
    this.expectedNames.set(name, { specialUse, messages });
  }

  delete(mailbox: Mailbox): void {
    mailbox.deleted = true;
    this.mailboxes.splice(this.mailboxes.indexOf(mailbox), 1);
  }

  rename(mailbox: Mailbox, to: string, savedAt: number): void {
    const from = mailbox.name;
    if (from === "INBOX") {
      const messages = present(mailbox);
      this.create(
        to,
        "",
        messages.map((message) => ({ ...message, savedAt })),
      );
      this.expunge(mailbox, messages);
      return;
    }
    for (const above of superiors(to)) if (this.find(above) === undefined) this.create(above);
    for (const other of this.mailboxes)
      if (other === mailbox || other.name.startsWith(`${from}/`)) {
        other.name = to + other.name.slice(from.length);
        const last = this.#lastUidValidity.get(other.name) ?? 0;
        // Others had the name, with a greater UIDVALIDITY: the server gives one that is greater still.
        const { uidValidity } = other;
        if (uidValidity === undefined || last > uidValidity) other.uidValidity = undefined;
        else this.#lastUidValidity.set(other.name, uidValidity);
      }
  }

  /** Takes the UIDVALIDITY that a mailbox got with a name of others. */
  takeUidValidity(mailbox: Mailbox, uidValidity: number): void {
    if (uidValidity <= (this.#lastUidValidity.get(mailbox.name) ?? 0))
      throw new Error(`UIDVALIDITY of ${mailbox.name} did not grow`);
    this.#lastUidValidity.set(mailbox.name, uidValidity);
    mailbox.uidValidity = uidValidity;
  }

  /** Adds messages with the next uids. */
  add(
    mailbox: Mailbox,
    messages: readonly Pick<Message, "content" | "flags" | "internalDate" | "savedAt">[],
  ): Message[] {
    const added = messages.map(({ content, flags, internalDate, savedAt }) => ({
      uid: mailbox.uidNext++,
      content,
      flags,
      internalDate,
      savedAt,
      modseq: Infinity,
      goneAt: undefined,
    }));
    mailbox.messages.push(...added);
    if (added.length > 0) mailbox.changed = true;
    return added;
  }

  setFlags(mailbox: Mailbox, message: Message, flags: ReadonlySet<string>): boolean {
    if (sameFlags(message.flags, flags)) return false;
    message.flags = flags;
    message.modseq = Infinity;
    mailbox.changed = true;
    return true;
  }

  expunge(mailbox: Mailbox, messages: readonly Message[]): void {
    for (const message of messages) message.goneAt = Infinity;
    if (messages.length > 0) mailbox.changed = true;
  }

  /**
   * Takes the modseq that the server gave to what was changed last, and those of messages where
   * they may differ.
   */
  learnModseq(mailbox: Mailbox, highest: number, own?: ReadonlyMap<number, number>): void {
    if (!mailbox.changed) {
      if (highest !== mailbox.highestModseq)
        throw new Error(
          `HIGHESTMODSEQ of ${mailbox.name} went from ${mailbox.highestModseq} to ${highest} for nothing`,
        );
      return;
    }
    if (highest <= this.modseq)
      throw new Error(`A change of ${mailbox.name} got modseq ${highest}, ${this.modseq} was used`);
    for (const message of mailbox.messages) {
      if (message.modseq === Infinity) message.modseq = own?.get(message.uid) ?? highest;
      if (message.modseq > highest || (own?.get(message.uid) ?? message.modseq) !== message.modseq)
        throw new Error(`Modseq ${own?.get(message.uid)} of uid ${message.uid}`);
      if (message.goneAt === Infinity) message.goneAt = highest;
    }
    mailbox.highestModseq = highest;
    mailbox.changed = mailbox.inSteps = false;
  }
}

export function sameFlags(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && [...a].every((flag) => b.has(flag));
}
