/** SEARCH, SORT and THREAD: programs and their return options. */
import { latin1 } from "../../base/bytes.ts";
import { limits } from "../../base/limits.ts";
import type { Cursor } from "./cursor.ts";
import { readDay } from "./dates.ts";
import type { SequenceSet } from "./sequence-set.ts";

/**
 * A search program. Strings are octets in the charset of the command. Shorthands are resolved:
 * UNSEEN is FLAG without, NEW is RECENT and not seen, OLD is not RECENT.
 * RFC 9051 §6.4.4, RFC 5032 §2, RFC 7162 §3.1.5, RFC 8474 §6, RFC 8514 §4.3
 */
export type SearchKey =
  | { readonly key: "ALL" | "RECENT" | "SAVEDATESUPPORTED" }
  | { readonly key: "AND"; readonly keys: readonly SearchKey[] }
  | { readonly key: "OR"; readonly left: SearchKey; readonly right: SearchKey }
  | { readonly key: "NOT"; readonly of: SearchKey }
  /** Messages with the flag or keyword (`set`), or without it. */
  | { readonly key: "FLAG"; readonly flag: string; readonly set: boolean }
  | { readonly key: "SEQ" | "UID"; readonly set: SequenceSet }
  | { readonly key: StringKey; readonly value: Uint8Array }
  /** `field` as the client wrote it; an empty value asks for the presence of the field. */
  | { readonly key: "HEADER"; readonly field: string; readonly value: Uint8Array }
  /** Days since 1970-01-01. */
  | { readonly key: DateKey; readonly day: number }
  | { readonly key: "LARGER" | "SMALLER"; readonly size: number }
  | { readonly key: "OLDER" | "YOUNGER"; readonly seconds: number }
  | { readonly key: "MODSEQ"; readonly modSeq: number; readonly entry: ModSeqEntry | null }
  | { readonly key: "EMAILID" | "THREADID"; readonly id: string };

type StringKey = "BCC" | "BODY" | "CC" | "FROM" | "SUBJECT" | "TEXT" | "TO";
type DateKey =
  | "BEFORE"
  | "ON"
  | "SINCE"
  | "SENTBEFORE"
  | "SENTON"
  | "SENTSINCE"
  | "SAVEDBEFORE"
  | "SAVEDON"
  | "SAVEDSINCE";

/** The metadata item a MODSEQ key asks about; this server has one mod-sequence for all of them. */
export interface ModSeqEntry {
  /** Such as `/flags/\\Seen`. */
  readonly entry: string;
  readonly type: "priv" | "shared" | "all";
}

/** RFC 9051 §6.4.4, RFC 5182 §2, RFC 9394 §3.1 */
export interface SearchReturn {
  readonly min: boolean;
  readonly max: boolean;
  readonly all: boolean;
  readonly count: boolean;
  readonly save: boolean;
  /** Positions in the result from 1; both negative: counted from its end, -1 the last. */
  readonly partial: { readonly from: number; readonly to: number } | null;
}

export interface SearchCommand {
  readonly name: "SEARCH";
  readonly tag: string;
  readonly uid: boolean;
  /** Null: the old form of response. */
  readonly returns: SearchReturn | null;
  /** In capitals, null where the client named none. */
  readonly charset: string | null;
  readonly program: SearchKey;
}

type Reader = (cursor: Cursor, depth: SearchDepth) => SearchKey;

/** Depth of nesting, and the number of keys so far. */
class SearchDepth {
  level = 0;
  keys = 0;
}

function readString(key: StringKey): Reader {
  return (cursor) => {
    cursor.space();
    return { key, value: cursor.astring() };
  };
}

function readDate(key: DateKey): Reader {
  return (cursor) => {
    cursor.space();
    return { key, day: readDay(cursor) };
  };
}

function readFlag(flag: string, set: boolean): Reader {
  const value: SearchKey = { key: "FLAG", flag, set };
  return () => value;
}

function readKeyword(set: boolean): Reader {
  return (cursor) => {
    cursor.space();
    return { key: "FLAG", flag: cursor.atom("a keyword"), set };
  };
}

function readHeader(cursor: Cursor): SearchKey {
  cursor.space();
  const field = latin1(cursor.astring());
  cursor.space();
  return { key: "HEADER", field, value: cursor.astring() };
}

// RFC 7162 §3.1.5
function readModSeq(cursor: Cursor): SearchKey {
  cursor.space();
  let entry: ModSeqEntry | null = null;
  if (cursor.peek() === 0x22) {
    const name = latin1(cursor.string());
    cursor.space();
    const type = cursor.keyword("an entry type").toLowerCase();
    if (type !== "priv" && type !== "shared" && type !== "all") cursor.fail("Unknown entry type");
    entry = { entry: name, type };
    cursor.space();
  }
  return { key: "MODSEQ", modSeq: cursor.modSeqOrZero(), entry };
}

