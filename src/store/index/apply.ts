/**
 * The only function that changes an account, live and on replay.
 *
 * It decides nothing: every uid, modseq and number is in the record. The same state and the same
 * record give the same state, down to the order of free rows, on every machine.
 */
import { assert, Bug, unreachable } from "#base/assert.ts";
import type { MessageNumber } from "#base/brand.ts";
import { noBytes } from "#base/bytes.ts";
import { limits } from "#base/limits.ts";
import type { AccountState, RecordAddress } from "./account-state.ts";
import { type Change, deletedBit, type PackAdded, type PackEntryPlace, seenBit } from "./change.ts";
import type { Unit } from "./change.ts";
import { lowerBound } from "./columns.ts";
import { MailboxState } from "./mailbox-state.ts";
import { renameMailbox } from "./mailbox-names.ts";
import { rowRangesIn, rowsIn } from "./rows-in.ts";

/** Flags of which a mailbox counts how many messages have them. */
const countedBits = seenBit | deletedBit;

type ChangeOf<K extends Change["kind"]> = Extract<Change, { kind: K }>;

/**
 * Applies `unit` to `state`.
 *
 * @param address where the record lies in the journal; contents that travel in it are read there
 *   until they are settled.
 */
export function apply(state: AccountState, unit: Unit, address: RecordAddress): void {
  // Rows of contents that this unit added: the messages that refer to them follow in the same unit.
  const added = new Map<MessageNumber, number>();
  for (const change of unit.changes) applyChange({ state, unit, address, added }, change);
  // A content that no mailbox took would never be released.
  const { number, references } = state.messages.arrays;
  for (const [message, row] of added)
    if (number[row] === message && references[row] === 0) releaseContent(state, row);
  if (unit.modseq > state.modseq) state.modseq = unit.modseq;
  state.generation++;
}

interface Context {
  readonly state: AccountState;
  readonly unit: Unit;
  readonly address: RecordAddress;
  readonly added: Map<MessageNumber, number>;
}

function applyChange(context: Context, change: Change): void {
  const { state } = context;
  switch (change.kind) {
    case "accountCreated":
      state.exists = true;
      return;
    case "mailboxCreated":
      return createMailbox(context, change);
    case "mailboxRenamed":
      return renameMailbox(state, mailboxOf(state, change.mailbox), {
        name: change.name,
        at: context.unit.at,
      });
    case "uidValidityChanged":
      mailboxOf(state, change.mailbox).uidValidity = change.uidValidity;
      state.lastUidValidity = Math.max(state.lastUidValidity, change.uidValidity);
      return;
    case "mailboxDeleted":
      return deleteMailbox(context, change);
    case "specialUseChanged":
      mailboxOf(state, change.mailbox).specialUse = change.specialUse;
      return;
    case "subscriptionChanged":
      if (change.subscribed) state.subscriptions.add(change.name);
      else state.subscriptions.delete(change.name);
      return;
    case "contentAdded":
      return addContent(context, change);
    case "messagesAdded":
      return addMessages(context, change);
    case "messagesCopied":
      return copyMessages(context, change);
    case "flagsChanged":
      return changeFlags(context, change);
    case "expunged":
      return expunge(context, change);
    case "recentTaken":
      mailboxOf(state, change.mailbox).firstRecent = change.firstRecent;
      return;
    case "visitorFlagsChanged":
      return changeVisitorFlags(context, change);
    case "propertyChanged": {
      const key = `${change.mailbox}/${change.name}`;
      if (change.value === null) state.properties.delete(key);
      else state.properties.set(key, change.value);
      return;
    }
    case "commandDone":
      state.commandKeys.set(change.key, { result: change.result, at: context.unit.at });
      return;
    case "commandKeysDropped":
      for (const key of change.keys) state.commandKeys.delete(key);
      return;
    case "packAdded":
      return addPack(state, change.pack);
    case "objectsDropped":
      for (const name of change.names) state.dropped.set(name, context.unit.at);
      for (const pack of state.packs.values())
        if (change.names.includes(pack.name)) state.packs.delete(pack.number);
      return;
    case "objectsDeleted":
      for (const name of change.names) state.dropped.delete(name);
      return;
    default:
      return unreachable(change);
  }
}

