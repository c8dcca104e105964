/** Mailbox names: their one form, their encoding in IMAP4rev1, and patterns. */
import { tokenText } from "../client/imap-client.ts";
import type { Token } from "#wire/index.ts";

/** Undefined for a name that no mailbox can have. */
export function canonical(name: string): string | undefined {
  const levels = (name.endsWith("/") ? name.slice(0, -1) : name).split("/");
  if (levels.includes("") || /[%*]/.test(name)) return undefined;
  if (/^inbox$/i.test(levels[0]!)) levels[0] = "INBOX";
  return levels.join("/");
}

/** Names of the levels above, the outermost first. */
export function superiors(name: string): string[] {
  const above: string[] = [];
  for (let at = name.indexOf("/"); at >= 0; at = name.indexOf("/", at + 1))
    above.push(name.slice(0, at));
  return above;
}

/** RFC 3501 §5.1.3 */
function modifiedUtf7(name: string): string {
  return name.replace(/&|[^ -~]+/g, (run) => {
    if (run === "&") return "&-";
    const utf16 = Buffer.from(run, "utf16le").swap16();
    return `&${utf16.toString("base64").replace(/=+$/, "").replaceAll("/", ",")}-`;
  });
}

function fromModifiedUtf7(text: string): string {
  return text.replace(/&([^-]*)-/g, (_, run: string) =>
    run === "" ? "&" : Buffer.from(run.replaceAll(",", "/"), "base64").swap16().toString("utf16le"),
  );
}

/** As a client sends it. */
export function quotedName(name: string, utf8: boolean): string {
  return `"${(utf8 ? name : modifiedUtf7(name)).replace(/["\\]/g, "\\$&")}"`;
}

/** What a server sent. */
export function nameOf(token: Token | undefined, utf8: boolean): string {
  const text = token instanceof Uint8Array ? Buffer.from(token).toString("utf8") : tokenText(token);
  return utf8 ? text : fromModifiedUtf7(text);
}

/** RFC 9051 §6.3.9: `*` is anything, `%` anything but the separator. */
export function matchesPattern(pattern: string, name: string): boolean {
  const inbox = pattern.replace(/^inbox(?=$|[/%*])/i, "INBOX");
  return name === "INBOX" ? matchFrom(inbox.toUpperCase(), name) : matchFrom(inbox, name);
}

function matchFrom(pattern: string, name: string): boolean {
  if (pattern === "") return name === "";
  const rest = pattern.slice(1);
  if (pattern[0] === "*" || pattern[0] === "%") {
    for (let taken = 0; taken <= name.length; taken++) {
      if (pattern[0] === "%" && name.slice(0, taken).includes("/")) return false;
      if (matchFrom(rest, name.slice(taken))) return true;
    }
    return false;
  }
  return pattern[0] === name[0] && matchFrom(rest, name.slice(1));
}
