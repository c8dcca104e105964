import { lowerBound } from "#store/index.ts";
import type { Session } from "../session.ts";

const digitBits = 11;
const digits = 1 << digitBits;
/** Elements between two looks at the time. */
const stepsPerLook = 1 << 15;

/**
 * Orders `order`, indexes into `keys`, by their keys; equal ones keep their order. A radix sort from
 * the least significant digit, which lets others work in between.
 */
export async function stableOrder(
  session: Session,
  order: Uint32Array,
  keys: Uint32Array,
): Promise<Uint32Array> {
  let highest = 0;
  for (const key of keys) if (key > highest) highest = key;
  let source = order;
  let target: Uint32Array = new Uint32Array(order.length);
  for (let shift = 0; shift < 32 && highest >>> shift > 0; shift += digitBits) {
    const next = new Uint32Array(digits + 1);
    for (let i = 0; i < source.length; i++)
      next[((keys[source[i]!]! >>> shift) & (digits - 1)) + 1]! += 1;
    for (let digit = 1; digit <= digits; digit++) next[digit]! += next[digit - 1]!;
    for (let start = 0; start < source.length; start += stepsPerLook) {
      const end = Math.min(start + stepsPerLook, source.length);
      for (let i = start; i < end; i++) {
        const index = source[i]!;
        const digit = (keys[index]! >>> shift) & (digits - 1);
        target[next[digit]!] = index;
        next[digit]! += 1;
      }
      const pause = session.pause();
      if (pause !== undefined) await pause;
    }
    [source, target] = [target, source === order ? new Uint32Array(order.length) : source];
  }
  return source;
}

/** Integers from 0 that compare as `values` do; these are integers as well. */
export function asKeys(values: Float64Array): Uint32Array {
  let lowest = Infinity;
  let highest = -Infinity;
  for (const value of values) {
    if (value < lowest) lowest = value;
    if (value > highest) highest = value;
  }
  const keys = new Uint32Array(values.length);
  if (highest - lowest <= 0xffff_ffff) {
    for (let i = 0; i < values.length; i++) keys[i] = values[i]! - lowest;
    return keys;
  }
  // Dates from the first year to the last: how many values are below each one.
  const sorted = values.slice().sort();
  for (let i = 0; i < values.length; i++) keys[i] = lowerBound(sorted, sorted.length, values[i]!);
  return keys;
}

/** Keys that compare the other way round. */
export function reversed(keys: Uint32Array): Uint32Array {
  return keys.map((key) => 0xffff_ffff - key);
}

/** The numbers from 0 to before `count`. */
export function ascending(count: number): Uint32Array {
  const order = new Uint32Array(count);
  for (let i = 0; i < count; i++) order[i] = i;
  return order;
}
