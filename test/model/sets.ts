/** Sequence sets as text, and what they mean. RFC 9051 §9 (sequence-set) */
import type { Dice } from "./dice.ts";

/** A random set of numbers around 1 .. max, with `*`, reversed ranges and numbers that are not there. */
export function randomSet(dice: Dice, max: number, options: { beyond: boolean }): string {
  const top = Math.max(max, 1) + (options.beyond && dice.oneIn(3) ? 3 : 0);
  const one = (): string => (dice.oneIn(6) ? "*" : String(dice.between(1, top)));
  if (dice.oneIn(6)) return "1:*";
  const parts = Array.from({ length: dice.oneIn(3) ? dice.between(2, 4) : 1 }, () =>
    dice.oneIn(2) ? one() : `${one()}:${one()}`,
  );
  return parts.join(",");
}

/** Whether `set` names `number` where `*` is `last`, which is 0 in an empty mailbox. */
export function inSet(set: string, number: number, last: number): boolean {
  return set.split(",").some((part) => {
    const ends = part.split(":").map((end) => (end === "*" ? last : Number(end)));
    return Math.min(...ends) !== 0 && Math.min(...ends) <= number && number <= Math.max(...ends);
  });
}

/** The largest number that a set names. */
export function largestOf(set: string, last: number): number {
  return Math.max(...set.split(/[,:]/).map((end) => (end === "*" ? last : Number(end))));
}

/** Every number of a set without `*`, in its order. */
export function numbersOf(set: string): number[] {
  return set.split(",").flatMap((part) => {
    const [from, to = from] = part.split(":").map(Number) as [number, number?];
    return Array.from({ length: to - from + 1 }, (_, i) => from + i);
  });
}

/** A set of the numbers, sometimes with ranges where they follow one another. */
export function setOf(numbers: readonly number[]): string {
  const parts: string[] = [];
  for (let i = 0; i < numbers.length; i++) {
    const from = numbers[i]!;
    while (numbers[i + 1] === numbers[i]! + 1) i++;
    parts.push(from === numbers[i] ? String(from) : `${from}:${numbers[i]}`);
  }
  return parts.join(",");
}
