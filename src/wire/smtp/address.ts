/** Paths and addresses of the envelope. RFC 5321 §4.1.2, RFC 6531 §3.3 */
import { SmtpSyntaxError } from "./reply.ts";

export interface Address {
  /** Without quotes and backslashes. */
  readonly local: string;
  /** In lower case; an address literal with its brackets; empty where the client gave none. */
  readonly domain: string;
  /** True where an octet above 127 occurs, which needs SMTPUTF8. */
  readonly international: boolean;
}

const atext = /^[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~\u0080-\u{10ffff}]$/u;
// Underscores occur in practice.
const domainForm =
  /^(?:[A-Za-z0-9_\u0080-\u{10ffff}](?:[A-Za-z0-9_\-\u0080-\u{10ffff}]*[A-Za-z0-9_\u0080-\u{10ffff}])?\.)*[A-Za-z0-9_\u0080-\u{10ffff}](?:[A-Za-z0-9_\-\u0080-\u{10ffff}]*[A-Za-z0-9_\u0080-\u{10ffff}])?$/u;
const literalForm = /^\[(?:IPv6:[0-9A-Fa-f:.]+|[0-9.]+|(?!IPv6:)[A-Za-z0-9-]+:[!-Z^-~]+)\]$/i;
const ascii = /^[\x00-\x7f]*$/;

/** Reads the tokens of one command line. */
export class LineCursor {
  readonly text: string;
  at: number;

  constructor(text: string, at = 0) {
    this.text = text;
    this.at = at;
  }

  get done(): boolean {
    return this.at >= this.text.length;
  }

  skip(char: string): boolean {
    if (this.text[this.at] !== char) return false;
    this.at++;
    return true;
  }

  skipSpaces(): void {
    while (this.skip(" "));
  }

  /** Characters up to the next one of `stops`, or to the end. */
  until(stops: string): string {
    const start = this.at;
    while (this.at < this.text.length && !stops.includes(this.text[this.at]!)) this.at++;
    return this.text.slice(start, this.at);
  }
}

function quotedLocal(line: LineCursor, fail: () => never): string {
  let local = "";
  line.at++;
  for (;;) {
    if (line.done) fail();
    let char = line.text[line.at++]!;
    if (char === '"') return local;
    if (char === "\\") char = line.text[line.at++] ?? fail();
    if (char < " " || char === "\x7f") fail();
    local += char;
  }
}

/**
 * Local part, quoted or not. Dots may stand anywhere: such addresses exist, and their mail has to
 * be delivered.
 */
function plainLocal(line: LineCursor, fail: () => never): string {
  const local = line.until("@> ");
  if (local === "") fail();
  for (const char of local) if (char !== "." && !atext.test(char)) fail();
  return local;
}

function readDomain(line: LineCursor, fail: () => never): string {
  const start = line.at;
  const domain = line.skip("[") ? line.until("]> ") : line.until("> ");
  if (line.text[start] === "[") {
    line.skip("]");
    const literal = line.text.slice(start, line.at);
    return literalForm.test(literal) ? literal.toLowerCase() : fail();
  }
  return domain.length <= 255 && domainForm.test(domain) ? domain.toLowerCase() : fail();
}

/** `@one,@two:` before the mailbox; read and forgotten. RFC 5321 appendix C */
function skipSourceRoute(line: LineCursor, fail: () => never): void {
  if (line.text[line.at] !== "@") return;
  const route = line.until(":> ");
  if (!line.skip(":")) fail();
  for (const hop of route.split(","))
    if (!hop.startsWith("@") || !domainForm.test(hop.slice(1))) fail();
}

/**
 * Reads `<...>`. Null for `<>`. Throws `SmtpSyntaxError` 501 with the given enhanced code where it
 * is not a path.
 */
export function readPath(line: LineCursor, enhanced: "5.1.3" | "5.1.7"): Address | null {
  const fail = (): never => {
    throw new SmtpSyntaxError(501, enhanced, "Bad address syntax");
  };
  if (!line.skip("<")) fail();
  if (line.skip(">")) return null;
  const start = line.at;
  skipSourceRoute(line, fail);
  const local = line.text[line.at] === '"' ? quotedLocal(line, fail) : plainLocal(line, fail);
  const domain = line.skip("@") ? readDomain(line, fail) : "";
  const international = !ascii.test(line.text.slice(start, line.at));
  if (!line.skip(">")) fail();
  if (local === "") fail();
  return { local, domain, international };
}

const dotString = /^[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~.\u0080-\u{10ffff}]+$/u;

/** The address in the form of the wire, without angle brackets; quoted where it must be. */
export function formatAddress(address: Address): string {
  const { local, domain } = address;
  const text = dotString.test(local) ? local : `"${local.replace(/["\\]/g, "\\$&")}"`;
  return domain === "" ? text : `${text}@${domain}`;
}