function readSize(key: "LARGER" | "SMALLER"): Reader {
  return (cursor) => {
    cursor.space();
    return { key, size: cursor.number64() };
  };
}

function readWithin(key: "OLDER" | "YOUNGER"): Reader {
  return (cursor) => {
    cursor.space();
    return { key, seconds: cursor.nzNumber() };
  };
}

function readObjectId(key: "EMAILID" | "THREADID"): Reader {
  return (cursor) => {
    cursor.space();
    return { key, id: latin1(cursor.astring()) };
  };
}

function readOr(cursor: Cursor, depth: SearchDepth): SearchKey {
  cursor.space();
  const left = readKey(cursor, depth);
  cursor.space();
  return { key: "OR", left, right: readKey(cursor, depth) };
}

function readNot(cursor: Cursor, depth: SearchDepth): SearchKey {
  cursor.space();
  return { key: "NOT", of: readKey(cursor, depth) };
}

function readUid(cursor: Cursor): SearchKey {
  cursor.space();
  return { key: "UID", set: cursor.sequenceSet() };
}

const recent: SearchKey = { key: "RECENT" };
const unseen: SearchKey = { key: "FLAG", flag: "\\Seen", set: false };

const readers: ReadonlyMap<string, Reader> = new Map<string, Reader>([
  ["ALL", () => ({ key: "ALL" })],
  ["ANSWERED", readFlag("\\Answered", true)],
  ["UNANSWERED", readFlag("\\Answered", false)],
  ["DELETED", readFlag("\\Deleted", true)],
  ["UNDELETED", readFlag("\\Deleted", false)],
  ["DRAFT", readFlag("\\Draft", true)],
  ["UNDRAFT", readFlag("\\Draft", false)],
  ["FLAGGED", readFlag("\\Flagged", true)],
  ["UNFLAGGED", readFlag("\\Flagged", false)],
  ["SEEN", readFlag("\\Seen", true)],
  ["UNSEEN", readFlag("\\Seen", false)],
  ["KEYWORD", readKeyword(true)],
  ["UNKEYWORD", readKeyword(false)],
  ["RECENT", () => recent],
  ["NEW", () => ({ key: "AND", keys: [recent, unseen] })],
  ["OLD", () => ({ key: "NOT", of: recent })],
  ["BCC", readString("BCC")],
  ["BODY", readString("BODY")],
  ["CC", readString("CC")],
  ["FROM", readString("FROM")],
  ["SUBJECT", readString("SUBJECT")],
  ["TEXT", readString("TEXT")],
  ["TO", readString("TO")],
  ["HEADER", readHeader],
  ["BEFORE", readDate("BEFORE")],
  ["ON", readDate("ON")],
  ["SINCE", readDate("SINCE")],
  ["SENTBEFORE", readDate("SENTBEFORE")],
  ["SENTON", readDate("SENTON")],
  ["SENTSINCE", readDate("SENTSINCE")],
  ["SAVEDBEFORE", readDate("SAVEDBEFORE")],
  ["SAVEDON", readDate("SAVEDON")],
  ["SAVEDSINCE", readDate("SAVEDSINCE")],
  ["SAVEDATESUPPORTED", () => ({ key: "SAVEDATESUPPORTED" })],
  ["LARGER", readSize("LARGER")],
  ["SMALLER", readSize("SMALLER")],
  ["OLDER", readWithin("OLDER")],
  ["YOUNGER", readWithin("YOUNGER")],
  ["MODSEQ", readModSeq],
  ["EMAILID", readObjectId("EMAILID")],
  ["THREADID", readObjectId("THREADID")],
  ["UID", readUid],
  ["OR", readOr],
  ["NOT", readNot],
]);

function readKey(cursor: Cursor, depth: SearchDepth): SearchKey {
  if (++depth.keys > limits.searchKeysMax) cursor.fail("Too many search keys", "LIMIT");
  const byte = cursor.peek();
  if (byte === 0x2a || byte === 0x24 || (byte >= 0x30 && byte <= 0x39))
    return { key: "SEQ", set: cursor.sequenceSet() };
  if (++depth.level > limits.nestingMax) cursor.fail("Search nested too deeply", "LIMIT");
  let key: SearchKey;
  if (byte === 0x28) {
    const keys = cursor.list(() => readKey(cursor, depth));
    key = keys.length === 1 ? keys[0]! : { key: "AND", keys };
  } else {
    const read = readers.get(cursor.keyword("a search key"));
    if (read === undefined) cursor.fail("Unknown search key");
    key = read(cursor, depth);
  }
  depth.level--;
  return key;
}

