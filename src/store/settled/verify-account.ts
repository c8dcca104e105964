import { Refusal } from "#base/assert.ts";
import { FormatError, asBuffer } from "#base/bytes.ts";
import { crc32 } from "#base/crc.ts";
import { putKnown } from "#objects/index.ts";
import { encodeCachedFields, parseMessage } from "#message/index.ts";
import { restoreBody } from "../bodies/compression.ts";
import {
  type PackTable,
  PackWriter,
  checkedFields,
  decodePackTable,
} from "../bodies/pack-codec.ts";
import { type PackEntry, decodeEntry } from "../bodies/pack-entry.ts";
import type { AccountState, PackState } from "../index/account-state.ts";
import { differenceOf } from "../index/difference.ts";
import { recount } from "../index/recount.ts";
import { readJournaled } from "../journaled-contents.ts";
import { Slices } from "../slices.ts";
import type { Damage } from "./damage.ts";
import { decodeDelta } from "./delta-codec.ts";
import { decodeHead } from "./head-codec.ts";
import { checkKeys } from "./keys-codec.ts";
import { loadAccount } from "./load.ts";
import { accountFolder, objectKey, objectName, parseObjectName } from "./names.ts";
import { Unsound, listNames, readSound } from "./read-sound.ts";
import type { SettleTarget } from "./settle-account.ts";
import { noteDamaged } from "./settled-objects.ts";
import { decodeSnapshot } from "./snapshot-codec.ts";
import type { SettleContext } from "./write-packs.ts";

/** What is wrong with one message in a pack. */
interface BadEntry {
  readonly number: number;
  readonly part: "body" | "fields";
  readonly text: string;
}

/** Checks one account, and salvages what is damaged. */
export class VerifyingAccount {
  readonly #context: SettleContext;
  readonly #target: SettleTarget;
  readonly #slices: Slices;
  readonly damages: Damage[] = [];
  objects = 0;
  bytes = 0;
  messages = 0;
  /** Names of heads, snapshots and deltas that cannot be read. */
  readonly #unsound = new Set<string>();
  /** Names of packs with something wrong in them. */
  readonly #badPacks = new Set<string>();

  constructor(context: SettleContext, target: SettleTarget) {
    this.#context = context;
    this.#target = target;
    this.#slices = new Slices(context.clock);
  }

