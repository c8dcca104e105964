/** Command lines of SMTP and LMTP. RFC 5321 §4.1.1, RFC 2033 §4 */
import { noBytes, tryUtf8 } from "../../base/bytes.ts";
import { decodeBase64 } from "../base64.ts";
import type { Address } from "./address.ts";
import { LineCursor, readPath } from "./address.ts";
import { SmtpSyntaxError } from "./reply.ts";

export type BodyType = "7BIT" | "8BITMIME" | "BINARYMIME";

export interface MailCommand {
  readonly verb: "MAIL";
  /** Null for `<>`. */
  readonly from: Address | null;
  /** Octets that the client declared, null where it did not. RFC 1870 §6 */
  readonly size: number | null;
  /** RFC 6152 §2, RFC 3030 §3; null where the client did not say. */
  readonly body: BodyType | null;
  /** RFC 6531 §3.4 */
  readonly smtpUtf8: boolean;
  /** RFC 3461 §4.3, §4.4 */
  readonly ret: "FULL" | "HDRS" | null;
  readonly envId: string | null;
}

export interface RcptCommand {
  readonly verb: "RCPT";
  readonly to: Address;
  /** In capitals, such as `SUCCESS`; null where the client did not say. RFC 3461 §4.1 */
  readonly notify: readonly string[] | null;
  /** As the client wrote it. RFC 3461 §4.2 */
  readonly originalRecipient: string | null;
}

export type SmtpCommand =
  | { readonly verb: "HELO" | "EHLO" | "LHLO"; readonly domain: string }
  | MailCommand
  | RcptCommand
  | { readonly verb: "DATA" | "RSET" | "QUIT" | "STARTTLS" }
  /** RFC 3030 §2 */
  | { readonly verb: "BDAT"; readonly size: number; readonly last: boolean }
  | { readonly verb: "NOOP" | "HELP" | "VRFY" | "EXPN"; readonly argument: string }
  /** RFC 4954 §4; `initial` is decoded, null where the client sent none. */
  | { readonly verb: "AUTH"; readonly mechanism: string; readonly initial: Uint8Array | null };

function badArguments(text: string): never {
  throw new SmtpSyntaxError(501, "5.5.4", text);
}

/** ESMTP parameters by their name in capitals. RFC 5321 §4.1.2 */
function readParameters(line: LineCursor): Map<string, string | null> {
  const parameters = new Map<string, string | null>();
  while (!line.done) {
    if (!line.skip(" ")) badArguments("Expected a space after the address");
    line.skipSpaces();
    if (line.done) break;
    const [name = "", ...rest] = line.until(" ").split("=");
    if (!/^[A-Za-z0-9][A-Za-z0-9-]*$/.test(name) || rest.length > 1)
      badArguments("Bad parameter syntax");
    const value = rest[0] ?? null;
    if (value === "" || (value !== null && /[\x00-\x20\x7f]/.test(value)))
      badArguments("Bad parameter value");
    if (parameters.has(name.toUpperCase())) badArguments("Repeated parameter");
    parameters.set(name.toUpperCase(), value);
  }
  return parameters;
}

/** `FROM:` or `TO:`, spaces after it forgiven. */
function readPrefix(line: LineCursor, prefix: "FROM:" | "TO:"): void {
  const found = line.text.slice(line.at, line.at + prefix.length);
  if (found.toUpperCase() !== prefix) badArguments(`Expected ${prefix}<address>`);
  line.at += prefix.length;
  line.skipSpaces();
}

function unsupported(name: string): never {
  throw new SmtpSyntaxError(555, "5.5.4", `Unsupported parameter ${name}`);
}

// RFC 6531 §3.5: the reply where an address needs SMTPUTF8 and the transaction has it not.
function checkInternational(address: Address | null, smtpUtf8: boolean): void {
  if (address?.international === true && !smtpUtf8)
    throw new SmtpSyntaxError(553, "5.6.7", "The address needs SMTPUTF8");
}

function readSize(value: string | null): number {
  if (value === null || !/^[0-9]{1,20}$/.test(value)) badArguments("Bad SIZE");
  return Math.min(Number(value), Number.MAX_SAFE_INTEGER);
}

function readBody(value: string | null): BodyType {
  const body = value?.toUpperCase();
  if (body === "7BIT" || body === "8BITMIME" || body === "BINARYMIME") return body;
  return badArguments("Unknown BODY");
}

function readRet(value: string | null): "FULL" | "HDRS" {
  const ret = value?.toUpperCase();
  return ret === "FULL" || ret === "HDRS" ? ret : badArguments("Unknown RET");
}

