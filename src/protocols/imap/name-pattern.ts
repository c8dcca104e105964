/** Patterns of mailbox names: `*` is anything, `%` anything but the separator. RFC 9051 §6.3.9 */
import { hierarchySeparator } from "#store/index.ts";

/**
 * Matches in time proportional to pattern times name, whatever the wildcards; so no pattern can
 * hold up the server.
 */
export class NamePattern {
  readonly #pattern: string;
  readonly #plain: boolean;
  readonly #inbox: boolean;

  constructor(pattern: string) {
    // Wildcards side by side are as good as one, which is `*` where one of them is.
    const short = pattern.replace(/[*%]{2,}/g, (run) => (run.includes("*") ? "*" : "%"));
    // RFC 9051 §5.1: INBOX has no case, also as the first level of a longer name.
    this.#pattern = short.replace(/^inbox(?=$|[/*%])/i, "INBOX");
    this.#plain = !/[*%]/.test(this.#pattern);
    this.#inbox = match(this.#pattern.toUpperCase(), "INBOX");
  }

  /** True for a canonical name that the pattern means. */
  matches(name: string): boolean {
    if (name === "INBOX") return this.#inbox;
    return this.#plain ? name === this.#pattern : match(this.#pattern, name);
  }
}

/** Runs all readings of the pattern side by side; a reading is the place it has come to. */
function match(pattern: string, name: string): boolean {
  let active = new Set<number>();
  enter(pattern, 0, active);
  for (const unit of name.split("")) {
    const next = new Set<number>();
    for (const at of active) {
      const wanted = pattern[at];
      if (wanted === "*" || (wanted === "%" && unit !== hierarchySeparator))
        enter(pattern, at, next);
      else if (wanted === unit) enter(pattern, at + 1, next);
    }
    if (next.size === 0) return false;
    active = next;
  }
  return active.has(pattern.length);
}

/** A reading at a wildcard may also have passed it. */
function enter(pattern: string, at: number, into: Set<number>): void {
  into.add(at);
  if (pattern[at] === "*" || pattern[at] === "%") enter(pattern, at + 1, into);
}
