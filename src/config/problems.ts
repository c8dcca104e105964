import { inspect } from "node:util";
import type { BaseIssue, GenericSchema } from "valibot";

/** One setting that cannot be used. */
export interface SettingProblem {
  /** Such as `listeners[0].port`; empty for the whole. */
  readonly path: string;
  readonly value: unknown;
  /** "expected a port from 0 to 65535", or what to write instead of an unknown name. */
  readonly expected: string;
}

/** A configuration that cannot be used; the message has a line for each problem. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly file: string;
  readonly problems: readonly SettingProblem[];

  constructor(file: string, problems: readonly SettingProblem[], options?: ErrorOptions) {
    const lines = problems.map(
      ({ path, value, expected }) =>
        `  ${path === "" ? "" : `${path}: `}${expected}${value === undefined ? "" : `, found ${shown(value)}`}`,
    );
    super(`${file} cannot be used:\n${lines.join("\n")}`, options);
    this.file = file;
    this.problems = problems;
  }
}

/** Issues of the validation in words. */
export function problemsOf(
  schema: GenericSchema,
  issues: readonly BaseIssue<unknown>[],
): SettingProblem[] {
  return issues.map((issue) => {
    const keys = (issue.path ?? []).map((item) => item.key as string | number);
    const path = pathText(keys);
    if (issue.type === "strict_object" && issue.expected === "never") {
      const known = namesAt(schema, keys.slice(0, -1));
      return { path, value: undefined, expected: unknownName(String(keys.at(-1)), known) };
    }
    if (issue.input === undefined) return { path, value: undefined, expected: "it is missing" };
    return { path, value: issue.input, expected: expectation(issue) };
  });
}

/** Our own messages say what is expected; those of the library begin otherwise. */
function expectation(issue: BaseIssue<unknown>): string {
  if (issue.message.startsWith("expected")) return issue.message;
  const expected = issue.expected ?? issue.message;
  return `expected ${expected.replace(/^\((.*)\)$/, "$1").replaceAll(" | ", " or ")}`;
}

function pathText(keys: readonly (string | number)[]): string {
  let text = "";
  for (const key of keys) {
    if (typeof key === "number") text += `[${key}]`;
    else if (/^[A-Za-z_]\w*$/.test(key)) text += text === "" ? key : `.${key}`;
    else text += `[${JSON.stringify(key)}]`;
  }
  return text;
}

function shown(value: unknown): string {
  const text = inspect(value, { depth: 1, breakLength: Infinity });
  return text.length > 80 ? `${text.slice(0, 79)}…` : text;
}

/** The parts of a schema that lead to other schemas. */
interface SchemaParts {
  readonly entries?: Record<string, SchemaParts>;
  readonly wrapped?: SchemaParts;
  readonly item?: SchemaParts;
  readonly value?: SchemaParts;
  readonly options?: readonly SchemaParts[];
}

/** Names of the settings at a place. */
function namesAt(schema: GenericSchema, keys: readonly (string | number)[]): readonly string[] {
  let at: SchemaParts | undefined = unwrapped(schema as SchemaParts);
  for (const key of keys) {
    const next: SchemaParts | undefined = at?.entries?.[key] ?? at?.item ?? at?.value;
    at = next === undefined ? undefined : unwrapped(next);
  }
  return Object.keys(at?.entries ?? {});
}

function unwrapped(schema: SchemaParts): SchemaParts {
  let at = schema;
  while (at.wrapped !== undefined) at = at.wrapped;
  return at.options?.map(unwrapped).find((option) => option.entries !== undefined) ?? at;
}

function unknownName(name: string, known: readonly string[]): string {
  const closest = known
    .map((other) => ({ other, distance: editDistance(name.toLowerCase(), other.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance)[0];
  const hint =
    closest !== undefined && closest.distance <= Math.max(2, name.length / 3)
      ? `did you mean "${closest.other}"?`
      : `there are ${known.join(", ")}`;
  return `there is no such setting; ${hint}`;
}

/** Levenshtein's distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next[j] = Math.min(
        row[j]! + 1,
        next[j - 1]! + 1,
        row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1),
      );
    row = next;
  }
  return row[b.length]!;
}
