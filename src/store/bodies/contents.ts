import { Refusal } from "#base/assert.ts";
import { type Clock } from "#base/clock.ts";
import { FormatError } from "#base/bytes.ts";
import type { AccountId } from "#base/brand.ts";
import { crc32 } from "#base/crc.ts";
import { limits } from "#base/limits.ts";
import type { ObjectStore } from "#objects/index.ts";
import type { AccountState, PackState } from "../index/account-state.ts";
import type { Journal } from "../journal/journal.ts";
import { lendJournaled, readJournaled } from "../journaled-contents.ts";
import type { BodyReader, ContentReader } from "../ports.ts";
import { objectKey } from "../settled/names.ts";
import { Slices } from "../slices.ts";
import { BodyCache } from "./body-cache.ts";
import { StoredBodyReader } from "./body-reader.ts";
import { compressions, expandInto, restoreBody, restoreSmallBody } from "./compression.ts";
import { FieldsWindows } from "./fields-windows.ts";
import { decodeEntry, decodeEntryFrame } from "./pack-entry.ts";

export interface ContentsOptions {
  readonly journal: Journal;
  readonly objects: ObjectStore;
  readonly clock: Clock;
  /** Told of an object whose bytes are not those that were written. */
  readonly damaged: (account: AccountId, name: string, text: string) => void;
}

/** Reads contents from packs, and from the journal while they lie there. */
export class StoredContents implements ContentReader {
  readonly #options: ContentsOptions;
  readonly #windows: FieldsWindows;
  readonly #bodies = new BodyCache();
  /** What `lendBody` lends, made when it is first asked for. */
  #lentMemory: { readonly entry: Buffer; readonly body: Buffer } | undefined;
  #lastPack: PackState | undefined;
  #lastKey = "";

  constructor(options: ContentsOptions) {
    this.#options = options;
    this.#windows = new FieldsWindows(options.objects);
  }

