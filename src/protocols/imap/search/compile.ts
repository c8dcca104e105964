import { unreachable } from "#base/assert.ts";
import {
  addressText,
  decodeCharset,
  decodeHeaderText,
  type Envelope,
  foldCase,
  headerTexts,
  TextSearch,
} from "#message/index.ts";
import { flagBits, type MailboxState } from "#store/index.ts";
import { noRanges, type Ranges, rangesContain, resolveSet } from "#wire/index.ts";
import type { SearchKey, SequenceSet } from "#wire/index.ts";
import { emailId, threadId } from "../object-ids.ts";
import type { Session } from "../session.ts";
import { combine, no, type SearchNode, type Truth, unknown, yes } from "./program.ts";
import type { Subject } from "./subject.ts";

const dayMs = 86_400_000;
/** A zone moves the day of a Date field by no more than this against UTC. */
const zoneDaysMax = 5;

/** What is to be evaluated, and over which messages. */
export interface Program {
  readonly root: SearchNode;
  /** Only messages in these ranges of uids can match. */
  readonly within: Ranges;
  /** All of them match. */
  readonly all: boolean;
}

/**
 * Prepares a search program for the mailbox as the session sees it now.
 *
 * @param charset of its strings, one that `knowsCharset` knows
 * Errors: `Refusal` LIMIT for a string that is too long.
 */
export function compileSearch(session: Session, key: SearchKey, charset: string): Program {
  const compiler = new Compiler(session, charset);
  const keys = key.key === "AND" ? key.keys : [key];
  // One set of the outermost conjunction bounds the walk; there is always the whole view.
  const bound = keys.find((each) => each.key === "SEQ" || each.key === "UID");
  const all = session.view.clip(Uint32Array.of(1, 0xffff_ffff));
  const within = bound === undefined ? all : compiler.uidsOf(bound as SetKey);
  const others = keys
    .filter((each) => each !== bound)
    .map((each) => compiler.compile(each))
    .filter((node) => node !== always);
  return { root: combine("and", others), within, all: others.length === 0 };
}

type SetKey = Extract<SearchKey, { set: SequenceSet }>;
type KeyOf<K extends SearchKey["key"]> = Extract<SearchKey, { key: K }>;

class Compiler {
  readonly #session: Session;
  readonly #mailbox: MailboxState;
  readonly #charset: string;

  constructor(session: Session, charset: string) {
    this.#session = session;
    this.#mailbox = session.view.mailbox;
    this.#charset = charset;
  }

  compile(key: SearchKey): SearchNode {
    switch (key.key) {
      case "AND":
        return combine(
          "and",
          key.keys.map((each) => this.compile(each)),
        );
      case "OR":
        return combine("or", [this.compile(key.left), this.compile(key.right)]);
      case "NOT":
        return { kind: "not", of: this.compile(key.of) };
      case "ALL":
      case "SAVEDATESUPPORTED":
        return always;
      case "RECENT":
        return this.#recent();
      case "FLAG":
        return this.#flag(key);
      case "SEQ":
      case "UID": {
        const uids = this.uidsOf(key);
        return columns(({ rows, row }) => rangesContain(uids, rows.uid[row]!));
      }
      case "LARGER":
        return columns(({ messages, message }) => messages.size[message]! > key.size);
      case "SMALLER":
        return columns(({ messages, message }) => messages.size[message]! < key.size);
      case "OLDER":
      case "YOUNGER":
        return this.#within(key);
      case "MODSEQ":
        return columns(({ rows, row }) => rows.modseq[row]! >= key.modSeq);
      case "EMAILID":
      case "THREADID":
        return this.#objectId(key);
      case "BODY":
      case "TEXT": {
        const scope = key.key === "TEXT" ? "text" : "body";
        return { kind: "text", scope, search: this.#text(key.value) };
      }
      case "HEADER":
        return this.#header(key.field.toLowerCase(), key.value);
      case "BCC":
      case "CC":
      case "FROM":
      case "SUBJECT":
      case "TO":
        return this.#header(key.key.toLowerCase(), key.value);
      default:
        return dateNode(key);
    }
  }

  /** Numbers that do not exist mean no message here: a search finds nothing, it does not fail. */
  uidsOf(key: SetKey): Ranges {
    const { view } = this.#session;
    if (key.key === "UID" || key.set.saved) return this.#session.resolve(key.set, true);
    const { count } = view;
    if (count === 0) return noRanges;
    const seqs = resolveSet(key.set, count);
    const uids: number[] = [];
    for (let i = 0; i < seqs.length && seqs[i]! <= count; i += 2)
      uids.push(view.uidOfSeq(seqs[i]!), view.uidOfSeq(Math.min(seqs[i + 1]!, count)));
    return Uint32Array.from(uids);
  }

  #text(value: Uint8Array): TextSearch {
    return new TextSearch(decodeCharset(value, this.#charset));
  }

  /** There is no \Recent in IMAP4rev2. RFC 9051 Appendix E */
  #recent(): SearchNode {
    const floor = this.#session.enabled.rev2 ? Infinity : this.#session.view.recentFloor;
    return columns(({ rows, row }) => rows.uid[row]! >= floor);
  }

  #flag({ flag, set }: KeyOf<"FLAG">): SearchNode {
    const bit = (flagBits as Readonly<Record<string, number>>)[flag];
    if (bit !== undefined)
      return columns(({ rows, row }) => ((rows.flags[row]! & bit) !== 0) === set);
    const { keywordSets } = this.#mailbox;
    const id = this.#mailbox.keywordId(flag);
    return columns(({ rows, row }) => keywordSets[rows.keywordSet[row]!]!.includes(id) === set);
  }

