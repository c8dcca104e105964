/**
 * The last resort: what packs say about their messages, for an account whose records are lost. It
 * brings back all mail, at the risk of mail that had been expunged; flags are those of the time
 * when a pack was written.
 */
import type { AccountId, MailboxNumber, MessageNumber, ModSeq } from "#base/brand.ts";
import { ByteReader, FormatError } from "#base/bytes.ts";
import { limits } from "#base/limits.ts";
import { decodePackTable } from "../bodies/pack-codec.ts";
import { type EntryPlace, type PackEntry, decodeEntry } from "../bodies/pack-entry.ts";
import type { AccountState, PackState } from "../index/account-state.ts";
import { apply } from "../index/apply.ts";
import { decodeUnit } from "../index/change-codec.ts";
import type { AddedMessage, Change, PackAdded, PackEntryPlace } from "../index/change.ts";
import type { MailboxState } from "../index/mailbox-state.ts";
import { recount } from "../index/recount.ts";
import type { TailUnit } from "./delta-codec.ts";
import type { Head } from "./head-codec.ts";
import { parseObjectName } from "./names.ts";
import { type SettledContext, Unsound, readSound } from "./read-sound.ts";
import { rollLeniently } from "./roll-forward.ts";

export interface RestoreSources {
  /** All objects of the account. */
  readonly names: readonly string[];
  /** The newest head that can be read. */
  readonly head: Head | undefined;
  /** Records that follow upon what is lost. */
  readonly units: readonly TailUnit[];
  /** The greatest modseq that anybody may have seen. */
  readonly expectedModseq: number;
}

interface FoundPack {
  readonly name: string;
  readonly bytes: number;
  readonly fieldsStart: number;
  readonly fieldsEnd: number;
  readonly entries: { readonly place: PackEntryPlace; readonly entry: PackEntry }[];
}

/**
 * Completes `state` (what could be loaded, or an empty one) from packs and from the records behind
 * the gap. An empty one gets new UIDVALIDITYs; otherwise uids and modseqs leave a gap.
 */
export async function restoreFromPacks(
  context: SettledContext,
  state: AccountState,
  sources: RestoreSources,
): Promise<void> {
  const fromNothing = !state.exists;
  const packs = await readPacks(context, state, sources);
  const restoring = new Restoring(context, state, sources);
  const before = [...state.packs.values()];
  restoring.addMailboxes(packs);
  restoring.addMessages(packs);
  restoring.addMissingMailboxes();
  rollLeniently(state, sources.units);
  recount(state);
  takeBackPacks(state, before, sources.names);
  restoring.placeMessages(packs);
  mergePacks(state);
  recount(state);
  for (const { name } of state.packs.values()) state.dropped.delete(name);
  leaveGap(state, { sources, fromNothing, nowMs: context.clock.now() });
}

/** All packs that the state does not know, the oldest first; damaged ones are reported. */
async function readPacks(
  context: SettledContext,
  state: AccountState,
  sources: RestoreSources,
): Promise<FoundPack[]> {
  const known = new Set(Array.from(state.packs.values(), ({ name }) => name));
  // The records behind the gap bring these themselves.
  for (const name of packsIn(sources.units)) known.add(name);
  const packs: FoundPack[] = [];
  for (const name of sources.names) {
    const kind = parseObjectName(name)?.kind;
    if ((kind !== "pack" && kind !== "body") || known.has(name)) continue;
    try {
      packs.push(
        await readSound(context, state.id, name, (bytes) => findPack(context, name, bytes)),
      );
    } catch (error) {
      if (!(error instanceof Unsound)) throw error;
      reportPack(context, state.id, name, error.message);
    }
  }
  return packs.sort((a, b) => sequenceOf(a.name) - sequenceOf(b.name));
}

function sequenceOf(name: string): number {
  const parsed = parseObjectName(name);
  if (parsed?.kind !== "pack" && parsed?.kind !== "body") return 0;
  return parsed.epoch * 0x1_0000_0000 + parsed.sequence;
}

