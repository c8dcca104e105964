/** What the tests of this folder share. */
import assert from "node:assert/strict";
import { fromLatin1, latin1 } from "../../base/bytes.ts";
import type { Command, CommandName } from "./command.ts";
import type { DecodeEvent } from "./decoder.ts";
import { CommandDecoder } from "./decoder.ts";

export interface DecodeOptions {
  readonly utf8?: boolean;
  /** Octets per push; a number or one call per push. */
  readonly pieces?: number | (() => number);
}

/** All events of an input; neighbouring pieces of message data are joined. */
export function decodeAll(input: Uint8Array, options: DecodeOptions = {}): DecodeEvent[] {
  const decoder = new CommandDecoder();
  decoder.utf8 = options.utf8 ?? false;
  const pieces = options.pieces ?? input.length;
  const events: DecodeEvent[] = [];
  for (let at = 0; at < input.length;) {
    const count = Math.max(1, typeof pieces === "number" ? pieces : pieces());
    decoder.push(Uint8Array.from(input.subarray(at, at + count)));
    at += count;
    for (let event = decoder.next(); event.kind !== "more"; event = decoder.next()) {
      const last = events.at(-1);
      if (event.kind === "append-data" && last?.kind === "append-data")
        events[events.length - 1] = {
          kind: "append-data",
          bytes: Buffer.concat([last.bytes, event.bytes]),
        };
      else events.push(event);
      if (event.kind === "fatal") return events;
    }
  }
  return events;
}

/** Views and copies of octets compare equal in this form. */
export function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return `octets:${latin1(value)}`;
  if (value instanceof Uint32Array) return [...value];
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, of]) => [name, plain(of)]));
}

/** The one command that a line (without CRLF, literals in place) decodes to, in plain form. */
export function decodeOne(line: string, options: DecodeOptions = {}): unknown {
  const bytes = fromLatin1(`${line}\r\n`);
  const whole = decodeAll(bytes, options);
  const single = decodeAll(bytes, { ...options, pieces: 1 });
  assert.deepEqual(plain(single), plain(whole), "The same, octet by octet");
  const events = whole.filter((event) => event.kind !== "continue");
  assert.equal(events.length, 1, `One event for ${line}: ${JSON.stringify(plain(events))}`);
  return plain(events[0]);
}

/** The command of a line, in plain form. */
export function commandOf(line: string, options: DecodeOptions = {}): Record<string, unknown> {
  const event = decodeOne(line, options) as { kind: string; command?: Record<string, unknown> };
  assert.equal(event.kind, "command", `${line}: ${JSON.stringify(event)}`);
  return event.command!;
}

/** The text of the syntax error that a line is. */
export function errorOf(line: string, options: DecodeOptions = {}): string {
  const event = decodeOne(line, options) as { kind: string; text?: string };
  assert.equal(event.kind, "error", `${line}: ${JSON.stringify(event)}`);
  return event.text!;
}

/** A line of each command, for fuzzing and for the check that none is forgotten. */
export const samples: Readonly<Record<CommandName | Command["name"], readonly string[]>> = {
  APPEND: [
    'APPEND INBOX (\\Seen $a) "17-Jul-1996 02:44:25 -0700" {5+}\r\nhello {3+}\r\nabc',
    "APPEND box UTF8 (~{5+}\r\nhello)",
    "APPEND {5+}\r\nINBOX ~{2+}\r\n\0\0",
  ],
  AUTHENTICATE: ["AUTHENTICATE PLAIN", "AUTHENTICATE plain AGEAYg==", "AUTHENTICATE EXTERNAL ="],
  CAPABILITY: ["CAPABILITY"],
  CHECK: ["CHECK"],
  CLOSE: ["CLOSE"],
  COMPRESS: ["COMPRESS DEFLATE"],
  COPY: ["COPY 1:* Sent", "UID COPY $ {4+}\r\nSent"],
  CREATE: ["CREATE box", "CREATE box (USE (\\Sent \\drafts))"],
  DELETE: ['DELETE "a b"'],
  ENABLE: ["ENABLE CONDSTORE qresync"],
  EXAMINE: ["EXAMINE box (CONDSTORE)"],
  EXPUNGE: ["EXPUNGE", "UID EXPUNGE 3000:*"],
  FETCH: [
    "FETCH 1:*,5 (UID FLAGS BODY.PEEK[HEADER.FIELDS (From {2+}\r\nTo)]<0.10>)",
    "UID FETCH 1 (PREVIEW (LAZY) BINARY[1.2]<0.5>) (CHANGEDSINCE 5 VANISHED)",
    "FETCH 1 ALL",
  ],
  GETQUOTA: ['GETQUOTA ""'],
  GETQUOTAROOT: ["GETQUOTAROOT INBOX"],
  ID: ['ID ("name" "x" "version" NIL)', "ID NIL"],
  IDLE: ["IDLE"],
  LIST: [
    'LIST "" *',
    'LIST (SUBSCRIBED RECURSIVEMATCH) "" (a% "b*") RETURN (CHILDREN STATUS (MESSAGES SIZE))',
  ],
  LOGIN: ['LOGIN alice "se\\"cret"', "LOGIN {5+}\r\nalice {3+}\r\nabc"],
  LOGOUT: ["LOGOUT"],
  LSUB: ['LSUB "" "%"'],
  MOVE: ["MOVE 1,3:5 Trash", "UID MOVE 7 Trash"],
  NAMESPACE: ["NAMESPACE"],
  NOOP: ["NOOP"],
  RENAME: ["RENAME a b&AOk-"],
  SEARCH: [
    'UID SEARCH RETURN (MIN COUNT) CHARSET UTF-8 OR (FROM a NOT SUBJECT "b") 1:5 UNSEEN',
    "SEARCH RETURN (PARTIAL -1:-100) SINCE 1-Feb-1994 MODSEQ 5 HEADER X {1+}\r\ny",
  ],
  SELECT: ["SELECT INBOX", "SELECT box (QRESYNC (67890007 20050715 41,43:211 (1:2 41,43)))"],
  SETQUOTA: ['SETQUOTA "" (STORAGE 512)'],
  SORT: ["UID SORT (REVERSE DATE SUBJECT) UTF-8 ALL"],
  STARTTLS: ["STARTTLS"],
  STATUS: ["STATUS box (MESSAGES UIDNEXT)"],
  STORE: ["STORE 1:3 +FLAGS.SILENT (\\Seen a)", "UID STORE 1 (UNCHANGEDSINCE 0) FLAGS \\Seen b"],
  SUBSCRIBE: ["SUBSCRIBE box"],
  THREAD: ["UID THREAD REFERENCES UTF-8 SINCE 1-Feb-1994"],
  UNSELECT: ["UNSELECT"],
  UNSUBSCRIBE: ["UNSUBSCRIBE box"],
};
