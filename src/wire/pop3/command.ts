/** Commands of POP3 as values. RFC 1939 §3, RFC 2449 §4 */
import { latin1, noBytes, tryUtf8 } from "../../base/bytes.ts";
import { decodeBase64 } from "../base64.ts";

/** A line that is no command; its message is the answer. */
export class Pop3SyntaxError extends Error {
  override readonly name = "Pop3SyntaxError";
}

const plainNames = ["STAT", "NOOP", "RSET", "QUIT", "CAPA", "STLS", "UTF8"] as const;

export type Pop3Command =
  | { readonly name: (typeof plainNames)[number] }
  | { readonly name: "USER"; readonly user: string }
  | { readonly name: "PASS"; readonly password: string }
  | Pop3AuthCommand
  /** `message` null: all of them. */
  | { readonly name: "LIST" | "UIDL"; readonly message: number | null }
  | { readonly name: "RETR" | "DELE"; readonly message: number }
  | { readonly name: "TOP"; readonly message: number; readonly lines: number }
  /** `range` null: a list of the languages is asked for. RFC 6856 §3 */
  | { readonly name: "LANG"; readonly range: string | null };

/** RFC 5034 §4 */
export interface Pop3AuthCommand {
  readonly name: "AUTH";
  /** In capitals. */
  readonly mechanism: string;
  /** The decoded initial response, null where the client sent none. */
  readonly initial: Uint8Array | null;
}

/** @param line without CRLF. Errors: `Pop3SyntaxError`. */
export function parsePop3Command(line: Uint8Array): Pop3Command {
  const space = line.indexOf(0x20);
  const name = latin1(line, 0, space < 0 ? line.length : space).toUpperCase();
  const rest = space < 0 ? undefined : line.subarray(space + 1);
  if (name === "USER") return { name, user: text(rest, "a user name") };
  if (name === "PASS") return { name, password: text(rest, "a password") };
  const words = rest === undefined ? [] : latin1(rest).split(" ").filter(Boolean);
  return commandOf(name, words);
}

function commandOf(name: string, words: readonly string[]): Pop3Command {
  switch (name) {
    case "LIST":
    case "UIDL":
      atMost(words, 1);
      return { name, message: words[0] === undefined ? null : messageNumber(words[0]) };
    case "RETR":
    case "DELE":
      atMost(words, 1);
      return { name, message: messageNumber(words[0]) };
    case "TOP":
      atMost(words, 2);
      return { name, message: messageNumber(words[0]), lines: number(words[1], "lines") };
    case "LANG":
      atMost(words, 1);
      return { name, range: words[0] ?? null };
    case "AUTH":
      return authCommand(words);
  }
  const plain = plainNames.find((other) => other === name);
  if (plain === undefined) throw new Pop3SyntaxError("Unknown command");
  atMost(words, 0);
  return { name: plain };
}

/** Names and passwords may hold spaces, and are UTF-8. RFC 1939 §7, RFC 6856 §2.2 */
function text(rest: Uint8Array | undefined, what: string): string {
  if (rest === undefined || rest.length === 0) throw new Pop3SyntaxError(`Expected ${what}`);
  const decoded = tryUtf8(rest);
  if (decoded === undefined) throw new Pop3SyntaxError("Not UTF-8");
  return decoded;
}

function atMost(words: readonly string[], count: number): void {
  if (words.length > count) throw new Pop3SyntaxError("Too many arguments");
}

function number(word: string | undefined, what: string): number {
  if (word === undefined) throw new Pop3SyntaxError(`Expected a number of ${what}`);
  if (!/^\d{1,10}$/.test(word)) throw new Pop3SyntaxError("Not a number");
  return Number(word);
}

/** RFC 1939 §3: message numbers begin with 1; whether there is such a message is asked later. */
function messageNumber(word: string | undefined): number {
  return number(word, "a message");
}

function authCommand(words: readonly string[]): Pop3AuthCommand {
  const [mechanism, initial] = words;
  atMost(words, 2);
  if (mechanism === undefined || !/^[\w-]{1,20}$/.test(mechanism))
    throw new Pop3SyntaxError("Expected a mechanism");
  return {
    name: "AUTH",
    mechanism: mechanism.toUpperCase(),
    initial: initial === undefined ? null : base64(initial === "=" ? "" : initial),
  };
}

function base64(text: string): Uint8Array {
  if (text === "") return noBytes;
  const decoded = decodeBase64(text);
  if (decoded === undefined) throw new Pop3SyntaxError("Not base64");
  return decoded;
}

/**
 * A client's line within AUTH: the decoded response, or null for `*`, which cancels.
 * Errors: `Pop3SyntaxError`. RFC 5034 §4
 */
export function decodePop3SaslLine(line: Uint8Array): Uint8Array | null {
  const text = latin1(line);
  return text === "*" ? null : base64(text);
}
