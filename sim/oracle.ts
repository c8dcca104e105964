/**
 * What the clients of one account may believe: every acknowledged change, and for the one command
 * of the writer that was under way when the server died, both of its possible ends.
 */

/** A message of the model: which one it is and the flags that were acknowledged. */
export interface ModelMessage {
  readonly mark: string;
  readonly flags: ReadonlySet<string>;
}

/** uid → message, for every mailbox by name. */
export type ModelMailboxes = ReadonlyMap<string, ReadonlyMap<number, ModelMessage>>;

/** What a client found in one mailbox. */
export interface Found {
  readonly uidValidity: number;
  readonly uidNext: number;
  readonly highestModseq: number;
  readonly messages: ReadonlyMap<number, ModelMessage>;
}

/** Something that must never happen did. */
export class Violation extends Error {
  override readonly name = "Violation";
}

export class AccountOracle {
  readonly name: string;
  /** What was acknowledged, as it was found last. */
  #model: ModelMailboxes = new Map();
  /**
   * What may show later: a command whose connection broke was not found, but while the journal is
   * in doubt about its last batch it may still turn out to be durable.
   */
  #doubtful: ModelMailboxes | undefined;
  /** Something was acknowledged since: the doubt was settled before, one way or the other. */
  #decided = false;
  /** What a command under way would make of the model. */
  #underWay: ((model: ModelMailboxes) => ModelMailboxes) | undefined;
  /** Deliveries: acknowledged ones must be found, the others may. */
  readonly #delivered = new Map<string, "maybe" | "acknowledged">();
  readonly #seen = new Set<string>();
  /** `<mailbox> <uidvalidity> <uid>` → mark, for all that any client was ever told. */
  readonly #told = new Map<string, string>();
  readonly #floors = new Map<string, { uidNext: number; modseq: number; uidValidity: number }>();

  constructor(name: string) {
    this.name = name;
  }

  get model(): ModelMailboxes {
    return this.#model;
  }

  messages(mailbox: string): ReadonlyMap<number, ModelMessage> {
    return this.#model.get(mailbox) ?? new Map();
  }

  /** The uid that the next message of a mailbox gets, if only the writer adds to it. */
  nextUid(mailbox: string): number {
    return this.#floors.get(mailbox)?.uidNext ?? 1;
  }

  deliveryBegins(mark: string): void {
    this.#delivered.set(mark, "maybe");
  }
  deliveryAcknowledged(mark: string): void {
    this.#delivered.set(mark, "acknowledged");
  }
  deliveryRefused(mark: string): void {
    this.#delivered.delete(mark);
  }