function reportPack(
  context: SettledContext,
  account: AccountId,
  object: string,
  why: string,
): void {
  const text = `${why}; its messages are not in the rebuilt account`;
  context.report({ account, object, text, outcome: "lost" });
}

function findPack(context: SettledContext, name: string, bytes: Uint8Array): FoundPack {
  const table = decodePackTable(bytes, context.storeId);
  const entries: FoundPack["entries"] = [];
  for (const place of table.entries) {
    try {
      const entry = decodeEntry(bytes.subarray(place.offset, place.offset + place.length));
      entries.push({ place, entry: { ...entry, stored: new Uint8Array(0) } });
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
    }
  }
  const { fieldsStart, fieldsEnd } = table;
  return { name, bytes: bytes.length, fieldsStart, fieldsEnd, entries };
}

/** Names of packs that records add. */
function packsIn(units: readonly TailUnit[]): Set<string> {
  const names = new Set<string>();
  for (const { unit } of units)
    for (const change of decodedChanges(unit)) {
      if (change.kind === "contentAdded" && change.place.in === "pack")
        names.add(change.place.pack.name);
    }
  return names;
}

function decodedChanges(unit: Uint8Array): readonly Change[] {
  try {
    return decodeUnit(new ByteReader(unit)).changes;
  } catch (error) {
    if (error instanceof FormatError) return [];
    throw error;
  }
}

interface RestoredMessage {
  readonly number: MessageNumber;
  readonly entry: PackEntry;
}

class Restoring {
  readonly #context: SettledContext;
  readonly #state: AccountState;
  readonly #sources: RestoreSources;
  /** Messages that the state knows, or knew before they were expunged. */
  readonly #firstUnknown: number;
  readonly #inUnits = new Set<number>();

  constructor(context: SettledContext, state: AccountState, sources: RestoreSources) {
    this.#context = context;
    this.#state = state;
    this.#sources = sources;
    this.#firstUnknown = state.nextMessage;
    for (const { unit } of sources.units)
      for (const change of decodedChanges(unit))
        if (change.kind === "contentAdded") this.#inUnits.add(change.message);
  }

