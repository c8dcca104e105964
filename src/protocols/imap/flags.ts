/** Flags between the wire and the store. */
import { Refusal } from "#base/assert.ts";
import { limits } from "#base/limits.ts";
import { flagBits, type Flags, type MailboxState } from "#store/index.ts";
import type { Session } from "./session.ts";

const systemFlags = Object.entries(flagBits) as readonly [keyof typeof flagBits, number][];
/** Beside `flagBits`: what only a session knows. */
export const recentBit = 32;

/** RFC 9051 §2.3.2 */
const systemFlagNames: readonly string[] = systemFlags.map(([name]) => name);

const texts = new WeakMap<MailboxState, Map<number, string>>();

/**
 * The flags of a row in parentheses, as FETCH shows them. The texts of a mailbox are remembered:
 * there are few different ones. `recent` adds \Recent. RFC 9051 §7.5.2
 */
export function flagsText(mailbox: MailboxState, row: number, recent: boolean): string {
  let known = texts.get(mailbox);
  if (known === undefined) texts.set(mailbox, (known = new Map<number, string>()));
  const { flags, keywordSet } = mailbox.rows.arrays;
  const bits = flags[row]! | (recent ? recentBit : 0);
  const key = keywordSet[row]! * 64 + bits;
  let text = known.get(key);
  if (text === undefined) {
    const names = systemFlags
      .filter(([, bit]) => (bits & bit) !== 0)
      .map(([name]) => name as string);
    if (recent) names.push("\\Recent");
    text = `(${[...names, ...mailbox.keywordsOf(row)].join(" ")})`;
    if (known.size >= limits.keywordsPerMailboxMax) known.clear();
    known.set(key, text);
  }
  return text;
}

/**
 * Flags that a client wants to set. \Recent is the server's own: `Refusal` CANNOT; so is every
 * system flag that is none. RFC 9051 §2.3.2, RFC 3501 §2.3.2
 */
export function readFlags(names: readonly string[]): Flags {
  let bits = 0;
  const keywords = new Map<string, string>();
  for (const name of names) {
    if (!name.startsWith("\\")) {
      const key = name.toLowerCase();
      if (!keywords.has(key)) keywords.set(key, name);
      continue;
    }
    const bit = (flagBits as Readonly<Record<string, number>>)[name];
    if (bit === undefined) throw new Refusal("CANNOT", `The flag ${name} cannot be set`);
    bits |= bit;
  }
  return { bits, keywords: [...keywords.values()] };
}

/** The flags of the mailbox, where keywords came into use that were not told yet. RFC 9051 §7.3.5 */
export function writeKeywords(session: Session): void {
  const selected = session.selected!;
  const { keywords } = selected.view.mailbox;
  if (selected.keywordsTold === keywords.length) return;
  selected.keywordsTold = keywords.length;
  const names = [...systemFlagNames, ...keywords].join(" ");
  const { output } = session;
  output.ascii("* FLAGS (").ascii(names).ascii(")").crlf();
  output.ascii("* OK [PERMANENTFLAGS (");
  if (!selected.readOnly) output.ascii(names).ascii(" \\*");
  output.ascii(")] Flags that are kept").crlf();
}
