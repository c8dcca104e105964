import { InvalidArgumentError } from "commander";

/** Collects the values of an option that may be given several times. */
export function list(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}

/** A whole number from 0, perhaps with k, M, G or T (powers of 1000). */
export function count(value: string): number {
  const match = /^(\d+)([kMGT]?)$/.exec(value);
  const factor = { "": 1, k: 1e3, M: 1e6, G: 1e9, T: 1e12 }[match?.[2] ?? ""];
  const number = Number(match?.[1]) * (factor ?? Number.NaN);
  if (!Number.isSafeInteger(number))
    throw new InvalidArgumentError("It takes a whole number such as 500 or 2G.");
  return number;
}