function mailboxOf(state: AccountState, number: ChangeOf<"expunged">["mailbox"]): MailboxState {
  const mailbox = state.mailboxes.get(number);
  if (mailbox === undefined) throw new Bug(`Record names mailbox ${number}, which is not there`);
  return mailbox;
}

function touch(mailbox: MailboxState, unit: Unit): void {
  if (unit.modseq > mailbox.highestModseq) mailbox.highestModseq = unit.modseq;
}

function createMailbox(context: Context, change: ChangeOf<"mailboxCreated">): void {
  const { state, unit } = context;
  const mailbox = new MailboxState({
    number: change.mailbox,
    name: change.name,
    uidValidity: change.uidValidity,
    uidNext: change.uidNext,
    specialUse: change.specialUse,
  });
  mailbox.historyFloor = unit.modseq;
  touch(mailbox, unit);
  state.mailboxes.set(change.mailbox, mailbox);
  state.mailboxesByName.set(change.name, mailbox);
  state.nextMailbox = Math.max(state.nextMailbox, change.mailbox + 1);
  state.lastUidValidity = Math.max(state.lastUidValidity, change.uidValidity);
}

function deleteMailbox(context: Context, change: ChangeOf<"mailboxDeleted">): void {
  const { state, unit } = context;
  const mailbox = mailboxOf(state, change.mailbox);
  const { message } = mailbox.rows.arrays;
  state.rowCount -= mailbox.count;
  state.rowBytes -= mailbox.bytes;
  for (let row = 0; row < mailbox.count; row++) releaseReference(state, message[row]!);
  state.mailboxes.delete(change.mailbox);
  state.mailboxesByName.delete(mailbox.name);
  const prefix = `${change.mailbox}/`;
  for (const key of state.properties.keys())
    if (key.startsWith(prefix)) state.properties.delete(key);
  const { name, uidValidity } = mailbox;
  state.tombstones.push({ mailbox: change.mailbox, name, uidValidity, deletedAt: unit.at });
}

function addContent(context: Context, change: ChangeOf<"contentAdded">): void {
  const { state, address } = context;
  const { messages } = state;
  let row = state.freeRows.pop();
  if (row === undefined) {
    messages.reserve(1);
    row = messages.count++;
  }
  const columns = messages.arrays;
  columns.number[row] = change.message;
  columns.references[row] = 0;
  columns.size[row] = change.size;
  columns.internalDate[row] = change.internalDate;
  columns.sentDate[row] = change.sentDate;
  columns.thread[row] = change.thread;
  columns.messageIdHash[row] = change.messageIdHash;
  columns.pack[row] = 0;
  columns.offset[row] = 0;
  columns.length[row] = 0;
  columns.fieldsOffset[row] = 0;
  columns.fieldsLength[row] = change.fieldsLength;
  context.added.set(change.message, row);
  state.nextMessage = Math.max(state.nextMessage, change.message + 1);
  state.nextThread = Math.max(state.nextThread, change.thread + 1);
  if (change.place.in === "record") {
    const { offset, fieldsCrc, bodyCrc } = change.place;
    state.journaled.set(row, { address, offset, prefix: noBytes, fieldsCrc, bodyCrc });
  } else if (change.place.in === "batch") {
    const { prefix, fieldsCrc, bodyCrc } = change.place;
    state.journaled.set(row, { address, offset: 0, prefix, fieldsCrc, bodyCrc });
  } else {
    const { pack } = change.place;
    addPack(state, { ...pack, entries: [] });
    placeInPack(state, row, pack, pack.entries[0]!);
  }
}

