import type { Session } from "../session.ts";

/** Texts that are sorted without a pause, and then merged. */
const runLength = 2_048;
/** Steps of a merge, or of any other walk, between two looks at the time. */
const stepsPerLook = 8_192;

/**
 * A set of texts that only grows: each has a number, in the order of their arrival, and a rank among
 * all of them, which is computed when it is asked for and extended when others have come.
 *
 * Several commands may use one object at the same time: what is there stays as it is.
 */
export class OrderedTexts {
  readonly #numbers = new Map<string, number>();
  readonly #texts: string[] = [];
  #characters = 0;
  /** Numbers of the first texts, in the order of the texts, and the rank of each number. */
  #order: Uint32Array = new Uint32Array(0);
  #ranks: Uint32Array = new Uint32Array(0);

  constructor() {
    this.numberOf("");
  }

  /** The number of a text that may be new; 0 for the empty one. */
  numberOf(text: string): number {
    let number = this.#numbers.get(text);
    if (number === undefined) {
      number = this.#texts.push(text) - 1;
      this.#numbers.set(text, number);
      this.#characters += text.length;
    }
    return number;
  }

  /** How many texts there are. */
  get count(): number {
    return this.#texts.length;
  }

  /** Approximate memory, in bytes. */
  get bytes(): number {
    return this.#characters + this.#texts.length * 72 + this.#order.byteLength * 2;
  }

  /** Ranks by number, of all texts that are there when it is called. */
  async ranks(session: Session): Promise<Uint32Array> {
    const count = this.#texts.length;
    const before = this.#order;
    if (before.length >= count) return this.#ranks;
    const fresh = await this.#sorted(session, before.length, count);
    const order = await this.#inserted(session, before, fresh);
    const ranks = new Uint32Array(count);
    for (let rank = 0; rank < count; rank++) ranks[order[rank]!] = rank;
    // Another command may have got further meanwhile.
    if (this.#order.length < count) {
      this.#order = order;
      this.#ranks = ranks;
    }
    return ranks;
  }

  /** The numbers from `from` to before `to` in the order of their texts. */
  async #sorted(session: Session, from: number, to: number): Promise<Uint32Array> {
    const texts = this.#texts;
    let source = new Uint32Array(to - from);
    for (let start = from; start < to; start += runLength) {
      const end = Math.min(start + runLength, to);
      const run = Array.from({ length: end - start }, (_, i) => start + i);
      run.sort((a, b) => (texts[a]! < texts[b]! ? -1 : 1));
      source.set(run, start - from);
      const pause = session.pause();
      if (pause !== undefined) await pause;
    }
    let target = new Uint32Array(source.length);
    for (let width = runLength; width < source.length; width *= 2) {
      for (let start = 0; start < source.length; start += 2 * width)
        await this.#merge(session, { source, target, start, width });
      [source, target] = [target, source];
    }
    return source;
  }

  async #merge(
    session: Session,
    run: { source: Uint32Array; target: Uint32Array; start: number; width: number },
  ): Promise<void> {
    const texts = this.#texts;
    const { source, target, start, width } = run;
    const middle = Math.min(start + width, source.length);
    const end = Math.min(start + 2 * width, source.length);
    let left = start;
    let right = middle;
    for (let at = start; at < end; at++) {
      const takeLeft =
        right >= end || (left < middle && texts[source[left]!]! < texts[source[right]!]!);
      target[at] = takeLeft ? source[left++]! : source[right++]!;
      if ((at & (stepsPerLook - 1)) !== 0) continue;
      const pause = session.pause();
      if (pause !== undefined) await pause;
    }
  }

  /** Two ordered lists of numbers as one; cheap where the second is short. */
  async #inserted(session: Session, old: Uint32Array, fresh: Uint32Array): Promise<Uint32Array> {
    if (old.length === 0) return fresh;
    const texts = this.#texts;
    const merged = new Uint32Array(old.length + fresh.length);
    let from = 0;
    for (let i = 0; i < fresh.length; i++) {
      const text = texts[fresh[i]!]!;
      let low = from;
      let high = old.length;
      while (low < high) {
        const middle = (low + high) >>> 1;
        if (texts[old[middle]!]! < text) low = middle + 1;
        else high = middle;
      }
      merged.set(old.subarray(from, low), from + i);
      merged[low + i] = fresh[i]!;
      from = low;
      if ((i & (stepsPerLook - 1)) !== 0) continue;
      const pause = session.pause();
      if (pause !== undefined) await pause;
    }
    merged.set(old.subarray(from), from + fresh.length);
    return merged;
  }
}
