/**
 * The table of docs/standards.md. Run as a program it prints where each section of each RFC is
 * cited: `node tools/standards.ts [number]`.
 */
import { everyFile, matches, typescript } from "./tree.ts";

/**
 * `served`: all that a server of this kind needs. `partly`: the note says what is missing.
 * `planned`: not begun. `background`: read for its terms or algorithms, nothing to serve.
 */
export const statusWords = ["served", "partly", "planned", "background"] as const;

export interface Standard {
  readonly rfc: number;
  readonly title: string;
  readonly status: string;
  readonly area: string;
}

const standardsPage = "docs/standards.md";
const row = /^\| *(\d+) *\| *(.*?) *\| *(.*?) *\| *(.*?) *\|$/gm;

/** The rows of the table, in the page's order. */
export function readStandards(): Standard[] {
  const page = everyFile.find(({ path }) => path === standardsPage);
  if (page === undefined) throw new Error(`There is no ${standardsPage}`);
  return [...page.text.matchAll(row)].map(([, rfc, title = "", status = "", area = ""]) => ({
    rfc: Number(rfc),
    title,
    status,
    area,
  }));
}

export interface Citation {
  readonly place: string;
  readonly rfc: number;
  /** As `6.4.5`; empty where the whole document is meant. */
  readonly section: string;
}

/** Every citation in code: `RFC 9051 §6.4.5`. */
export function citations(): Citation[] {
  const cited = /\bRFC (\d{3,5})(?:,? §+ ?([\dA-Z][\d.]*\d|[\dA-Z]))?/g;
  return matches(typescript("src", "sim", "test", "bench"), cited).map(({ place, groups }) => ({
    place,
    rfc: Number(groups[1]),
    section: groups[2] ?? "",
  }));
}

function printIndex(only: number | undefined): void {
  const places = new Map<string, string[]>();
  for (const { place, rfc, section } of citations()) {
    if (only !== undefined && rfc !== only) continue;
    const key = section === "" ? `RFC ${rfc}` : `RFC ${rfc} §${section}`;
    places.set(key, [...(places.get(key) ?? []), place]);
  }
  const order = new Intl.Collator("en", { numeric: true });
  for (const key of [...places.keys()].sort(order.compare)) {
    console.log(`${key.padEnd(20)} ${places.get(key)!.join("  ")}`);
  }
}

if (import.meta.main)
  printIndex(process.argv[2] === undefined ? undefined : Number(process.argv[2]));
