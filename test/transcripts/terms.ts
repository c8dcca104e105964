/** The words and lists of a response, compared as the grammar means them. RFC 9051 §9 */
import { anything, matchAndBind, patternOf, type Values } from "./pattern.ts";

/** `quoted` is true for strings of any spelling. */
export type Term =
  | { readonly kind: "word"; readonly text: string; readonly quoted: boolean }
  | { readonly kind: "list"; readonly terms: readonly Term[] };

/** Reads terms up to the end; what is not closed ends there too. */
export function termsOf(text: string): Term[] {
  let at = 0;
  const list = (): Term[] => {
    const terms: Term[] = [];
    while (at < text.length) {
      const octet = text[at]!;
      if (octet === ")") {
        at++;
        return terms;
      }
      if (octet === " ") at++;
      else if (octet === "(") {
        at++;
        terms.push({ kind: "list", terms: list() });
      } else terms.push(word());
    }
    return terms;
  };
  const word = (): Term => {
    const string = /"((?:[^"\\]|\\.)*)"/y;
    string.lastIndex = at;
    const found = string.exec(text);
    if (found !== null) {
      at = string.lastIndex;
      return { kind: "word", text: found[1]!.replace(/\\(.)/g, "$1"), quoted: true };
    }
    const literal = /~?\{(\d+)\}\r\n/y;
    literal.lastIndex = at;
    const size = literal.exec(text);
    if (size !== null) {
      const from = literal.lastIndex;
      at = from + Number(size[1]);
      return { kind: "word", text: text.slice(from, at), quoted: true };
    }
    // A section name holds spaces and lists.
    const atom = /(?:[^\s()[\]]|\[[^\]]*\]?)+|[^]/y;
    atom.lastIndex = at;
    const [text_] = atom.exec(text)!;
    at = atom.lastIndex;
    return { kind: "word", text: text_, quoted: false };
  };
  const terms: Term[] = [];
  while (at < text.length) terms.push(...list());
  return terms;
}

/** Whether `got` is what is wanted; variables take their values in `values`. */
export function sameTerms(
  wanted: readonly Term[],
  got: readonly Term[],
  values: Values,
  fold = false,
): boolean {
  for (const [index, term] of wanted.entries()) {
    if (term.kind === "word" && term.text === anything && !term.quoted) return true;
    const other = got[index];
    if (other === undefined || !sameTerm(term, other, values, fold)) return false;
  }
  return wanted.length === got.length;
}

export function sameTerm(wanted: Term, got: Term, values: Values, fold = false): boolean {
  if (wanted.kind === "word" && wanted.text === anything && !wanted.quoted) return true;
  if (wanted.kind === "list")
    return got.kind === "list" && sameTerms(wanted.terms, got.terms, values, fold);
  if (got.kind === "list") return false;
  const nil = (term: typeof wanted): boolean => !term.quoted && term.text.toUpperCase() === "NIL";
  return nil(wanted) === nil(got) && sameWord(wanted.text, got.text, values, fold);
}

/** Whether each of `wanted` is in `got`, in any order. */
export function within(
  wanted: readonly Term[],
  got: readonly Term[],
  values: Values,
  fold = false,
): boolean {
  const left = [...got];
  return wanted.every((term) => {
    if (term.kind === "word" && term.text === anything) return true;
    const at = left.findIndex((other) => sameTerm(term, other, values, fold));
    if (at >= 0) left.splice(at, 1);
    return at >= 0;
  });
}

export function sameWord(wanted: string, got: string, values: Values, fold = false): boolean {
  return matchAndBind(new RegExp(`^${patternOf(wanted, values)}$`, fold ? "i" : ""), got, values);
}

/** More numbers than any transcript has. */
const setMax = 10_000;

/** The numbers of a set that has no `*`. Errors: `Error` for one that is too large. */
export function numbersOf(set: string): number[] {
  return set.split(",").flatMap((range) => {
    const [from = Number.NaN, to = from] = range.split(":").map(Number);
    const [low, high] = [Math.min(from, to), Math.max(from, to)];
    if (high - low >= setMax) throw new Error(`${set} has too many numbers`);
    return Array.from({ length: high - low + 1 || 0 }, (_, index) => low + index);
  });
}
