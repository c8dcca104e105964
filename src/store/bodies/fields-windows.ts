import { FormatError, asBuffer } from "#base/bytes.ts";
import { limits } from "#base/limits.ts";
import type { ObjectStore } from "#objects/index.ts";
import type { PackState } from "../index/account-state.ts";
import { checkedFields, fieldsHeadBytes } from "./pack-codec.ts";

interface Window {
  readonly bytes: Buffer;
  /** Where they begin in the pack. */
  readonly at: number;
  /** What the next read in a row takes. */
  readonly ahead: number;
}

/**
 * Reads cached fields, a window of the pack's region of fields at a time. Windows grow while they
 * are asked for in a row, so FETCH ENVELOPE of a mailbox is a few large reads, and a single message
 * is a small one.
 */
export class FieldsWindows {
  readonly #objects: ObjectStore;
  /** The latest window of each pack, the least recently used forgotten first. */
  readonly #windows = new Map<PackState, Window>();
  #lastPack: PackState | undefined;
  #lastWindow: Window | undefined;

  constructor(objects: ObjectStore) {
    this.#objects = objects;
  }

  /**
   * Errors: `FormatError` where the bytes are not those that were written; what the objects throw.
   *
   * @param key of the pack's object
   */
  read(
    pack: PackState,
    key: () => string,
    range: { readonly offset: number; readonly length: number },
  ): Uint8Array | Promise<Uint8Array> {
    const { offset, length } = range;
    const known = pack === this.#lastPack ? this.#lastWindow : this.#windows.get(pack);
    if (known !== undefined && holds(known, range)) return checkedFields(known, offset, length);
    const start = offset - fieldsHeadBytes;
    const inRow =
      known !== undefined && start >= known.at && start <= known.at + known.bytes.length;
    const wished = inRow ? known.ahead : limits.fieldsWindowBytesMin;
    const size = Math.max(length + fieldsHeadBytes, Math.min(wished, pack.fieldsEnd - start));
    const ahead = Math.min(wished * 2, limits.fieldsWindowBytesMax);
    if (this.#objects.readSync !== undefined) {
      // A new array each time: views of the last one may still be on their way to a client.
      const target = Buffer.allocUnsafeSlow(size);
      const count = this.#objects.readSync(key(), start, target);
      return this.#take(
        pack,
        { bytes: target.subarray(0, Math.max(0, count)), at: start, ahead },
        range,
      );
    }
    return this.#objects.get(key(), { offset: start, length: size }).then((bytes) => {
      if (bytes === null) throw new FormatError("The pack is not there");
      return this.#take(pack, { bytes: asBuffer(bytes), at: start, ahead }, range);
    });
  }

  #take(
    pack: PackState,
    window: Window,
    range: { readonly offset: number; readonly length: number },
  ): Uint8Array {
    const fields = checkedFields(window, range.offset, range.length);
    this.#windows.delete(pack);
    this.#windows.set(pack, window);
    if (this.#windows.size > limits.fieldsWindowsMax)
      for (const oldest of this.#windows.keys()) {
        this.#windows.delete(oldest);
        break;
      }
    this.#lastPack = pack;
    this.#lastWindow = window;
    return fields;
  }
}

function holds(window: Window, range: { offset: number; length: number }): boolean {
  return (
    range.offset - fieldsHeadBytes >= window.at &&
    range.offset + range.length <= window.at + window.bytes.length
  );
}
