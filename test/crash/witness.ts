/** What a server has promised about one account, kept outside it, and the comparison. */

/** A message as a client sees it. */
export interface Seen {
  /** Its mark: unique per content, so the same for copies. */
  readonly mark: string;
  /** Sorted, without \Recent, joined by spaces. */
  readonly flags: string;
}

/** A mailbox as a client finds it. */
export interface Found {
  readonly uidValidity: number;
  readonly uidNext: number;
  readonly highestModseq: number;
  readonly messages: ReadonlyMap<number, Seen>;
}

/** A command whose answer has not come: after a crash it was carried out whole, or not at all. */
export type Doubt =
  | { readonly kind: "append"; readonly box: string; readonly seen: Seen }
  | { readonly kind: "store"; readonly box: string; readonly uid: number; readonly flags: string }
  | {
      readonly kind: "copy" | "move";
      readonly uid: number;
      readonly from: string;
      readonly to: string;
    }
  | { readonly kind: "expunge"; readonly box: string; readonly uid: number };

interface Box {
  uidValidity: number;
  uidNext: number;
  highestModseq: number;
  messages: Map<number, Seen>;
}

export class BrokenPromise extends Error {
  override readonly name = "BrokenPromise";
}

/** One IMAP client changes the account at a time; any number of LMTP clients deliver to its INBOX. */
export class AccountWitness {
  readonly name: string;
  readonly boxes = new Map<string, Box>();
  /** Marks of messages that were acknowledged to LMTP clients and that nobody has seen yet. */
  readonly due = new Set<string>();
  /** Marks of messages whose LMTP reply never came. */
  readonly maybe = new Set<string>();
  doubt: Doubt | undefined;
  /** Every uid ever shown, for ever: mailbox/uidvalidity/uid. */
  readonly #history = new Map<string, string>();

  constructor(name: string) {
    this.name = name;
  }

  fail(text: string): never {
    throw new BrokenPromise(`${this.name}: ${text}`);
  }

  /** A client was shown a uid. */
  shown(box: string, uid: number, mark: string): void {
    const { uidValidity } = this.boxes.get(box)!;
    const key = `${box}/${uidValidity}/${uid}`;
    const before = this.#history.get(key);
    if (before !== undefined && before !== mark)
      this.fail(`${key} was ${before} and is ${mark} now`);
    this.#history.set(key, mark);
  }

  /** A client found a message in a mailbox. */
  saw(box: string, uid: number, seen: Seen): void {
    this.shown(box, uid, seen.mark);
    this.boxes.get(box)!.messages.set(uid, seen);
    this.due.delete(seen.mark);
    this.maybe.delete(seen.mark);
  }

  /** The change in doubt was acknowledged; `uid` is the new one where there is one. */
  acknowledged(uid?: number): void {
    const doubt = this.doubt!;
    this.doubt = undefined;
    switch (doubt.kind) {
      case "append":
        this.saw(doubt.box, uid!, doubt.seen);
        return;
      case "store": {
        const { messages } = this.boxes.get(doubt.box)!;
        messages.set(doubt.uid, { ...messages.get(doubt.uid)!, flags: doubt.flags });
        return;
      }
      case "copy":
      case "move": {
        const { messages } = this.boxes.get(doubt.from)!;
        const seen = messages.get(doubt.uid)!;
        if (doubt.kind === "move") messages.delete(doubt.uid);
        this.saw(doubt.to, uid!, seen);
        return;
      }
      case "expunge":
        this.boxes.get(doubt.box)!.messages.delete(doubt.uid);
    }
  }

  /** Compares all that is found after a restart with what was promised, and goes on from there. */
  compare(found: ReadonlyMap<string, Found>): void {
    const doubt = this.doubt;
    if (doubt?.kind === "move") this.#checkMove(doubt, found);
    const marks = new Set<string>();
    for (const [name, now] of found) {
      this.#checkNumbers(name, now);
      for (const [uid, { mark }] of now.messages) this.shown(name, uid, mark);
      this.#checkKnown(name, now);
      this.#checkNew(name, now, marks);
    }
    for (const mark of this.due)
      if (!marks.has(mark)) this.fail(`${mark} was acknowledged by LMTP and is gone`);
    this.due.clear();
    this.maybe.clear();
    this.doubt = undefined;
    for (const [name, now] of found)
      this.boxes.set(name, { ...now, messages: new Map(now.messages) });
  }

