import type { Pop3ReplyWriter } from "./reply-writer.ts";

/** Answers LANG: all that is said here is English. False where it asked for another. RFC 6856 §3 */
export function writeLanguage(out: Pop3ReplyWriter, range: string | null): boolean {
  if (range === null) {
    out.ok("Languages").line("en English").end();
    return true;
  }
  const known = range === "*" || range.toLowerCase() === "en";
  if (known) out.ok("en Language is English");
  else out.err("There is no such language");
  return known;
}
