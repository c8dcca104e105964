import { Refusal } from "#base/assert.ts";
import type { Epoch } from "#base/brand.ts";
import { FormatError, asBuffer } from "#base/bytes.ts";
import { crc32 } from "#base/crc.ts";
import { limits } from "#base/limits.ts";
import type { Random } from "#base/random.ts";
import { putKnown } from "#objects/index.ts";
import { compressions, plainBody, storeBody } from "../bodies/compression.ts";
import { PackWriter, checkedFields } from "../bodies/pack-codec.ts";
import { type EntryInfo, type EntryPlace, decodeEntry } from "../bodies/pack-entry.ts";
import type { AccountState, JournaledContent, PackState } from "../index/account-state.ts";
import type { PackAdded } from "../index/change.ts";
import type { Journal } from "../journal/journal.ts";
import { readJournaled } from "../journaled-contents.ts";
import { Slices } from "../slices.ts";
import { objectKey, objectName } from "./names.ts";
import type { SettledContext } from "./read-sound.ts";
import type { SettledObjects } from "./settled-objects.ts";

/** What writing an account's objects needs. */
export interface SettleContext extends SettledContext {
  readonly journal: Journal;
  readonly random: Random;
  readonly epoch: Epoch;
  /** Messages of an account whose sort keys are stored, and that may be missing there. */
  readonly storedKeysMessagesMin: number;
}

/** A row that is to be written into a pack; rows may be given anew while others work. */
interface Chosen {
  readonly row: number;
  readonly number: number;
}

/**
 * Puts durable contents that lie in the journal into a pack of at most `limits.packWriteBytesMax`.
 * Undefined where there are none.
 *
 * @param of `before`: number of the first message that is left to the next settling
 */
export async function packJournaled(
  context: SettleContext,
  state: AccountState,
  of: { readonly settled: SettledObjects; readonly before: number },
): Promise<PackAdded | undefined> {
  const { settled, before } = of;
  const { number, size, fieldsLength } = state.messages.arrays;
  const chosen: (Chosen & { readonly content: JournaledContent })[] = [];
  let bytes = 0;
  for (const [row, content] of state.journaled) {
    if (content.address.place === undefined || settled.unreadable.has(content)) continue;
    if (number[row]! >= before) continue;
    bytes += size[row]! + fieldsLength[row]!;
    if (bytes > limits.packWriteBytesMax && chosen.length > 0) break;
    chosen.push({ row, number: number[row]!, content });
  }
  if (chosen.length === 0) return undefined;
  const places = placesOf(state, chosen);
  const writer = new PackWriter(context.storeId, "pack");
  const slices = new Slices(context.clock);
  for (const { row, number, content } of chosen) {
    if (state.journaled.get(row) !== content) continue;
    const info = infoOf(state, row, places.get(row)!);
    try {
      const fields = await readJournaled(context.journal, { state, row, piece: "fields" });
      if (state.journaled.get(row) !== content) continue;
      const body = await readJournaled(context.journal, { state, row, piece: "body" });
      // New mail is read soon and often, so it stays as it is until its pack is merged with others.
      writer.add(info, plainBody(body, content.bodyCrc), fields);
    } catch (error) {
      if (!(error instanceof Refusal) || error.code !== "CORRUPTION") throw error;
      settled.unreadable.add(content);
      const text = `message ${number} (${whereOf(info)}) cannot be read: ${error.message}`;
      context.report({ account: state.id, object: "journal", text, outcome: "lost" });
    }
    await slices.rest();
  }
  return writer.count === 0 ? undefined : putPack(context, state, writer);
}

