import type { Random } from "#base/random.ts";
import { latin1 } from "#base/bytes.ts";
import { limits } from "#base/limits.ts";
import { HashChains, mixHash } from "./hash-chains.ts";
import { RowSpace } from "./row-space.ts";
import type { Slab } from "./slab.ts";

/**
 * Numbers for texts that many rows share (account ids, addresses), counted by their users and kept
 * outside of the object graph. A text has at most `limits.internedTextBytesMax` characters, each
 * below U+0100. Number 0 is no text.
 */
export class InternedTexts {
  readonly #space: RowSpace;
  readonly #chains: HashChains;
  readonly #places: Uint32Array;
  readonly #lengths: Uint8Array;
  readonly #users: Uint32Array;
  /** Another count beside that of the users, for whoever needs one. */
  readonly tallies: Uint32Array;
  readonly #slab: Slab;
  readonly #seed: number;
  readonly #scratch = Buffer.alloc(limits.internedTextBytesMax);

  constructor(parts: { textsMax: number; slab: Slab; random: Random }) {
    this.#space = new RowSpace(parts.textsMax);
    this.#chains = new HashChains(this.#space);
    this.#places = this.#space.words();
    this.#lengths = this.#space.octets();
    this.#users = this.#space.words();
    this.tallies = this.#space.words();
    this.#slab = parts.slab;
    this.#seed = parts.random.below(0x1_0000_0000);
  }

  get bytes(): number {
    return this.#space.bytes;
  }

  /** The number of a text, if somebody uses it; 0 otherwise. */
  find(text: string): number {
    if (!fits(text)) return 0;
    const bytes = this.#write(text);
    return this.#find(bytes, this.#hash(bytes));
  }

  /** The number of a text for one more user; 0 where it is too long or there is no room. */
  enter(text: string): number {
    if (!fits(text)) return 0;
    const bytes = this.#write(text);
    const hash = this.#hash(bytes);
    let number = this.#find(bytes, hash);
    if (number === 0) number = this.#add(bytes, hash);
    if (number !== 0) this.#users[number]!++;
    return number;
  }

  leave(number: number): void {
    if (--this.#users[number]! > 0) return;
    this.#chains.remove(number);
    this.#slab.give(this.#places[number]!);
    this.#space.give(number);
  }

  text(number: number): string {
    return latin1(this.#view(number));
  }

  #view(number: number): Uint8Array {
    return this.#slab.view(this.#places[number]!, this.#lengths[number]!);
  }

  #write(text: string): Buffer {
    return this.#scratch.subarray(0, this.#scratch.write(text, "latin1"));
  }

  #find(bytes: Buffer, hash: number): number {
    let number = this.#chains.first(hash);
    while (number !== 0 && !bytes.equals(this.#view(number)))
      number = this.#chains.next(number, hash);
    return number;
  }

  #add(bytes: Buffer, hash: number): number {
    const place = this.#slab.take(bytes.length);
    if (place === undefined) return 0;
    const number = this.#space.take();
    if (number === 0) {
      this.#slab.give(place);
      return 0;
    }
    this.#slab.view(place, bytes.length).set(bytes);
    this.#places[number] = place;
    this.#lengths[number] = bytes.length;
    this.#users[number] = 0;
    this.tallies[number] = 0;
    this.#chains.insert(number, hash);
    return number;
  }

  #hash(bytes: Buffer): number {
    let hash = this.#seed;
    for (let i = 0; i < bytes.length; i++) hash = mixHash(bytes[i]!, i, hash);
    return hash;
  }
}

/** No more than a byte for each character: what is cut off would make two texts one. */
function fits(text: string): boolean {
  return text.length <= limits.internedTextBytesMax && !/[^\0-\xff]/.test(text);
}