  #checkNumbers(name: string, now: Found): void {
    const before = this.boxes.get(name);
    if (before === undefined) {
      this.boxes.set(name, { ...now, messages: new Map() });
      return;
    }
    for (const number of ["uidValidity", "uidNext", "highestModseq"] as const)
      if (now[number] < before[number])
        this.fail(`${name}: ${number} was ${before[number]} and is ${now[number]}`);
    if (now.uidValidity !== before.uidValidity) this.fail(`${name}: another UIDVALIDITY`);
    for (const uid of [...before.messages.keys(), ...now.messages.keys()])
      if (uid >= now.uidNext) this.fail(`${name}: UIDNEXT ${now.uidNext} with uid ${uid}`);
  }

  /** Messages that a client knew are there with their flags, but for what is in doubt. */
  #checkKnown(name: string, now: Found): void {
    const { doubt } = this;
    for (const [uid, { mark, flags }] of this.boxes.get(name)!.messages) {
      const seen = now.messages.get(uid);
      const concerned =
        doubt !== undefined && "uid" in doubt && doubt.uid === uid && sourceOf(doubt) === name;
      if (seen === undefined) {
        if (concerned && (doubt.kind === "move" || doubt.kind === "expunge")) continue;
        this.fail(`${name} ${uid} (${mark}) is gone`);
      }
      if (seen.flags === flags) continue;
      if (concerned && doubt.kind === "store" && seen.flags === doubt.flags) continue;
      this.fail(`${name} ${uid} (${mark}) has flags "${seen.flags}" instead of "${flags}"`);
    }
  }

  /** Messages that no client knew were delivered, or are what is in doubt; each once. */
  #checkNew(name: string, now: Found, marks: Set<string>): void {
    let doubt = this.doubt;
    for (const [uid, seen] of now.messages) {
      if (this.boxes.get(name)!.messages.has(uid)) continue;
      const { mark } = seen;
      const delivered = name === "INBOX" && (this.due.has(mark) || this.maybe.has(mark));
      if (delivered && !marks.has(mark)) {
        if (seen.flags !== "") this.fail(`${name} ${uid} (${mark}) has flags "${seen.flags}"`);
        marks.add(mark);
        continue;
      }
      const expected = doubt === undefined ? undefined : this.#newOf(doubt, name);
      if (expected?.mark !== mark) this.fail(`${name} ${uid} (${mark}) came from nowhere`);
      if (expected.flags !== seen.flags)
        this.fail(`${name} ${uid} (${mark}) has flags "${seen.flags}", not "${expected.flags}"`);
      doubt = undefined;
    }
  }

  /** The message that the change in doubt would have put into a mailbox. */
  #newOf(doubt: Doubt, name: string): Seen | undefined {
    if (doubt.kind === "append") return doubt.box === name ? doubt.seen : undefined;
    if (doubt.kind !== "copy" && doubt.kind !== "move") return undefined;
    return doubt.to === name ? this.boxes.get(doubt.from)!.messages.get(doubt.uid) : undefined;
  }

  /** A message that was being moved is in one of the mailboxes. RFC 9051 §6.4.8 */
  #checkMove(doubt: Doubt & { kind: "copy" | "move" }, found: ReadonlyMap<string, Found>): void {
    const { mark } = this.boxes.get(doubt.from)!.messages.get(doubt.uid)!;
    const left = found.get(doubt.from)!.messages.has(doubt.uid);
    const known = this.boxes.get(doubt.to)!.messages;
    const arrived = [...found.get(doubt.to)!.messages].some(
      ([uid, seen]) => seen.mark === mark && !known.has(uid),
    );
    if (left === arrived) this.fail(`${mark} was moved and is ${left ? "in both" : "nowhere"}`);
  }
}

function sourceOf(doubt: Doubt): string {
  return "from" in doubt ? doubt.from : doubt.box;
}