/** Writes the live messages of packs into one new pack. Undefined where nothing could be read. */
export async function rewritePacks(
  context: SettleContext,
  state: AccountState,
  of: { readonly packs: readonly PackState[]; readonly settled: SettledObjects },
): Promise<PackAdded | undefined> {
  const writer = new PackWriter(context.storeId, "pack");
  const slices = new Slices(context.clock);
  for (const pack of of.packs) {
    const bytes = await context.objects.get(objectKey(state.id, pack.name));
    const columns = state.messages.arrays;
    const chosen: Chosen[] = [];
    for (let row = 0; row < state.messages.count; row++)
      if (columns.pack[row] === pack.number && columns.number[row] !== 0)
        chosen.push({ row, number: columns.number[row]! });
    chosen.sort((a, b) => columns.offset[a.row]! - columns.offset[b.row]!);
    const places = placesOf(state, chosen);
    for (const { row, number } of chosen) {
      const current = state.messages.arrays;
      if (current.number[row] !== number || current.pack[row] !== pack.number) continue;
      try {
        if (bytes === null) throw new FormatError("The pack is missing");
        await copyEntry(writer, { state, row, bytes, places: places.get(row)! }, slices);
      } catch (error) {
        if (!(error instanceof FormatError)) throw error;
        // The entry stays where it is, and the pack with it.
        of.settled.unreadable.add(pack.name);
        const text = `${error.message} (message ${number})`;
        context.report({ account: state.id, object: pack.name, text, outcome: "found" });
      }
      await slices.rest();
    }
  }
  return writer.count === 0 ? undefined : putPack(context, state, writer);
}

/** Copies a message to a new pack; one that was stored as it is gets compressed where it pays. */
async function copyEntry(
  writer: PackWriter,
  from: { state: AccountState; row: number; bytes: Uint8Array; places: readonly EntryPlace[] },
  slices: Slices,
): Promise<void> {
  const { state, row, places } = from;
  const columns = state.messages.arrays;
  const bytes = asBuffer(from.bytes);
  const offset = columns.offset[row]!;
  const entry = decodeEntry(bytes.subarray(offset, offset + columns.length[row]!));
  if (crc32(entry.stored) !== entry.storedCrc || entry.rawLength !== columns.size[row])
    throw new FormatError("A stored body does not fit its checksum");
  const window = { bytes, at: 0 };
  const fields = checkedFields(window, columns.fieldsOffset[row]!, columns.fieldsLength[row]!);
  const info = infoOf(state, row, places);
  const isPlain = entry.compression === compressions.plain;
  writer.add(info, isPlain ? await storeBody(entry.stored, entry.rawCrc, slices) : entry, fields);
}

async function putPack(
  context: SettleContext,
  state: AccountState,
  writer: PackWriter,
): Promise<PackAdded> {
  const { objects, random, epoch } = context;
  const { pieces, added } = await writer.finish(new Slices(context.clock));
  const name = objectName({ kind: "pack", epoch, sequence: state.nextPack }, random);
  await putKnown(objects, objectKey(state.id, name), pieces);
  return { number: state.nextPack, name, ...added };
}

function infoOf(state: AccountState, row: number, places: readonly EntryPlace[]): EntryInfo {
  const columns = state.messages.arrays;
  return {
    message: columns.number[row]!,
    internalDate: columns.internalDate[row]!,
    sentDate: columns.sentDate[row]!,
    thread: columns.thread[row]!,
    messageIdHash: columns.messageIdHash[row]!,
    places,
  };
}

function whereOf(info: EntryInfo): string {
  return info.places.map(({ name, uid }) => `${name} uid ${uid}`).join(", ");
}

/** In which mailboxes the chosen messages lie, at most `limits.packEntryPlacesMax` of each. */
function placesOf(state: AccountState, chosen: readonly Chosen[]): Map<number, EntryPlace[]> {
  const places = new Map<number, EntryPlace[]>();
  const wanted = new Uint8Array(state.messages.count);
  for (const { row } of chosen) {
    wanted[row] = 1;
    places.set(row, []);
  }
  for (const mailbox of state.mailboxes.values()) {
    const { message, uid, flags, savedAt } = mailbox.rows.arrays;
    for (let row = 0; row < mailbox.count; row++) {
      const content = message[row]!;
      if (wanted[content] === 0) continue;
      const list = places.get(content)!;
      if (list.length >= limits.packEntryPlacesMax) continue;
      list.push({
        mailbox: mailbox.number,
        name: mailbox.name,
        uidValidity: mailbox.uidValidity,
        uid: uid[row]!,
        bits: flags[row]!,
        keywords: mailbox.keywordsOf(row),
        savedAt: savedAt[row]!,
        uidl: mailbox.uidls.get(uid[row]!) ?? "",
      });
    }
  }
  return places;
}
