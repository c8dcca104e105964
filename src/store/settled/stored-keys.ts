import type { AccountId } from "#base/brand.ts";
import { FormatError } from "#base/bytes.ts";
import { limits } from "#base/limits.ts";
import { EnvelopeError } from "#objects/index.ts";
import { LinkColumn, TextColumn, type TextKey } from "../search/key-columns.ts";
import type { StoredKeys } from "../search/message-keys.ts";
import { SortedTexts } from "../search/sorted-texts.ts";
import {
  hashesOf,
  keysObject,
  type KeySection,
  keySections,
  numbersOf,
  textsOf,
} from "./keys-codec.ts";
import { objectKey } from "./names.ts";
import type { SettledContext } from "./read-sound.ts";
import { checkSection, directoryBytes, readDirectory } from "./snapshot-sections.ts";

type Places = ReturnType<typeof readDirectory>;

/**
 * Reads stored sort keys, each section when it is asked for. What cannot be read is undefined: keys
 * can always be made anew.
 */
export class KeysObject implements StoredKeys {
  readonly #context: SettledContext;
  readonly #id: AccountId;
  readonly #name: string;
  readonly #damaged: (text: string) => void;
  #places: Promise<Places> | undefined;

  /** @param damaged told, perhaps several times, of bytes that are not those that were written */
  constructor(
    context: SettledContext,
    object: { readonly id: AccountId; readonly name: string },
    damaged: (text: string) => void,
  ) {
    this.#context = context;
    this.#id = object.id;
    this.#name = object.name;
    this.#damaged = damaged;
  }

  text(key: TextKey): Promise<TextColumn | undefined> {
    return this.#read(["marks", key], ([marks, values]) => {
      const stored = { marks: numbersOf(marks!), values: numbersOf(values!) };
      return new TextColumn(key, stored);
    });
  }

  texts(key: TextKey): Promise<SortedTexts | undefined> {
    return this.#read(
      [`${key}Ends`, `${key}Texts`],
      ([ends, text]) => new SortedTexts(textsOf(ends!, text!)),
    );
  }

  links(): Promise<LinkColumn | undefined> {
    const names: KeySection[] = ["marks", "ids", "referencesAt", "references", "hashes"];
    return this.#read(names, ([marks, ids, referencesAt, references, hashes]) => {
      const rows = { marks: numbersOf(marks!), ids: numbersOf(ids!) };
      const all = { referencesAt: numbersOf(referencesAt!), references: numbersOf(references!) };
      return new LinkColumn({ ...rows, ...all, hashes: hashesOf(hashes!) });
    });
  }

  async #read<T>(
    names: readonly KeySection[],
    decode: (sections: readonly Uint8Array[]) => T,
  ): Promise<T | undefined> {
    for (let attempt = 0; ; attempt++)
      try {
        const places = await (this.#places ??= this.#directory());
        const numbers = names.map((name) => keySections.indexOf(name));
        return decode(await Promise.all(numbers.map((i) => this.#section(places, i))));
      } catch (error) {
        this.#places = undefined;
        if (!(error instanceof FormatError)) return undefined;
        // Lest a fault on the way is taken for damage.
        if (attempt === 0) continue;
        // What a newer Roost has written is of no use here, and that is all.
        if (!(error instanceof EnvelopeError) || error.fault === "damaged")
          this.#damaged(error.message);
        return undefined;
      }
  }

  async #directory(): Promise<Places> {
    const head = await this.#bytes(0, directoryBytes(keySections.length));
    const places = readDirectory(head, keysObject(this.#context.storeId));
    if (places.length !== keySections.length) throw new FormatError("Sort keys lack a section");
    return places;
  }

  async #section(places: Places, index: number): Promise<Uint8Array> {
    const place = places[index]!;
    const bytes = await this.#bytes(place.offset, place.length);
    checkSection(bytes, place);
    // Views of numbers need their natural alignment.
    return bytes.byteOffset % 8 === 0 ? bytes : Uint8Array.from(bytes);
  }

  async #bytes(offset: number, length: number): Promise<Uint8Array> {
    if (length === 0) return new Uint8Array(0);
    const { objects } = this.#context;
    const key = objectKey(this.#id, this.#name);
    if (objects.readSync !== undefined && length <= limits.keysReadAtOnceBytesMax) {
      const target = new Uint8Array(length);
      const count = objects.readSync(key, offset, target);
      if (count < 0) throw new Gone();
      return target.subarray(0, count);
    }
    const bytes = await objects.get(key, { offset, length });
    if (bytes === null) throw new Gone();
    return bytes;
  }
}

/** Somebody deleted it. */
class Gone extends Error {}