function addMessages(context: Context, change: ChangeOf<"messagesAdded">): void {
  const { state, unit } = context;
  const mailbox = mailboxOf(state, change.mailbox);
  mailbox.rows.reserve(change.messages.length);
  const columns = mailbox.rows.arrays;
  for (const message of change.messages) {
    const content = context.added.get(message.message) ?? state.messageRow(message.message);
    assert(content >= 0, "A record names a content that is there");
    assert(message.uid >= mailbox.uidNext, "Uids only grow");
    const row = mailbox.rows.count++;
    const modseq = message.modseq ?? unit.modseq;
    columns.uid[row] = message.uid;
    columns.modseq[row] = modseq;
    columns.createdModseq[row] = modseq;
    columns.flags[row] = message.bits;
    columns.keywordSet[row] =
      message.keywords.length === 0
        ? 0
        : mailbox.internKeywordSet(message.keywords.map((name) => mailbox.internKeyword(name)));
    columns.message[row] = content;
    columns.savedAt[row] = message.savedAt;
    mailbox.uidNext = message.uid + 1;
    if (message.uidl !== undefined) mailbox.uidls.set(message.uid, message.uidl);
    countRow(context, mailbox, { content, flags: message.bits, by: 1 });
  }
  touch(mailbox, unit);
}

/** Keeps the counters of mailbox, account and content for a row that comes (1) or goes (-1). */
function countRow(
  context: Context,
  mailbox: MailboxState,
  row: { content: number; flags: number; by: 1 | -1 },
): void {
  const { state } = context;
  const size = state.messages.arrays.size[row.content]!;
  mailbox.count1(row.flags, size, row.by);
  state.rowCount += row.by;
  state.rowBytes += row.by * size;
  if (row.by === 1) state.messages.arrays.references[row.content]! += 1;
  else releaseReference(state, row.content);
}

function copyMessages(context: Context, change: ChangeOf<"messagesCopied">): void {
  const { state, unit } = context;
  const from = mailboxOf(state, change.from);
  const to = mailboxOf(state, change.to);
  const sources = rowsIn(from, change.uids);
  to.rows.reserve(sources.length);
  const source = from.rows.arrays;
  const target = to.rows.arrays;
  const sets = new Map<number, number>([[0, 0]]);
  let uid = change.firstUid;
  assert(uid >= to.uidNext, "Uids only grow");
  for (const at of sources) {
    const row = to.rows.count++;
    const flags = source.flags[at]!;
    const content = source.message[at]!;
    let set = sets.get(source.keywordSet[at]!);
    if (set === undefined) {
      set = to.internKeywordSet(from.keywordsOf(at).map((name) => to.internKeyword(name)));
      sets.set(source.keywordSet[at]!, set);
    }
    target.uid[row] = uid++;
    target.modseq[row] = unit.modseq;
    target.createdModseq[row] = unit.modseq;
    target.flags[row] = flags;
    target.keywordSet[row] = set;
    target.message[row] = content;
    target.savedAt[row] = change.savedAt;
    countRow(context, to, { content, flags, by: 1 });
  }
  to.uidNext = uid;
  touch(to, unit);
}

function changeFlags(context: Context, change: ChangeOf<"flagsChanged">): void {
  const { state, unit } = context;
  const mailbox = mailboxOf(state, change.mailbox);
  const ids = change.keywords.map((name) => mailbox.internKeyword(name));
  const rows = rowRangesIn(mailbox, change.uids);
  for (let i = 0; i < rows.length; i += 2) {
    const run = { mailbox, first: rows[i]!, last: rows[i + 1]!, ids, mode: change.mode };
    if (ids.length > 0 || change.mode === "replace") changeKeywords(run, unit.modseq);
    changeBits(run, { size: state.messages.arrays.size, bits: change.bits, modseq: unit.modseq });
  }
  touch(mailbox, unit);
}

/** Rows that lie side by side. */
interface FlagRun {
  readonly mailbox: MailboxState;
  readonly first: number;
  readonly last: number;
  readonly ids: readonly number[];
  readonly mode: FlagMode;
}