  /** Reads everything. Errors: `Refusal` UNAVAILABLE where it cannot be read now. */
  async check(checked: () => void): Promise<void> {
    const { state } = this.#target.account;
    const names = await listNames(this.#context.objects, accountFolder(state.id));
    const present = new Set(names);
    for (const name of names) {
      if (!state.dropped.has(name)) await this.#checkObject(name);
      checked();
    }
    for (const { name } of state.packs.values())
      if (!present.has(name) && !(await this.#exists(name))) {
        this.#badPacks.add(name);
        this.#found(name, "is missing");
      }
    await this.#checkJournaled();
    await this.#checkMemory();
    this.messages = state.rowCount;
  }

  async #exists(name: string): Promise<boolean> {
    const key = objectKey(this.#target.account.state.id, name);
    return (await this.#context.objects.get(key, { offset: 0, length: 1 })) !== null;
  }

  #found(object: string, text: string): void {
    const account = this.#target.account.state.id;
    this.damages.push({ account, object, text, outcome: "found" });
  }

  async #checkObject(name: string): Promise<void> {
    const { id } = this.#target.account.state;
    const { storeId } = this.#context;
    const kind = parseObjectName(name)?.kind;
    if (kind === undefined) return;
    try {
      await readSound(this.#context, id, name, (bytes) => {
        switch (kind) {
          case "head":
            decodeHead(bytes, { id, storeId });
            break;
          case "snapshot":
            decodeSnapshot(bytes, { id, storeId });
            break;
          case "delta": {
            const { damage } = decodeDelta(bytes, { id, storeId });
            if (damage !== undefined) throw damage;
            break;
          }
          case "keys":
            checkKeys(bytes, storeId);
            break;
          case "pack":
          case "body":
            decodePackTable(bytes, storeId);
        }
        this.objects++;
        this.bytes += bytes.length;
      });
    } catch (error) {
      if (!(error instanceof Unsound)) throw error;
      // Deleted in the meantime is not damaged.
      if (error.message === "is missing") return;
      (kind === "pack" || kind === "body" ? this.#badPacks : this.#unsound).add(name);
      this.#found(name, error.message);
      return;
    }
    if (kind === "pack" || kind === "body") await this.#checkPack(name);
  }

  async #checkPack(name: string): Promise<void> {
    const { state } = this.#target.account;
    const bytes = await this.#context.objects.get(objectKey(state.id, name));
    if (bytes === null) return;
    for (const { number, part, text } of await this.#badEntries(bytes)) {
      this.#badPacks.add(name);
      this.#found(name, `${part} of message ${number}: ${text}`);
    }
    const pack = [...state.packs.values()].find((known) => known.name === name);
    if (pack === undefined) return;
    for (const text of misplacedRows(state, pack, decodePackTable(bytes, this.#context.storeId))) {
      this.#badPacks.add(name);
      this.#found(name, text);
    }
  }

  async #badEntries(bytes: Uint8Array): Promise<BadEntry[]> {
    const bad: BadEntry[] = [];
    const window = { bytes: asBuffer(bytes), at: 0 };
    for (const place of decodePackTable(bytes, this.#context.storeId).entries) {
      const { message: number, offset, length } = place;
      try {
        await this.#bodyOf(decodeEntry(bytes.subarray(offset, offset + length)));
      } catch (error) {
        if (!(error instanceof FormatError)) throw error;
        bad.push({ number, part: "body", text: error.message });
      }
      try {
        checkedFields(window, place.fieldsOffset, place.fieldsLength);
      } catch (error) {
        if (!(error instanceof FormatError)) throw error;
        bad.push({ number, part: "fields", text: error.message });
      }
      await this.#slices.rest();
    }
    return bad;
  }

  #bodyOf(entry: PackEntry): Promise<Uint8Array> {
    if (crc32(entry.stored) !== entry.storedCrc)
      throw new FormatError("A stored body does not fit its checksum");
    return restoreBody(entry, this.#slices);
  }

  async #checkJournaled(): Promise<void> {
    const { state } = this.#target.account;
    const { journal } = this.#context;
    for (const [row, content] of [...state.journaled]) {
      if (state.journaled.get(row) !== content) continue;
      const number = state.messages.arrays.number[row]!;
      try {
        await readJournaled(journal, { state, row, piece: "fields" });
        if (state.journaled.get(row) === content)
          await readJournaled(journal, { state, row, piece: "body" });
      } catch (error) {
        if (!(error instanceof Refusal) || error.code !== "CORRUPTION") throw error;
        if (state.journaled.get(row) === content)
          this.#found("journal", `message ${number}: ${error.message}`);
      }
      await this.#slices.rest();
    }
  }

  /** What a restart would read is compared with what is in memory. */
  async #checkMemory(): Promise<void> {
    const { account, tail } = this.#target;
    const { state } = account;
    await account.durable();
    if (account.durable() !== undefined) return;
    const { generation } = state;
    const quiet = { ...this.#context, report: () => {} };
    const loaded = await loadAccount(quiet, { id: state.id, tail: [...tail.units] });
    // It changed meanwhile: then there is nothing to compare.
    if (state.generation !== generation || account.durable() !== undefined) return;
    if (loaded.restored) return;
    const difference = differenceOf(state, loaded.state);
    if (difference !== undefined) {
      this.#found("account", `memory is not what was stored: ${difference}`);
      return;
    }
    recount(loaded.state);
    const miscounted = differenceOf(state, loaded.state);
    if (miscounted !== undefined) this.#found("account", `counters are wrong: ${miscounted}`);
  }

  /**
   * Writes messages of damaged packs anew: cached fields from the message, a message from another
   * pack that has it. Marks damaged objects so that the next settling keeps copies and drops them.
   */
  async salvage(target: SettleTarget): Promise<void> {
    const { settled, account } = target;
    const { state } = account;
    for (const name of this.#unsound) noteDamaged(settled, name);
    for (const name of this.#badPacks) {
      const pack = [...state.packs.values()].find((known) => known.name === name);
      if (pack !== undefined) await this.#salvagePack(target, pack);
      noteDamaged(settled, name);
    }
  }

  async #salvagePack(target: SettleTarget, pack: PackState): Promise<void> {
    const { state } = target.account;
    const { storeId, objects, random, epoch } = this.#context;
    const writer = new PackWriter(storeId, "pack");
    const rows: number[] = [];
    for (let row = 0; row < state.messages.count; row++)
      if (
        state.messages.arrays.number[row] !== 0 &&
        state.messages.arrays.pack[row] === pack.number
      )
        rows.push(row);
    const bytes = await objects.get(objectKey(state.id, pack.name));
    for (const row of rows) {
      const columns = state.messages.arrays;
      const number = columns.number[row]!;
      const offset = columns.offset[row]!;
      const stored = bytes?.subarray(offset, offset + columns.length[row]!);
      const size = columns.size[row]!;
      const sound =
        (await this.#soundEntry(stored, size)) ?? (await this.#otherCopy(state, number, size));
      if (sound === undefined) {
        this.#lost(state, pack, row);
        continue;
      }
      const fields = encodeCachedFields(parseMessage(sound.body));
      writer.add({ ...sound.entry, message: number }, sound.entry, fields);
      await this.#slices.rest();
    }
    if (writer.count === 0) return;
    const { pieces, added } = await writer.finish(this.#slices);
    const name = objectName({ kind: "pack", epoch, sequence: state.nextPack }, random);
    await putKnown(objects, objectKey(state.id, name), pieces);
    const record = { number: state.nextPack, name, ...added };
    await target.account.record([{ kind: "packAdded", pack: record }]);
  }

  async #soundEntry(
    bytes: Uint8Array | undefined,
    size: number,
  ): Promise<{ entry: PackEntry; body: Uint8Array } | undefined> {
    if (bytes === undefined) return undefined;
    try {
      const entry = decodeEntry(bytes);
      if (entry.rawLength !== size) return undefined;
      return { entry, body: await this.#bodyOf(entry) };
    } catch (error) {
      if (error instanceof FormatError) return undefined;
      throw error;
    }
  }

  /** Packs that were rewritten are kept for a while: they may have what the new one lost. */
  async #otherCopy(
    state: AccountState,
    number: number,
    size: number,
  ): Promise<{ entry: PackEntry; body: Uint8Array } | undefined> {
    const { objects, storeId } = this.#context;
    for (const name of await listNames(objects, accountFolder(state.id))) {
      if (parseObjectName(name)?.kind !== "pack") continue;
      const bytes = await objects.get(objectKey(state.id, name));
      try {
        if (bytes === null) continue;
        const place = decodePackTable(bytes, storeId).entries.find(
          ({ message }) => message === number,
        );
        if (place === undefined) continue;
        const { offset, length } = place;
        const sound = await this.#soundEntry(bytes.subarray(offset, offset + length), size);
        if (sound !== undefined) return sound;
      } catch (error) {
        if (!(error instanceof FormatError)) throw error;
      }
    }
    return undefined;
  }

  #lost(state: AccountState, pack: PackState, content: number): void {
    const where: string[] = [];
    for (const mailbox of state.mailboxes.values()) {
      const { message, uid } = mailbox.rows.arrays;
      for (let row = 0; row < mailbox.count; row++)
        if (message[row] === content) where.push(`${mailbox.name} uid ${uid[row]}`);
    }
    const text = `the message at ${where.join(", ")} cannot be read any more; its flags are kept`;
    this.damages.push({ account: state.id, object: pack.name, text, outcome: "lost" });
  }
}

/** Rows that refer to what is not in the table of their pack. */
function* misplacedRows(state: AccountState, pack: PackState, table: PackTable): Generator<string> {
  const byOffset = new Map(table.entries.map((entry) => [entry.offset, entry]));
  const columns = state.messages.arrays;
  for (let row = 0; row < state.messages.count; row++) {
    const number = columns.number[row]!;
    if (number === 0 || columns.pack[row] !== pack.number) continue;
    const entry = byOffset.get(columns.offset[row]!);
    const fits =
      entry !== undefined &&
      entry.length === columns.length[row] &&
      entry.fieldsOffset === columns.fieldsOffset[row] &&
      entry.fieldsLength === columns.fieldsLength[row] &&
      (entry.message === number || entry.message === 0);
    if (!fits) yield `message ${number} is not where the account says`;
  }
}