  /** RFC 5032 §3 */
  #within({ key, seconds }: KeyOf<"OLDER" | "YOUNGER">): SearchNode {
    const limit = this.#session.clock.now() - seconds * 1000;
    return key === "OLDER"
      ? columns(({ messages, message }) => messages.internalDate[message]! <= limit)
      : columns(({ messages, message }) => messages.internalDate[message]! >= limit);
  }

  /** RFC 8474 §5.3 */
  #objectId({ key, id }: KeyOf<"EMAILID" | "THREADID">): SearchNode {
    const account = this.#session.account.state.id;
    const number = Number(/[0-9]+$/.exec(id)?.[0] ?? "0");
    const known = key === "EMAILID" ? emailId(account, number) : threadId(account, number);
    if (known !== id) return never;
    return key === "EMAILID"
      ? columns(({ messages, message }) => messages.number[message] === number)
      : columns(({ messages, message }) => messages.thread[message] === number);
  }

  /**
   * Fields of the ENVELOPE are looked for there; where a field comes twice, only its first value is.
   * RFC 9051 §6.4.4 (HEADER)
   */
  #header(field: string, value: Uint8Array): SearchNode {
    const search = this.#text(value);
    const early = envelopeFilter(decodeCharset(value, this.#charset));
    const inText = (text: string | undefined): boolean =>
      text !== undefined && search.inText(decodeHeaderText(text));
    const envelope = (test: (envelope: Envelope) => boolean): SearchNode => ({
      kind: "envelope",
      early,
      test,
    });
    switch (field) {
      case "from":
      case "to":
      case "cc":
      case "bcc":
        return envelope((found) => found[field].some((each) => search.inText(addressText(each))));
      case "subject":
      case "date":
        return envelope((found) => inText(found[field]));
      case "message-id":
        return envelope(({ messageId }) => inText(messageId));
      case "in-reply-to":
        return envelope(({ inReplyTo }) => inText(inReplyTo));
      default:
        return {
          kind: "header",
          test: (header) => headerTexts(header, field).some((text) => search.inText(text)),
        };
    }
  }
}

/**
 * False for an envelope (`Subject.plainEnvelope`) no decoded field of which can contain `needle`:
 * letters and digits that stand together there stand together in the stored form as well, but in
 * encoded words and where characters beyond ASCII decompose.
 */
function envelopeFilter(needle: string): (plain: string | undefined) => boolean {
  const runs = foldCase(needle).match(/[A-Z0-9]+/g) ?? [];
  const longest = runs.reduce((best, run) => (run.length > best.length ? run : best), "");
  return (plain) => plain === undefined || plain.includes(longest);
}

function columns(test: (subject: Subject) => boolean): SearchNode {
  return { kind: "columns", test };
}

const always = columns(() => true);
const never = columns(() => false);

/** Days are those of UTC, in which INTERNALDATE is shown as well. RFC 9051 §6.4.4, RFC 8514 §4.3 */
function dateNode(key: Extract<SearchKey, { day: number }>): SearchNode {
  const { day } = key;
  const internalDay = ({ messages, message }: Subject): number =>
    Math.floor(messages.internalDate[message]! / dayMs);
  const savedDay = ({ rows, row }: Subject): number =>
    Math.floor((rows.savedAt[row]! * 1000) / dayMs);
  switch (key.key) {
    case "BEFORE":
      return columns((subject) => internalDay(subject) < day);
    case "ON":
      return columns((subject) => internalDay(subject) === day);
    case "SINCE":
      return columns((subject) => internalDay(subject) >= day);
    case "SAVEDBEFORE":
      return columns((subject) => savedDay(subject) < day);
    case "SAVEDON":
      return columns((subject) => savedDay(subject) === day);
    case "SAVEDSINCE":
      return columns((subject) => savedDay(subject) >= day);
    case "SENTBEFORE":
      return sentNode(day, (sent) => sent < day);
    case "SENTON":
      return sentNode(day, (sent) => sent === day);
    case "SENTSINCE":
      return sentNode(day, (sent) => sent >= day);
    default:
      return unreachable(key.key);
  }
}

/** The day in the zone of the sender; far from `day` the column with the instant decides. */
function sentNode(day: number, test: (sent: number) => boolean): SearchNode {
  return {
    kind: "fields",
    test: ({ fields }) => fields!.sentDay !== undefined && test(fields!.sentDay),
    early({ messages, message }): Truth {
      const sent = Math.floor(messages.sentDate[message]! / dayMs);
      if (Number.isNaN(sent)) return no;
      if (Math.abs(sent - day) <= zoneDaysMax) return unknown;
      return test(sent) ? yes : no;
    },
  };
}