function changeKeywords({ mailbox, first, last, ids, mode }: FlagRun, modseq: number): void {
  const columns = mailbox.rows.arrays;
  const sets = new Map<number, number>();
  for (let row = first; row <= last; row++) {
    const old = columns.keywordSet[row]!;
    let set = sets.get(old);
    if (set === undefined) {
      set = combineKeywords(mailbox, { set: old, ids, mode });
      sets.set(old, set);
    }
    if (set === old) continue;
    columns.keywordSet[row] = set;
    columns.modseq[row] = modseq;
  }
}

/** One small loop, for it may run over all of a large mailbox. */
function changeBits(
  run: FlagRun,
  change: { readonly size: Uint32Array; readonly bits: number; readonly modseq: number },
): void {
  const { mailbox, first, last } = run;
  const { bits, modseq: newModseq, size } = change;
  const { flags, message, modseq } = mailbox.rows.arrays;
  const set = combine(0, bits, run.mode);
  const kept = combine(0xff, bits, run.mode) & ~set;
  for (let row = first; row <= last; row++) {
    const old = flags[row]!;
    const now = (old & kept) | set;
    if (now === old) continue;
    flags[row] = now;
    modseq[row] = newModseq;
    if (((now ^ old) & countedBits) === 0) continue;
    const bytes = size[message[row]!]!;
    mailbox.count1(old, bytes, -1);
    mailbox.count1(now, bytes, 1);
  }
}

type FlagMode = ChangeOf<"flagsChanged">["mode"];

/** The bits after a change. */
export function combine(old: number, bits: number, mode: FlagMode): number {
  switch (mode) {
    case "add":
      return old | bits;
    case "remove":
      return old & ~bits;
    case "replace":
      return bits;
  }
}

function combineKeywords(
  mailbox: MailboxState,
  change: { set: number; ids: readonly number[]; mode: FlagMode },
): number {
  const old = mailbox.keywordSets[change.set]!;
  switch (change.mode) {
    case "add":
      return change.ids.length === 0
        ? change.set
        : mailbox.internKeywordSet([...old, ...change.ids]);
    case "remove":
      return change.ids.length === 0
        ? change.set
        : mailbox.internKeywordSet(old.filter((id) => !change.ids.includes(id)));
    case "replace":
      return mailbox.internKeywordSet(change.ids);
  }
}

function expunge(context: Context, change: ChangeOf<"expunged">): void {
  const { unit } = context;
  const mailbox = mailboxOf(context.state, change.mailbox);
  const gone = rowsIn(mailbox, change.uids);
  const { history } = mailbox;
  history.reserve(gone.length);
  const columns = mailbox.rows.arrays;
  for (const row of gone) {
    const uid = columns.uid[row]!;
    const at = history.count++;
    history.arrays.uid[at] = uid;
    history.arrays.modseq[at] = unit.modseq;
    history.arrays.at[at] = Math.floor(unit.at / 1000);
    countRow(context, mailbox, {
      content: columns.message[row]!,
      flags: columns.flags[row]!,
      by: -1,
    });
    if (mailbox.uidls.size > 0) mailbox.uidls.delete(uid);
    for (const flags of mailbox.visitorFlags.values()) flags.delete(uid);
  }
  mailbox.rows.remove(gone);
  touch(mailbox, unit);
  trimHistory(mailbox, unit.at);
}

/**
 * Drops expunges that are older than `limits.expungeHistoryMs`, but for the last
 * `limits.expungeHistoryEntriesMin`; beyond `limits.expungeHistoryEntriesMax` also younger ones.
 * Works on a quarter of the history or not at all, so that its cost stays small.
 */
