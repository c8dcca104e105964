import { limits } from "#base/limits.ts";

/**
 * The message ids of a field, in order, each without brackets and with unneeded quoting undone, so
 * that equal ids are equal strings. What is not an id between brackets is passed over.
 * RFC 5256 §3 (normalisation), RFC 5322 §3.6.4
 *
 * @param field unfolded, one character per byte
 */
export function parseMessageIds(field: string, max: number = limits.referencesMax): string[] {
  const ids: string[] = [];
  let at = field.indexOf("<");
  while (at >= 0) {
    const end = endOfId(field, at + 1);
    if (end < 0) break;
    const id = normaliseMessageId(field.slice(at + 1, end));
    if (id !== "") {
      // The first id is the root of the thread, the last ones are the nearest ancestors.
      if (ids.length >= max) ids.splice(1, 1);
      ids.push(id);
    }
    at = field.indexOf("<", end + 1);
  }
  return ids;
}

/** Where the id ends whose first character is at `at`: a bracket inside quotes does not count. */
function endOfId(field: string, at: number): number {
  const close = field.indexOf(">", at);
  if (close < 0 || field.charCodeAt(at) !== 0x22) return close;
  let i = at + 1;
  for (; i < field.length; i++) {
    const c = field.charCodeAt(i);
    if (c === 0x5c) i++;
    else if (c === 0x22) break;
  }
  const after = field.indexOf(">", i);
  return after < 0 ? close : after;
}

function normaliseMessageId(text: string): string {
  const id = /\s/.test(text) ? text.replace(/\s+/g, "") : text;
  if (!id.includes('"') && !id.includes("\\")) return id;
  const match = /^"((?:[^"\\]|\\.)*)"@(.*)$/s.exec(id);
  if (match === null) return id;
  const local = match[1]!.replace(/\\(.)/gs, "$1");
  // Quotes that are needed stay, in one form.
  const atom = /^[^\x00-\x20()<>[\]:;@\\,"]+$/.test(local);
  return atom ? `${local}@${match[2]}` : `"${local.replace(/["\\]/g, "\\$&")}"@${match[2]}`;
}