  /** A command of the writer begins; it is atomic. */
  begins(effect: (model: ModelMailboxes) => ModelMailboxes): void {
    if (this.#decided) this.#doubtful = undefined;
    this.#decided = false;
    this.#underWay = effect;
  }
  /** It was acknowledged; `effect` where only the answer told what it did. */
  acknowledged(effect = this.#underWay): void {
    if (effect !== undefined) {
      const next = effect(this.#model);
      // What changes nothing needs no record, and says nothing of a doubt.
      if (!sameModel(this.#model, next)) {
        this.#model = next;
        if (this.#doubtful !== undefined) this.#doubtful = effect(this.#doubtful);
        this.#decided = true;
      }
    }
    this.#underWay = undefined;
    for (const [mailbox, messages] of this.#model) {
      const floor = this.#floors.get(mailbox);
      if (floor === undefined) continue;
      for (const uid of messages.keys()) if (uid >= floor.uidNext) floor.uidNext = uid + 1;
    }
  }
  /** It was refused: it did nothing. */
  refused(): void {
    this.#underWay = undefined;
  }

  /** Notes what a server told of one uid; the same uid must mean the same message for ever. */
  tell(mailbox: string, uidValidity: number, uid: number, mark: string): void {
    const key = `${mailbox} ${uidValidity} ${uid}`;
    const before = this.#told.get(key);
    if (before !== undefined && before !== mark)
      throw new Violation(`${this.name}: uid ${key} was ${before} and is ${mark} now`);
    this.#told.set(key, mark);
  }

  /** Notes the counters that a server told; they never go back. */
  tellCounters(mailbox: string, found: Omit<Found, "messages">): void {
    const floor = this.#floors.get(mailbox);
    if (floor !== undefined) {
      if (floor.uidValidity !== found.uidValidity)
        throw new Violation(`${this.name}: UIDVALIDITY of ${mailbox} changed`);
      if (found.uidNext < floor.uidNext)
        throw new Violation(`${this.name}: UIDNEXT of ${mailbox} fell to ${found.uidNext}`);
      if (found.highestModseq < floor.modseq)
        throw new Violation(`${this.name}: HIGHESTMODSEQ of ${mailbox} fell`);
    }
    const { uidNext, highestModseq, uidValidity } = found;
    this.#floors.set(mailbox, { uidNext, modseq: highestModseq, uidValidity });
  }

  /** Deliveries that must be found by whoever looks from now on. */
  due(): ReadonlySet<string> {
    const due = new Set<string>();
    for (const [mark, state] of this.#delivered)
      if (state === "acknowledged" && !this.#seen.has(mark)) due.add(mark);
    return due;
  }

  /**
   * Compares what was found in all mailboxes with what may be, and goes on from there.
   * @param due what `due` gave before the first mailbox was read
   */
  reconcile(found: ReadonlyMap<string, Found>, due: ReadonlySet<string>): void {
    for (const [mailbox, { uidValidity, messages, ...counters }] of found) {
      for (const [uid, { mark }] of messages) this.tell(mailbox, uidValidity, uid, mark);
      this.tellCounters(mailbox, { uidValidity, ...counters });
    }
    const underWay = this.#underWay;
    const candidates = [this.#model];
    if (this.#doubtful !== undefined) candidates.push(this.#doubtful);
    if (underWay !== undefined) candidates.push(...candidates.map((model) => underWay(model)));
    const reasons: string[] = [];
    for (const candidate of candidates) {
      const reason = this.#differs(candidate, found, due);
      if (reason === undefined) {
        const others = this.#decided ? [] : candidates.filter((other) => other !== candidate);
        this.#adopt(candidate, found);
        this.#doubtful = withArrivals(others.at(-1), candidate, found);
        this.#decided = false;
        return;
      }
      reasons.push(reason);
    }
    throw new Violation(`${this.name}: ${reasons.join("; nor: ")}`);
  }

  /** What is wrong with `found` if `model` is what was acknowledged; new deliveries are allowed. */
  #differs(
    model: ModelMailboxes,
    found: ReadonlyMap<string, Found>,
    due: ReadonlySet<string>,
  ): string | undefined {
    const fresh = new Set<string>();
    for (const [mailbox, { messages }] of found) {
      const expected = model.get(mailbox) ?? new Map<number, ModelMessage>();
      for (const [uid, message] of expected) {
        const there = messages.get(uid);
        if (there === undefined) return `${mailbox} ${uid} (${message.mark}) is lost`;
        if (there.mark !== message.mark) return `${mailbox} ${uid} is ${there.mark}`;
        if (!sameFlags(there.flags, message.flags))
          return `${mailbox} ${uid} has ${[...there.flags].join()} not ${[...message.flags].join()}`;
      }
      for (const [uid, message] of messages) {
        if (expected.has(uid)) continue;
        if (this.#seen.has(message.mark) || fresh.has(message.mark))
          return `${mailbox} ${uid} (${message.mark}) is there again`;
        if (mailbox !== "INBOX" || !this.#delivered.has(message.mark))
          return `${mailbox} ${uid} (${message.mark}) came from nowhere`;
        fresh.add(message.mark);
      }
    }
    for (const mark of due) if (!fresh.has(mark)) return `the delivery ${mark} is lost`;
    return undefined;
  }

  #adopt(model: ModelMailboxes, found: ReadonlyMap<string, Found>): void {
    this.#underWay = undefined;
    const next = new Map<string, ReadonlyMap<number, ModelMessage>>(model);
    for (const [mailbox, { messages }] of found) {
      next.set(mailbox, messages);
      for (const { mark } of messages.values()) this.#seen.add(mark);
    }
    this.#model = next;
  }

  /** The writer saw this message: a delivery that need not be looked for any more. */
  see(mark: string): void {
    this.#seen.add(mark);
  }
}

function sameModel(a: ModelMailboxes, b: ModelMailboxes): boolean {
  return [...b].every(([name, messages]) => {
    const others = a.get(name) ?? new Map<number, ModelMessage>();
    return (
      messages.size === others.size &&
      [...messages].every(([uid, { flags }]) => {
        const other = others.get(uid);
        return other !== undefined && sameFlags(flags, other.flags);
      })
    );
  });
}

/** `model` with the deliveries that were found and that `known` did not have. */
function withArrivals(
  model: ModelMailboxes | undefined,
  known: ModelMailboxes,
  found: ReadonlyMap<string, Found>,
): ModelMailboxes | undefined {
  if (model === undefined) return undefined;
  let next = model;
  for (const [mailbox, { messages }] of found)
    next = withMailbox(next, mailbox, (all) => {
      for (const [uid, message] of messages)
        if (known.get(mailbox)?.has(uid) !== true) all.set(uid, message);
    });
  return next;
}

function sameFlags(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && [...a].every((flag) => b.has(flag));
}

/** `model` with one mailbox changed. */
export function withMailbox(
  model: ModelMailboxes,
  name: string,
  change: (messages: Map<number, ModelMessage>) => void,
): ModelMailboxes {
  const messages = new Map(model.get(name));
  change(messages);
  return new Map(model).set(name, messages);
}
