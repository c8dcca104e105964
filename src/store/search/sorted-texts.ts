import type { Rest } from "../slices.ts";

/** Texts that are sorted without a look at the time, and then merged. */
const runLength = 256;
/** Steps of a merge, or of any other walk, between two looks at the time. */
const stepsPerLook = 1_024;
/** Texts that a list of ranks is made of without a look at the time. */
const ranksPerLook = 65_536;

/** Texts as they are stored: one after the other in their order, the empty one first. */
export interface StoredTexts {
  readonly text: string;
  /** Where each of them ends in `text`. */
  readonly ends: Uint32Array;
}

export const noTexts: StoredTexts = { text: "", ends: new Uint32Array(1) };

/**
 * A set of texts that only grows: each has a number, and a rank among all of them. Those that were
 * stored have their ranks as numbers; the ranks of all are computed when they are asked for, and
 * extended when others have come. Number 0 is the empty text.
 *
 * Several commands may use one object at the same time: what is there stays as it is.
 */
export class SortedTexts {
  readonly #stored: StoredTexts;
  readonly #numbers = new Map<string, number>();
  readonly #fresh: string[] = [];
  #characters = 0;
  /** Numbers of the first texts, in the order of the texts, and the rank of each number. */
  #order: Uint32Array = new Uint32Array(0);
  #ranks: Uint32Array = new Uint32Array(0);

  constructor(stored: StoredTexts = noTexts) {
    this.#stored = stored;
  }

  /** How many texts there are. */
  get count(): number {
    return this.#stored.ends.length + this.#fresh.length;
  }

  /** Approximate memory, in bytes. */
  get bytes(): number {
    const { text, ends } = this.#stored;
    const lists = ends.byteLength + this.#order.byteLength * 2;
    return text.length + this.#characters + this.#numbers.size * 72 + lists;
  }

  textAt(number: number): string {
    const { text, ends } = this.#stored;
    if (number >= ends.length) return this.#fresh[number - ends.length]!;
    return text.slice(number === 0 ? 0 : ends[number - 1]!, ends[number]);
  }

  /** The number of a text that may be new. */
  numberOf(text: string): number {
    if (text === "") return 0;
    let number = this.#numbers.get(text);
    if (number !== undefined) return number;
    const count = this.#stored.ends.length;
    number = this.#storedFrom(text, 0);
    if (number === count || this.textAt(number) !== text) {
      number = count + this.#fresh.push(text) - 1;
      this.#characters += text.length;
    }
    this.#numbers.set(text, number);
    return number;
  }

  /** Number of the first stored text, from number `low` on, that is not below `text`. */
  #storedFrom(text: string, low: number): number {
    let high = this.#stored.ends.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.textAt(middle) < text) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Ranks by number, of all texts that are there when it is called; undefined: the numbers. */
  ranks(rest: Rest): Promise<Uint32Array> | undefined {
    return this.#fresh.length === 0 ? undefined : this.#extend(rest);
  }

  async #extend(rest: Rest): Promise<Uint32Array> {
    const { count } = this;
    const before = this.#order;
    if (before.length >= count) return this.#ranks;
    const stored = this.#stored.ends.length;
    const fresh = await this.#sorted(Math.max(before.length, stored), count, rest);
    const old = before.length > 0 ? before : ascending(stored);
    const order = await this.#inserted(old, fresh, rest);
    const ranks = new Uint32Array(count);
    for (let start = 0; start < count; start += ranksPerLook) {
      const end = Math.min(start + ranksPerLook, count);
      for (let rank = start; rank < end; rank++) ranks[order[rank]!] = rank;
      const pause = rest();
      if (pause !== undefined) await pause;
    }
    // Another command may have got further meanwhile.
    if (this.#order.length < count) {
      this.#order = order;
      this.#ranks = ranks;
    }
    return ranks;
  }

  /** The numbers of new texts from `from` to before `to` in the order of their texts. */
  async #sorted(from: number, to: number, rest: Rest): Promise<Uint32Array> {
    const base = this.#stored.ends.length;
    const texts = this.#fresh;
    let source = new Uint32Array(to - from);
    for (let start = from; start < to; start += runLength) {
      const end = Math.min(start + runLength, to);
      const run = Array.from({ length: end - start }, (_, i) => start + i);
      run.sort((a, b) => (texts[a - base]! < texts[b - base]! ? -1 : 1));
      source.set(run, start - from);
      const pause = rest();
      if (pause !== undefined) await pause;
    }
    let target = new Uint32Array(source.length);
    for (let width = runLength; width < source.length; width *= 2) {
      for (let start = 0; start < source.length; start += 2 * width)
        await this.#merge({ source, target, start, width }, rest);
      [source, target] = [target, source];
    }
    return source;
  }

  async #merge(
    run: { source: Uint32Array; target: Uint32Array; start: number; width: number },
    rest: Rest,
  ): Promise<void> {
    const base = this.#stored.ends.length;
    const texts = this.#fresh;
    const { source, target, start, width } = run;
    const middle = Math.min(start + width, source.length);
    const end = Math.min(start + 2 * width, source.length);
    let left = start;
    let right = middle;
    for (let at = start; at < end; at++) {
      const takeLeft =
        right >= end ||
        (left < middle && texts[source[left]! - base]! < texts[source[right]! - base]!);
      target[at] = takeLeft ? source[left++]! : source[right++]!;
      if ((at & (stepsPerLook - 1)) !== 0) continue;
      const pause = rest();
      if (pause !== undefined) await pause;
    }
  }

  /** Two ordered lists of numbers as one; cheap where the second is short. */
  async #inserted(old: Uint32Array, fresh: Uint32Array, rest: Rest): Promise<Uint32Array> {
    const merged = new Uint32Array(old.length + fresh.length);
    let from = 0;
    for (let i = 0; i < fresh.length; i++) {
      const text = this.textAt(fresh[i]!);
      let low = from;
      let high = old.length;
      while (low < high) {
        const middle = (low + high) >>> 1;
        if (this.textAt(old[middle]!) < text) low = middle + 1;
        else high = middle;
      }
      merged.set(old.subarray(from, low), from + i);
      merged[low + i] = fresh[i]!;
      from = low;
      if ((i & (stepsPerLook - 1)) !== 0) continue;
      const pause = rest();
      if (pause !== undefined) await pause;
    }
    merged.set(old.subarray(from), from + fresh.length);
    return merged;
  }
}

function ascending(count: number): Uint32Array {
  const order = new Uint32Array(count);
  for (let i = 0; i < count; i++) order[i] = i;
  return order;
}
