import { lowerBound } from "#store/index.ts";
import type { Session } from "../session.ts";
import { inSteps } from "./in-steps.ts";

const digitBits = 12;
const digits = 1 << digitBits;

/**
 * Orders `order`, indexes into `keys`, by their keys; equal ones keep their order. A radix sort from
 * the least significant digit, which lets others work in between.
 */
export async function stableOrder(
  session: Session,
  order: Uint32Array,
  keys: Uint32Array,
): Promise<Uint32Array> {
  const highest = await highestOf(session, keys);
  let source = order;
  let target: Uint32Array = new Uint32Array(order.length);
  for (let shift = 0; shift < 32 && highest >>> shift > 0; shift += digitBits) {
    const next = new Uint32Array(digits + 1);
    const pass = { source, target, keys, shift, next };
    await inSteps(session, source.length, (start, end) => countDigits(pass, start, end));
    for (let digit = 1; digit <= digits; digit++) next[digit]! += next[digit - 1]!;
    await inSteps(session, source.length, (start, end) => distribute(pass, start, end));
    [source, target] = [target, source === order ? new Uint32Array(order.length) : source];
  }
  return source;
}

/** One pass over one digit of the keys. */
interface Pass {
  readonly source: Uint32Array;
  readonly target: Uint32Array;
  readonly keys: Uint32Array;
  readonly shift: number;
  /** Counts of the digits before each; then where the next index with a digit goes. */
  readonly next: Uint32Array;
}

function countDigits({ source, keys, shift, next }: Pass, start: number, end: number): void {
  for (let i = start; i < end; i++) next[((keys[source[i]!]! >>> shift) & (digits - 1)) + 1]! += 1;
}

function distribute({ source, target, keys, shift, next }: Pass, start: number, end: number): void {
  for (let i = start; i < end; i++) {
    const index = source[i]!;
    const digit = (keys[index]! >>> shift) & (digits - 1);
    target[next[digit]!] = index;
    next[digit]! += 1;
  }
}

async function highestOf(session: Session, keys: Uint32Array): Promise<number> {
  let highest = 0;
  await inSteps(session, keys.length, (start, end) => {
    for (let i = start; i < end; i++) if (keys[i]! > highest) highest = keys[i]!;
  });
  return highest;
}

/** Integers from 0 that compare as `values` do; these are integers as well. */
export async function asKeys(session: Session, values: Float64Array): Promise<Uint32Array> {
  let lowest = Infinity;
  let highest = -Infinity;
  await inSteps(session, values.length, (start, end) => {
    for (let i = start; i < end; i++) {
      const value = values[i]!;
      if (value < lowest) lowest = value;
      if (value > highest) highest = value;
    }
  });
  const keys = new Uint32Array(values.length);
  const narrow = highest - lowest <= 0xffff_ffff;
  // Dates from the first year to the last: how many values are below each one.
  const sorted = narrow ? values : values.slice().sort();
  await inSteps(session, values.length, (start, end) => {
    for (let i = start; i < end; i++)
      keys[i] = narrow ? values[i]! - lowest : lowerBound(sorted, sorted.length, values[i]!);
  });
  return keys;
}

/** Keys that compare the other way round. */
export async function reversed(session: Session, keys: Uint32Array): Promise<Uint32Array> {
  const highest = await highestOf(session, keys);
  return keys.map((key) => highest - key);
}

/** The numbers from 0 to before `count`. */
export function ascending(count: number): Uint32Array {
  const order = new Uint32Array(count);
  for (let i = 0; i < count; i++) order[i] = i;
  return order;
}