function trimHistory(mailbox: MailboxState, now: number): void {
  const { history } = mailbox;
  const spare = history.count - limits.expungeHistoryEntriesMin;
  if (spare <= 0) return;
  const { uid, modseq, at } = history.arrays;
  const cutoff = Math.max(0, Math.floor((now - limits.expungeHistoryMs) / 1000));
  const old = Math.min(spare, lowerBound(at, history.count, cutoff));
  const over = history.count - limits.expungeHistoryEntriesMax;
  const drop = over > 0 ? Math.max(old, over + (history.count >> 2)) : old;
  if (drop === 0 || drop * 4 < history.count) return;
  mailbox.historyFloor = modseq[drop - 1]!;
  // All entries of one modseq go together: the floor must not split a unit.
  const first = lowerBound(modseq, history.count, mailbox.historyFloor + 1);
  for (const column of [uid, modseq, at]) column.copyWithin(0, first, history.count);
  history.count -= first;
}

function changeVisitorFlags(context: Context, change: ChangeOf<"visitorFlagsChanged">): void {
  const mailbox = mailboxOf(context.state, change.mailbox);
  let flags = mailbox.visitorFlags.get(change.visitor);
  if (flags === undefined)
    mailbox.visitorFlags.set(change.visitor, (flags = new Map<number, number>()));
  for (const row of rowsIn(mailbox, change.uids)) {
    const uid = mailbox.rows.arrays.uid[row]!;
    const bits = combine(flags.get(uid) ?? 0, change.bits, change.mode);
    if (bits === 0) flags.delete(uid);
    else flags.set(uid, bits);
    mailbox.rows.arrays.modseq[row] = context.unit.modseq;
  }
  touch(mailbox, context.unit);
}

function addPack(state: AccountState, pack: PackAdded): void {
  state.packs.set(pack.number, {
    number: pack.number,
    name: pack.name,
    bytes: pack.bytes,
    fieldsStart: pack.fieldsStart,
    fieldsEnd: pack.fieldsEnd,
    liveBytes: 0,
    liveEntries: 0,
  });
  state.nextPack = Math.max(state.nextPack, pack.number + 1);
  if (pack.entries.length === 0) return;
  const entries = new Map<number, PackEntryPlace>();
  let least = Number.POSITIVE_INFINITY;
  let greatest = 0;
  for (const entry of pack.entries) {
    entries.set(entry.message, entry);
    if (entry.message < least) least = entry.message;
    if (entry.message > greatest) greatest = entry.message;
  }
  const { number } = state.messages.arrays;
  for (let row = 0; row < state.messages.count; row++) {
    const message = number[row]!;
    if (message < least || message > greatest) continue;
    const entry = entries.get(message);
    // A content that was released meanwhile has no row: its bytes are dead from the start.
    if (entry !== undefined) placeInPack(state, row, pack, entry);
  }
}

function placeInPack(
  state: AccountState,
  row: number,
  pack: PackAdded,
  entry: PackAdded["entries"][number],
): void {
  const columns = state.messages.arrays;
  leavePack(state, row);
  state.journaled.delete(row);
  columns.pack[row] = pack.number;
  columns.offset[row] = entry.offset;
  columns.length[row] = entry.length;
  columns.fieldsOffset[row] = entry.fieldsOffset;
  columns.fieldsLength[row] = entry.fieldsLength;
  const target = state.packs.get(pack.number)!;
  target.liveBytes += entry.length + entry.fieldsLength;
  target.liveEntries += 1;
}

function leavePack(state: AccountState, row: number): void {
  const columns = state.messages.arrays;
  const pack = state.packs.get(columns.pack[row]!);
  if (pack === undefined) return;
  pack.liveBytes -= columns.length[row]! + columns.fieldsLength[row]!;
  pack.liveEntries -= 1;
}

function releaseReference(state: AccountState, content: number): void {
  if ((state.messages.arrays.references[content]! -= 1) === 0) releaseContent(state, content);
}

function releaseContent(state: AccountState, row: number): void {
  leavePack(state, row);
  state.journaled.delete(row);
  const columns = state.messages.arrays;
  columns.number[row] = 0;
  columns.pack[row] = 0;
  columns.thread[row] = 0;
  columns.messageIdHash[row] = 0;
  state.freeRows.push(row);
}