  /** Mailboxes that the head and the packs name. */
  addMailboxes(packs: readonly FoundPack[]): void {
    const changes: Change[] = [];
    if (!this.#state.exists) changes.push({ kind: "accountCreated" });
    const wanted = new Map<
      number,
      { name: string; uidValidity: number; specialUse: readonly string[] }
    >();
    for (const pack of packs)
      for (const { entry } of pack.entries)
        for (const { mailbox, name, uidValidity } of entry.places)
          wanted.set(mailbox, { name, uidValidity, specialUse: [] });
    for (const mailbox of this.#sources.head?.mailboxes ?? []) wanted.set(mailbox.number, mailbox);
    const names = new Set(this.#state.mailboxesByName.keys());
    if (!names.has("INBOX") && ![...wanted.values()].some(({ name }) => name === "INBOX")) {
      const free = Math.max(0, this.#state.nextMailbox - 1, ...wanted.keys()) + 1;
      wanted.set(free, { name: "INBOX", uidValidity: 1, specialUse: [] });
    }
    const deleted = new Set(this.#state.tombstones.map(({ mailbox }) => mailbox as number));
    for (const [number, { name, uidValidity, specialUse }] of wanted) {
      if (this.#state.mailboxes.has(number as MailboxNumber) || deleted.has(number)) continue;
      const free = names.has(name) ? `${name} (restored ${number})` : name;
      names.add(free);
      changes.push(creation(number, { name: free, uidValidity, specialUse }));
      changes.push({ kind: "subscriptionChanged", name: free, subscribed: true });
    }
    this.#apply(changes);
  }

  /** Messages that the state never knew, into the mailboxes in which they lay. */
  addMessages(packs: readonly FoundPack[]): void {
    const messages = new Map<
      number,
      RestoredMessage & { pack: FoundPack; place: PackEntryPlace }
    >();
    let next = this.#state.nextMessage;
    for (const number of this.#inUnits) next = Math.max(next, number + 1);
    for (const pack of packs)
      for (const { entry } of pack.entries) next = Math.max(next, entry.message + 1);
    for (const pack of packs)
      for (const { place, entry } of pack.entries) {
        const isNew = entry.message === 0;
        if (!isNew && (entry.message < this.#firstUnknown || this.#inUnits.has(entry.message)))
          continue;
        const number = (isNew ? next++ : entry.message) as MessageNumber;
        // A later pack has later flags.
        messages.set(number, { number, entry, pack, place });
      }
    const changes: Change[] = [];
    for (const message of messages.values()) changes.push(contentOf(message));
    changes.push(...this.#places(messages));
    for (const [index, pack] of packs.entries()) {
      const entries = [...messages.values()]
        .filter((message) => message.pack === pack)
        .map(({ place, number }) => ({ ...place, message: number }));
      if (entries.length > 0)
        changes.push({ kind: "packAdded", pack: this.#pack(pack, index, entries) });
    }
    this.#apply(changes);
  }

  #pack(pack: FoundPack, index: number, entries: PackEntryPlace[]): PackAdded {
    const { name, bytes, fieldsStart, fieldsEnd } = pack;
    return { number: this.#state.nextPack + index, name, bytes, fieldsStart, fieldsEnd, entries };
  }

  #places(messages: ReadonlyMap<number, RestoredMessage>): Change[] {
    const byMailbox = new Map<MailboxNumber, { place: EntryPlace; message: RestoredMessage }[]>();
    for (const message of messages.values())
      for (const place of message.entry.places) {
        const mailbox = place.mailbox as MailboxNumber;
        if (!this.#state.mailboxes.has(mailbox)) continue;
        const list = byMailbox.get(mailbox) ?? [];
        list.push({ place, message });
        byMailbox.set(mailbox, list);
      }
    const changes: Change[] = [];
    for (const [number, list] of byMailbox) {
      let next = this.#state.mailboxes.get(number)!.uidNext;
      // Messages whose uid is not known come last.
      list.sort((a, b) => (a.place.uid || Infinity) - (b.place.uid || Infinity));
      const added: AddedMessage[] = [];
      for (const { place, message } of list) {
        const uid = Math.max(next, place.uid);
        next = uid + 1;
        const { bits, keywords, savedAt, uidl } = place;
        const extras = uidl === "" ? {} : { uidl };
        added.push({ uid, message: message.number, bits, keywords, savedAt, ...extras });
      }
      changes.push({ kind: "messagesAdded", mailbox: number, messages: added });
    }
    return changes;
  }

  /** Messages that the state knows, and whose pack only a lost record named. */
  placeMessages(packs: readonly FoundPack[]): void {
    const { messages, packs: known } = this.#state;
    const { number, pack } = messages.arrays;
    const homeless = new Set<number>();
    for (let row = 0; row < messages.count; row++)
      if (number[row] !== 0 && !known.has(pack[row]!)) homeless.add(number[row]!);
    const changes: Change[] = [];
    // The latest pack that has a message is the right one.
    for (const [index, found] of [...packs].reverse().entries()) {
      const entries = found.entries
        .map(({ place }) => place)
        .filter(({ message }) => homeless.delete(message));
      if (entries.length > 0)
        changes.push({ kind: "packAdded", pack: this.#pack(found, index, entries) });
    }
    this.#apply(changes);
  }

  /** Mailboxes of which only the records behind the gap speak. */
  addMissingMailboxes(): void {
    const missing = new Set<number>();
    const created = new Set<number>();
    const gone = new Set(this.#state.tombstones.map(({ mailbox }) => mailbox as number));
    for (const { unit } of this.#sources.units)
      for (const change of decodedChanges(unit)) {
        if (change.kind === "mailboxCreated") created.add(change.mailbox);
        const named =
          change.kind === "messagesCopied" ? [change.from, change.to] : mailboxIn(change);
        for (const mailbox of named)
          if (!created.has(mailbox) && !gone.has(mailbox) && !this.#state.mailboxes.has(mailbox))
            missing.add(mailbox);
      }
    this.#apply(
      Array.from(missing, (number) => {
        const name = `Recovered ${number}`;
        return creation(number, { name, uidValidity: 1, specialUse: [] });
      }),
    );
  }

  #apply(changes: readonly Change[]): void {
    if (changes.length === 0) return;
    const modseq = (this.#state.modseq === 0 ? 0 : this.#state.modseq) as ModSeq;
    const address = { place: undefined, contentsAt: 0, contents: [] };
    apply(this.#state, { modseq, at: this.#context.clock.now(), changes }, address);
  }
}

function mailboxIn(change: Change): MailboxNumber[] {
  if (change.kind === "mailboxCreated" || !("mailbox" in change)) return [];
  return change.mailbox === 0 ? [] : [change.mailbox];
}

function creation(
  number: number,
  of: { name: string; uidValidity: number; specialUse: readonly string[] },
): Change {
  const { name, uidValidity, specialUse } = of;
  const mailbox = number as MailboxNumber;
  return { kind: "mailboxCreated", mailbox, name, uidValidity, uidNext: 1, specialUse };
}

function contentOf({ number, entry, place }: RestoredMessage & { place: PackEntryPlace }): Change {
  return {
    kind: "contentAdded",
    message: number,
    size: entry.rawLength,
    fieldsLength: place.fieldsLength,
    internalDate: entry.internalDate,
    sentDate: entry.sentDate,
    thread: entry.thread === 0 ? number : entry.thread,
    messageIdHash: entry.messageIdHash,
    // Until the pack itself is added, in the same unit.
    place: { in: "record", offset: 0, fieldsCrc: 0, bodyCrc: 0 },
  };
}

/** Packs were dropped after expunges that are lost: their messages are there again. */
function takeBackPacks(
  state: AccountState,
  before: readonly PackState[],
  names: readonly string[],
): void {
  const used = new Set(state.messages.arrays.pack.subarray(0, state.messages.count));
  for (const pack of before)
    if (!state.packs.has(pack.number) && used.has(pack.number) && names.includes(pack.name))
      state.packs.set(pack.number, pack);
}

/** A pack that was found, and then named by a record, must have one number. */
function mergePacks(state: AccountState): void {
  const numbers = new Map<string, number>();
  const merged = new Map<number, number>();
  for (const { name, number } of [...state.packs.values()]) {
    const first = numbers.get(name);
    if (first === undefined) numbers.set(name, number);
    else {
      merged.set(number, first);
      state.packs.delete(number);
    }
  }
  const { pack } = state.messages.arrays;
  for (let row = 0; row < state.messages.count; row++)
    pack[row] = merged.get(pack[row]!) ?? pack[row]!;
}

/** No uid, modseq or number that was given in the lost part may be given again. */
function leaveGap(
  state: AccountState,
  of: { sources: RestoreSources; fromNothing: boolean; nowMs: number },
): void {
  const { sources, fromNothing, nowMs } = of;
  state.modseq = Math.max(state.modseq, sources.expectedModseq) + limits.restoreModseqGap;
  state.nextMessage += limits.restoreUidGap;
  state.nextThread += limits.restoreUidGap;
  state.nextPack += limits.restoreUidGap;
  state.nextMailbox += limits.mailboxesPerAccountMax;
  // Mailboxes of which nothing is known may have been given one at the same time.
  let validity =
    Math.max(state.lastUidValidity, Math.floor(nowMs / 1000)) + limits.mailboxesPerAccountMax;
  for (const mailbox of state.mailboxes.values()) {
    if (fromNothing) mailbox.uidValidity = ++validity;
    else mailbox.uidNext = gapped(mailbox, sources.head);
    // Every client is to look at everything again.
    mailbox.rows.arrays.modseq.fill(state.modseq, 0, mailbox.count);
    mailbox.highestModseq = state.modseq;
    mailbox.historyFloor = state.modseq;
    mailbox.history.count = 0;
  }
  state.lastUidValidity = validity;
  state.generation++;
}

function gapped(mailbox: MailboxState, head: Head | undefined): number {
  const known = head?.mailboxes.find(({ number }) => number === mailbox.number)?.uidNext ?? 1;
  return Math.min(0xffff_ffff, Math.max(mailbox.uidNext, known) + limits.restoreUidGap);
}
