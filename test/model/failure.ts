/** The server said or did what the model does not allow. */
export class Disagreement extends Error {
  override readonly name = "Disagreement";
}

/** States what the model demands. */
export function demand(condition: boolean, text: string | (() => string)): asserts condition {
  if (!condition) throw new Disagreement(typeof text === "string" ? text : text());
}

/** Compares plain values by their JSON. */
export function demandEqual(actual: unknown, expected: unknown, what: string): void {
  const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (a !== b) throw new Disagreement(`${what}: got ${a}, expected ${b}`);
}