  fields(state: AccountState, row: number): Uint8Array | Promise<Uint8Array> {
    const columns = state.messages.arrays;
    const number = columns.pack[row]!;
    if (number === 0) return readJournaled(this.#options.journal, { state, row, piece: "fields" });
    const pack = packOf(state, number);
    const range = { offset: columns.fieldsOffset[row]!, length: columns.fieldsLength[row]! };
    try {
      const fields = this.#windows.read(pack, () => objectKey(state.id, pack.name), range);
      if (fields instanceof Uint8Array) return fields;
      return fields.catch((error: unknown) => this.#refuse(state.id, pack, error));
    } catch (error) {
      return this.#refuse(state.id, pack, error);
    }
  }

  body(state: AccountState, row: number): Uint8Array | Promise<Uint8Array> {
    const columns = state.messages.arrays;
    const number = columns.pack[row]!;
    if (number === 0) return readJournaled(this.#options.journal, { state, row, piece: "body" });
    const pack = packOf(state, number);
    const place = {
      offset: columns.offset[row]!,
      length: columns.length[row]!,
      size: columns.size[row]!,
    };
    const key = this.#keyOf(state, pack);
    if (place.size >= limits.cachedBodyBytesMin) {
      const cached = this.#bodies.get(`${key}#${place.offset}`);
      if (cached !== undefined) return cached;
    }
    try {
      const body = this.#readBody(key, place);
      if (body instanceof Uint8Array) return body;
      return body.catch((error: unknown) => this.#refuse(state.id, pack, error));
    } catch (error) {
      return this.#refuse(state.id, pack, error);
    }
  }

  lendBody(state: AccountState, row: number): Uint8Array | undefined {
    const { objects } = this.#options;
    const columns = state.messages.arrays;
    const number = columns.pack[row]!;
    const length = columns.length[row]!;
    const size = columns.size[row]!;
    if (size > limits.lentBodyBytesMax || length > limits.lentBodyBytesMax) return undefined;
    if (number === 0) {
      const { journal } = this.#options;
      return lendJournaled(journal, { state, row }, this.#lent.body);
    }
    if (objects.readSync === undefined) return undefined;
    const pack = packOf(state, number);
    try {
      const entry = this.#lent.entry.subarray(0, length);
      const count = objects.readSync(this.#keyOf(state, pack), columns.offset[row]!, entry);
      if (count !== length) throw new FormatError("A pack entry is cut short");
      return lentBody(entry, { size, into: this.#lent.body });
    } catch (error) {
      return this.#refuse(state.id, pack, error);
    }
  }

  openBody(state: AccountState, row: number): Promise<BodyReader> | undefined {
    const columns = state.messages.arrays;
    const size = columns.size[row]!;
    const number = columns.pack[row]!;
    if (size <= limits.heldBodyBytesMax || number === 0) return undefined;
    const pack = packOf(state, number);
    const { objects, clock } = this.#options;
    const place = { offset: columns.offset[row]!, length: columns.length[row]!, size };
    const source = { objects, key: objectKey(state.id, pack.name), ...place };
    return StoredBodyReader.open(source, clock).catch((error: unknown) =>
      this.#refuse(state.id, pack, error),
    );
  }

  get #lent(): { readonly entry: Buffer; readonly body: Buffer } {
    return (this.#lentMemory ??= {
      entry: Buffer.allocUnsafeSlow(limits.lentBodyBytesMax),
      body: Buffer.allocUnsafeSlow(limits.lentBodyBytesMax + 1),
    });
  }

  /** Most reads are of the pack of the read before. */
  #keyOf(state: AccountState, pack: PackState): string {
    if (pack === this.#lastPack) return this.#lastKey;
    this.#lastPack = pack;
    return (this.#lastKey = objectKey(state.id, pack.name));
  }

  #readBody(key: string, place: BodyPlace): Uint8Array | Promise<Uint8Array> {
    const { objects } = this.#options;
    const { offset, length } = place;
    if (objects.readSync !== undefined) {
      const target = Buffer.allocUnsafeSlow(length);
      const count = objects.readSync(key, offset, target);
      return this.#bodyOf(key, place, target.subarray(0, Math.max(0, count)));
    }
    return objects.get(key, { offset, length }).then((bytes) => {
      if (bytes === null) throw new FormatError("The pack is not there");
      return this.#bodyOf(key, place, bytes);
    });
  }

  #bodyOf(key: string, place: BodyPlace, bytes: Uint8Array): Uint8Array | Promise<Uint8Array> {
    const entry = decodeEntry(bytes);
    if (entry.rawLength !== place.size)
      throw new FormatError("A pack entry belongs to another message");
    if (entry.compression === compressions.blocks)
      return restoreBody(entry, new Slices(this.#options.clock)).then((body) => {
        this.#bodies.set(`${key}#${place.offset}`, body);
        return body;
      });
    const body = restoreSmallBody(entry);
    // What is short or was not compressed is as quickly read again: the system caches it.
    if (entry.compression !== compressions.plain && place.size >= limits.cachedBodyBytesMin)
      this.#bodies.set(`${key}#${place.offset}`, body);
    return body;
  }

  #refuse(account: AccountId, pack: PackState, error: unknown): never {
    if (error instanceof FormatError) {
      this.#options.damaged(account, pack.name, error.message);
      throw new Refusal("CORRUPTION", "The message cannot be read: it is damaged in the store", {
        cause: error,
      });
    }
    if (error instanceof Refusal) throw error;
    throw new Refusal("UNAVAILABLE", "The message cannot be read now", { cause: error });
  }
}

interface BodyPlace {
  readonly offset: number;
  readonly length: number;
  /** RFC822.SIZE */
  readonly size: number;
}

/** The message in an entry, undefined where it was stored in blocks. Errors: `FormatError`. */
function lentBody(
  entry: Buffer,
  { size, into }: { size: number; into: Buffer },
): Uint8Array | undefined {
  const frame = decodeEntryFrame(entry);
  if (frame.rawLength !== size) throw new FormatError("A pack entry belongs to another message");
  if (frame.compression === compressions.blocks) return undefined;
  const end = frame.headerLength + frame.storedLength;
  if (end > entry.length) throw new FormatError("A stored body is cut short");
  const stored = entry.subarray(frame.headerLength, end);
  // What was read is what was written: then the frame expands to what was compressed.
  if (crc32(stored) !== frame.storedCrc) throw new FormatError("A body does not fit its checksum");
  if (frame.compression === compressions.zstd) return expandInto(stored, size, into);
  if (stored.length !== size) throw new FormatError("A body has another length than it had");
  return stored;
}

function packOf(state: AccountState, number: number): PackState {
  const pack = state.packs.get(number);
  if (pack === undefined) throw new Refusal("CORRUPTION", "The message's pack is not known");
  return pack;
}
