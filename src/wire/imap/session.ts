/** Commands of the session itself: login, capabilities and those without arguments. */
import { fromUtf8, latin1, noBytes } from "../../base/bytes.ts";
import { limits } from "../../base/limits.ts";
import { decodeBase64 } from "../base64.ts";
import type { Cursor } from "./cursor.ts";
import { ImapSyntaxError, octet } from "./syntax.ts";

/** Commands that consist of their name. */
export type PlainName =
  | "CAPABILITY"
  | "NOOP"
  | "LOGOUT"
  | "STARTTLS"
  | "CHECK"
  | "CLOSE"
  | "UNSELECT"
  | "IDLE"
  | "NAMESPACE";

export interface PlainCommand {
  readonly name: PlainName;
  readonly tag: string;
}

export function parsePlain(cursor: Cursor, name: PlainName): PlainCommand {
  return { name, tag: cursor.tag };
}

/** RFC 9051 §6.2.3 */
export interface LoginCommand {
  readonly name: "LOGIN";
  readonly tag: string;
  readonly user: string;
  readonly password: string;
}

export function parseLogin(cursor: Cursor): LoginCommand {
  cursor.space();
  const user = cursor.text();
  cursor.space();
  return { name: "LOGIN", tag: cursor.tag, user, password: cursor.text() };
}

/** RFC 9051 §6.2.2 */
export interface AuthenticateCommand {
  readonly name: "AUTHENTICATE";
  readonly tag: string;
  /** In capitals. */
  readonly mechanism: string;
  /** The decoded initial response, null where the client sent none. */
  readonly initial: Uint8Array | null;
}

export function parseAuthenticate(cursor: Cursor): AuthenticateCommand {
  cursor.space();
  const mechanism = cursor.keyword("a mechanism");
  if (cursor.done) return { name: "AUTHENTICATE", tag: cursor.tag, mechanism, initial: null };
  cursor.space();
  const text = cursor.asciiRest();
  if (text === "") cursor.fail("Expected an initial response");
  const initial = text === "=" ? noBytes : (decodeBase64(text) ?? cursor.fail("Not base64"));
  return { name: "AUTHENTICATE", tag: cursor.tag, mechanism, initial };
}

/**
 * A client's line within AUTHENTICATE: the decoded response, or null for `*`, which cancels.
 * Throws `ImapSyntaxError` where it is not base64. RFC 9051 §6.2.2
 */
export function decodeSaslLine(line: Uint8Array): Uint8Array | null {
  if (line.length === 1 && line[0] === octet.star) return null;
  if (line.length > limits.commandLineBytesMax) throw new ImapSyntaxError("Line too long");
  const response = decodeBase64(latin1(line));
  if (response === undefined) throw new ImapSyntaxError("Not base64");
  return response;
}

/** True for the line that ends IDLE. RFC 9051 §6.3.13 */
export function isDoneLine(line: Uint8Array): boolean {
  return line.length === 4 && latin1(line).toUpperCase() === "DONE";
}

/** RFC 2971 §3.1 */
export interface IdCommand {
  readonly name: "ID";
  readonly tag: string;
  /** Field and value pairs, null for NIL. */
  readonly fields: ReadonlyArray<readonly [field: string, value: string | null]> | null;
}

export function parseId(cursor: Cursor): IdCommand {
  cursor.space();
  if (cursor.skipKeyword("NIL")) return { name: "ID", tag: cursor.tag, fields: null };
  const pair = (): readonly [string, string | null] => {
    const field = fromUtf8(cursor.string());
    cursor.space();
    const value = cursor.nstring();
    return [field, value === null ? null : fromUtf8(value)];
  };
  return { name: "ID", tag: cursor.tag, fields: cursor.list(pair, true) };
}

/** RFC 9051 §6.3.1 */
export interface EnableCommand {
  readonly name: "ENABLE";
  readonly tag: string;
  /** In capitals; unknown ones are to be ignored. */
  readonly capabilities: readonly string[];
}

export function parseEnable(cursor: Cursor): EnableCommand {
  const capabilities: string[] = [];
  do {
    cursor.space();
    capabilities.push(cursor.keyword("a capability"));
  } while (!cursor.done);
  return { name: "ENABLE", tag: cursor.tag, capabilities };
}

/** RFC 4978 §3 */
export interface CompressCommand {
  readonly name: "COMPRESS";
  readonly tag: string;
  /** In capitals. */
  readonly algorithm: string;
}

export function parseCompress(cursor: Cursor): CompressCommand {
  cursor.space();
  return { name: "COMPRESS", tag: cursor.tag, algorithm: cursor.keyword("an algorithm") };
}
