import { limits } from "#base/limits.ts";
import type { Parameter } from "./part.ts";

/** A token with parameters: Content-Type, Content-Disposition. */
export interface ParameterisedValue {
  /** What precedes the first semicolon, trimmed, comments removed. */
  readonly value: string;
  readonly params: readonly Parameter[];
}

const SEMICOLON = 0x3b;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const EQUALS = 0x3d;
const OPEN = 0x28;
const CLOSE = 0x29;

const parametersMax = limits.mimeParametersMax;

/** Removes comments in parentheses outside quoted strings. RFC 5322 §3.2.2 */
export function withoutComments(text: string): string {
  if (!text.includes("(")) return text;
  let out = "";
  let depth = 0;
  let quoted = false;
  let from = 0;
  for (let at = 0; at < text.length; at++) {
    const c = text.charCodeAt(at);
    if (c === BACKSLASH && (quoted || depth > 0)) at++;
    else if (c === QUOTE && depth === 0) quoted = !quoted;
    else if (c === OPEN && !quoted) {
      if (depth++ === 0) out += text.slice(from, at) + " ";
    } else if (c === CLOSE && depth > 0) {
      if (--depth === 0) from = at + 1;
    }
  }
  return depth > 0 ? out : out + text.slice(from);
}

/** The contents of a quoted string whose opening quote is at `at`, and where it ends. */
function readQuoted(text: string, at: number): { value: string; end: number } {
  let value = "";
  let from = at + 1;
  for (let i = from; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === QUOTE) return { value: value + text.slice(from, i), end: i + 1 };
    if (c === BACKSLASH && i + 1 < text.length) {
      value += text.slice(from, i);
      from = ++i;
    }
  }
  return { value: value + text.slice(from), end: text.length };
}

/** Reads `value; name=value; name="value"` as RFC 2045 §5.1 has it, and what senders make of it. */
export function parseParameterised(field: string): ParameterisedValue {
  const text = withoutComments(field);
  const semicolon = text.indexOf(";");
  if (semicolon < 0) return { value: text.trim(), params: [] };
  const params: Parameter[] = [];
  let continued = false;
  let at = semicolon + 1;
  while (at < text.length && params.length < parametersMax) {
    let end = at;
    while (end < text.length) {
      const c = text.charCodeAt(end);
      if (c === EQUALS || c === SEMICOLON) break;
      end++;
    }
    const name = text.slice(at, end).trim().toLowerCase();
    if (text.charCodeAt(end) !== EQUALS) {
      at = end + 1;
      continue;
    }
    at = end + 1;
    while (at < text.length && text.charCodeAt(at) <= 0x20) at++;
    let value: string;
    if (text.charCodeAt(at) === QUOTE) {
      ({ value, end: at } = readQuoted(text, at));
      const next = text.indexOf(";", at);
      at = next < 0 ? text.length : next + 1;
    } else {
      const next = text.indexOf(";", at);
      end = next < 0 ? text.length : next;
      value = text.slice(at, end).trim();
      at = end + 1;
    }
    if (name === "") continue;
    if (name.includes("*")) continued = true;
    params.push({ name, value });
  }
  return { value: text.slice(0, semicolon).trim(), params: continued ? joined(params) : params };
}

interface Segments {
  readonly index: number;
  readonly pieces: (Segment | undefined)[];
}
interface Segment {
  readonly value: string;
  readonly extended: boolean;
}

/**
 * Joins `name*0`, `name*1*` ... to one parameter: `name`, or `name*` if any piece is extended.
 * RFC 2231 §3 and §4.1
 */
function joined(params: readonly Parameter[]): Parameter[] {
  const out: (Parameter | undefined)[] = [];
  const open = new Map<string, Segments>();
  for (const param of params) {
    const match = /^([^*]+)\*(\d{1,3})(\*?)$/.exec(param.name);
    if (match === null) {
      out.push(param);
      continue;
    }
    const name = match[1]!;
    const number = Number(match[2]);
    if (number >= parametersMax) continue;
    let segments = open.get(name);
    if (segments === undefined) {
      open.set(name, (segments = { index: out.length, pieces: [] }));
      out.push(undefined);
    }
    segments.pieces[number] ??= { value: param.value, extended: match[3] === "*" };
  }
  for (const [name, { index, pieces }] of open) out[index] = joinPieces(name, pieces);
  return out.filter((param) => param !== undefined);
}

function joinPieces(name: string, pieces: readonly (Segment | undefined)[]): Parameter | undefined {
  const run: Segment[] = [];
  for (const piece of pieces) {
    // A gap ends the value: what follows may belong to anything.
    if (piece === undefined) break;
    run.push(piece);
  }
  if (run.length === 0) return undefined;
  if (!run.some((piece) => piece.extended))
    return { name, value: run.map((piece) => piece.value).join("") };
  const prefix = run[0]!.extended ? "" : "''";
  const value = run
    .map((piece) => (piece.extended ? piece.value : percentEncoded(piece.value)))
    .join("");
  return { name: `${name}*`, value: prefix + value };
}

/** Octets outside RFC 2231's attribute-char as %XX. */
function percentEncoded(value: string): string {
  return value.replace(
    /[^A-Za-z0-9!#$&+.^_`{|}~-]/g,
    (c) => "%" + c.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0"),
  );
}

/** The value of a parameter as sent; undefined where there is none. */
export function parameter(params: readonly Parameter[], name: string): string | undefined {
  for (const param of params) if (param.name === name) return param.value;
  return undefined;
}