function readProgram(cursor: Cursor): SearchKey {
  const depth = new SearchDepth();
  const keys: SearchKey[] = [];
  do keys.push(readKey(cursor, depth));
  while (cursor.skipByte(0x20));
  return keys.length === 1 ? keys[0]! : { key: "AND", keys };
}

function readPosition(cursor: Cursor): number {
  return cursor.skipByte(0x2d) ? -cursor.nzNumber() : cursor.nzNumber();
}

// RFC 9394 §3.1: both ends count from the same side.
function readPartialRange(cursor: Cursor): { from: number; to: number } {
  cursor.space();
  const a = readPosition(cursor);
  cursor.byte(0x3a);
  const b = readPosition(cursor);
  if (a < 0 !== b < 0) cursor.fail("Both ends of a range count from the same side");
  const swap = Math.abs(a) > Math.abs(b);
  return swap ? { from: b, to: a } : { from: a, to: b };
}

/** Reads `RETURN (...) ` if it comes next. RFC 9051 §9 (search-return-opts) */
function readReturn(cursor: Cursor): SearchReturn | null {
  if (!cursor.skipKeyword("RETURN")) return null;
  cursor.space();
  const chosen = new Set<string>();
  let partial: SearchReturn["partial"] = null;
  cursor.list(() => {
    const option = cursor.keyword("a return option");
    if (option === "PARTIAL" && partial === null) partial = readPartialRange(cursor);
    else if (!["MIN", "MAX", "ALL", "COUNT", "SAVE"].includes(option))
      cursor.fail("Unknown or repeated option");
    chosen.add(option);
  }, true);
  cursor.space();
  // RFC 9394 §3.1: ALL and PARTIAL exclude each other.
  if (chosen.has("ALL") && partial !== null) cursor.fail("ALL and PARTIAL exclude each other");
  return {
    min: chosen.has("MIN"),
    max: chosen.has("MAX"),
    // RFC 9051 §6.4.4: no option means ALL.
    all: chosen.has("ALL") || chosen.size === 0,
    count: chosen.has("COUNT"),
    save: chosen.has("SAVE"),
    partial,
  };
}

function readCharset(cursor: Cursor): string {
  return latin1(cursor.astring()).toUpperCase();
}

export function parseSearch(cursor: Cursor): SearchCommand {
  cursor.space();
  const returns = readReturn(cursor);
  let charset: string | null = null;
  if (cursor.skipKeyword("CHARSET")) {
    cursor.space();
    charset = readCharset(cursor);
    cursor.space();
  }
  const program = readProgram(cursor);
  return { name: "SEARCH", tag: cursor.tag, uid: cursor.uid, returns, charset, program };
}

const sortKeys = ["ARRIVAL", "CC", "DATE", "FROM", "SIZE", "SUBJECT", "TO"] as const;

/** RFC 5256 §3 */
export interface SortCriterion {
  readonly key: (typeof sortKeys)[number];
  readonly reverse: boolean;
}

export interface SortCommand {
  readonly name: "SORT";
  readonly tag: string;
  readonly uid: boolean;
  /** RFC 5267 §3 */
  readonly returns: SearchReturn | null;
  /** At least one, the most significant first. */
  readonly criteria: readonly SortCriterion[];
  /** In capitals. */
  readonly charset: string;
  readonly program: SearchKey;
}

function readCriterion(cursor: Cursor): SortCriterion {
  let name = cursor.keyword("a sort key");
  const reverse = name === "REVERSE";
  if (reverse) {
    cursor.space();
    name = cursor.keyword("a sort key");
  }
  const key = sortKeys.find((known) => known === name) ?? cursor.fail("Unknown sort key");
  return { key, reverse };
}

export function parseSort(cursor: Cursor): SortCommand {
  cursor.space();
  const returns = readReturn(cursor);
  const criteria = cursor.list(() => readCriterion(cursor));
  cursor.space();
  const charset = readCharset(cursor);
  cursor.space();
  const program = readProgram(cursor);
  const { tag, uid } = cursor;
  return { name: "SORT", tag, uid, returns, criteria, charset, program };
}

/** RFC 5256 §3 */
export interface ThreadCommand {
  readonly name: "THREAD";
  readonly tag: string;
  readonly uid: boolean;
  /** In capitals; the session knows which there are. */
  readonly algorithm: string;
  /** In capitals. */
  readonly charset: string;
  readonly program: SearchKey;
}

export function parseThread(cursor: Cursor): ThreadCommand {
  cursor.space();
  const algorithm = cursor.keyword("an algorithm");
  cursor.space();
  const charset = readCharset(cursor);
  cursor.space();
  const program = readProgram(cursor);
  return { name: "THREAD", tag: cursor.tag, uid: cursor.uid, algorithm, charset, program };
}