function parseMail(line: LineCursor): MailCommand {
  readPrefix(line, "FROM:");
  const from = readPath(line, "5.1.7");
  let size: number | null = null;
  let body: BodyType | null = null;
  let smtpUtf8 = false;
  let ret: MailCommand["ret"] = null;
  let envId: string | null = null;
  for (const [name, value] of readParameters(line)) {
    if (name === "SIZE") size = readSize(value);
    else if (name === "BODY") body = readBody(value);
    else if (name === "SMTPUTF8" && value === null) smtpUtf8 = true;
    else if (name === "RET") ret = readRet(value);
    else if (name === "ENVID") envId = value ?? badArguments("Bad ENVID");
    // RFC 4954 §5: who submitted it is of no concern to a delivery.
    else if (name !== "AUTH" || value === null) unsupported(name);
  }
  checkInternational(from, smtpUtf8);
  return { verb: "MAIL", from, size, body, smtpUtf8, ret, envId };
}

function readNotify(value: string | null): string[] {
  const wishes = (value ?? "").toUpperCase().split(",");
  const known = wishes.every((wish) => ["NEVER", "SUCCESS", "FAILURE", "DELAY"].includes(wish));
  if (!known || (wishes.includes("NEVER") && wishes.length > 1)) badArguments("Bad NOTIFY");
  return wishes;
}

function parseRcpt(line: LineCursor, smtpUtf8: boolean): RcptCommand {
  readPrefix(line, "TO:");
  const to = readPath(line, "5.1.3");
  if (to === null) throw new SmtpSyntaxError(501, "5.1.3", "Bad address syntax");
  let notify: string[] | null = null;
  let originalRecipient: string | null = null;
  for (const [name, value] of readParameters(line)) {
    if (name === "NOTIFY") notify = readNotify(value);
    else if (name === "ORCPT") originalRecipient = value ?? badArguments("Bad ORCPT");
    else unsupported(name);
  }
  checkInternational(to, smtpUtf8);
  return { verb: "RCPT", to, notify, originalRecipient };
}

function parseBdat(argument: string): SmtpCommand {
  const match = /^([0-9]{1,15})( LAST)?$/i.exec(argument);
  if (match === null) badArguments("Expected BDAT size [LAST]");
  return { verb: "BDAT", size: Number(match[1]), last: match[2] !== undefined };
}

function parseAuth(argument: string): SmtpCommand {
  const match = /^([A-Za-z0-9_-]{1,20})(?: (\S+))?$/.exec(argument);
  if (match === null) badArguments("Expected AUTH mechanism");
  const mechanism = match[1]!.toUpperCase();
  const text = match[2];
  if (text === undefined) return { verb: "AUTH", mechanism, initial: null };
  if (text === "=") return { verb: "AUTH", mechanism, initial: noBytes };
  const initial = decodeBase64(text);
  if (initial === undefined) throw new SmtpSyntaxError(501, "5.5.2", "Not base64");
  return { verb: "AUTH", mechanism, initial };
}

/**
 * Parses a line without its CRLF. `smtpUtf8`: the transaction under way has SMTPUTF8. Throws
 * `SmtpSyntaxError` with the reply where the line does not fit.
 */
export function parseSmtpCommand(bytes: Uint8Array, smtpUtf8: boolean): SmtpCommand {
  const text = tryUtf8(bytes);
  if (text === undefined || /[\x00-\x1f\x7f]/.test(text))
    throw new SmtpSyntaxError(500, "5.5.2", "Control characters or broken UTF-8");
  const line = new LineCursor(text.trimEnd());
  const verb = line.until(" ").toUpperCase();
  line.skipSpaces();
  const argument = line.text.slice(line.at);
  switch (verb) {
    case "HELO":
    case "EHLO":
    case "LHLO":
      if (argument === "" || argument.includes(" ")) badArguments(`Expected ${verb} name`);
      return { verb, domain: argument };
    case "MAIL":
      return parseMail(line);
    case "RCPT":
      return parseRcpt(line, smtpUtf8);
    case "DATA":
    case "RSET":
    case "QUIT":
    case "STARTTLS":
      if (argument !== "") badArguments(`${verb} takes no arguments`);
      return { verb };
    case "BDAT":
      return parseBdat(argument);
    case "NOOP":
    case "HELP":
    case "VRFY":
    case "EXPN":
      return { verb, argument };
    case "AUTH":
      return parseAuth(argument);
    default:
      throw new SmtpSyntaxError(500, "5.5.1", "Unknown command");
  }
}
