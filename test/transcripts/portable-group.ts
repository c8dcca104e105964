/** What a server sent up to an answer, beside what a transcript wants there. */
import { anything, type Values, wantedText } from "./pattern.ts";
import type { Difference, Wanted } from "./runner.ts";
import { numbersOf, sameTerm, sameTerms, type Term, termsOf, within } from "./terms.ts";

/** `number` and `code` are there where the response has them; `name` is in capitals. */
export interface Response {
  readonly kind: "untagged" | "tagged" | "continuation" | "closed";
  readonly tag: string;
  readonly name: string;
  readonly number: number | undefined;
  readonly code: { readonly name: string; readonly terms: readonly Term[] } | undefined;
  readonly terms: readonly Term[];
  readonly text: string;
}

const statuses = new Set(["OK", "NO", "BAD", "BYE", "PREAUTH"]);

/** RFC 5530 §3: they explain, and may be missing or be others. */
const explaining = new Set(
  (
    "UNAVAILABLE AUTHENTICATIONFAILED AUTHORIZATIONFAILED EXPIRED PRIVACYREQUIRED CONTACTADMIN " +
    "NOPERM INUSE EXPUNGEISSUED CORRUPTION SERVERBUG CLIENTBUG CANNOT LIMIT OVERQUOTA " +
    "ALREADYEXISTS NONEXISTENT"
  ).split(" "),
);

/** Those that an extension brings. */
const codesOf: ReadonlyMap<string, string> = new Map([
  ["APPENDUID", "UIDPLUS"],
  ["CLOSED", "QRESYNC"],
  ["COPYUID", "UIDPLUS"],
  ["HIGHESTMODSEQ", "CONDSTORE"],
  ["MAILBOXID", "OBJECTID"],
]);

/** Attributes that a server may always add. RFC 9051 §7.3.1 */
const freeAttributes = new Set(
  "\\MARKED \\UNMARKED \\HASCHILDREN \\HASNOCHILDREN \\NOINFERIORS \\SUBSCRIBED".split(" "),
);

/** FETCH items that a server may always send. RFC 9051 §7.5.2, RFC 7162 §3.2 */
const freeItems = new Set(["FLAGS", "UID", "MODSEQ"]);

/** `text` has one character per byte; null is the end of the connection. */
export function parseResponse(text: string | null): Response {
  const none = { tag: "", name: "", number: undefined, code: undefined, terms: [] };
  if (text === null || text === "<closed>") return { ...none, kind: "closed", text: "<closed>" };
  if (text.startsWith("+")) return { ...none, kind: "continuation", text };
  const [, tag = "", digits, word = "", rest = ""] =
    /^(\S+)(?: (\d+))? ([^\s[]+) ?([^]*)$/.exec(text) ?? [];
  const name = word.toUpperCase();
  const code = statuses.has(name) ? /^\[([^\s\]]+) ?([^\]]*)/.exec(rest) : null;
  return {
    kind: tag === "*" ? "untagged" : "tagged",
    tag,
    name,
    number: digits === undefined ? undefined : Number(digits),
    code: code === null ? undefined : { name: code[1]!.toUpperCase(), terms: termsOf(code[2]!) },
    terms: statuses.has(name) ? [] : termsOf(rest),
    text,
  };
}

interface Known {
  readonly values: Values;
  readonly exists: number;
  readonly recent: number;
  readonly capabilities: ReadonlySet<string>;
  /** Whether no other session has the mailbox selected. */
  readonly alone: boolean;
  /** Whatever else comes is no error. */
  readonly loose: boolean;
}

interface Received {
  readonly response: Response;
  /** The number as it was at the start of the group; of EXISTS, with all that was there then. */
  readonly first: number;
  used: boolean;
}

/** One comparison. Afterwards `exists`, `recent` and `values` are what holds behind it. */
export class Group {
  readonly #received: Received[] = [];
  readonly #known: Known;
  #loose: boolean;
  readonly #asked = new Set<string>();
  readonly #wantedGone: number[] = [];
  exists: number;
  recent: number;
  values: Values;

  constructor(received: readonly Response[], known: Known) {
    this.#known = known;
    this.#loose = known.loose;
    ({ exists: this.exists, recent: this.recent } = known);
    this.values = new Map(known.values);
    const gone: number[] = [];
    for (const response of received) {
      const first = firstNumber(response, gone);
      this.#received.push({ response, first, used: false });
      if (response.name === "EXISTS") this.exists = response.number!;
      if (response.name === "RECENT") this.recent = response.number!;
      if (response.name === "VANISHED") this.exists -= vanished(response, false).length;
      if (response.name !== "EXPUNGE") continue;
      this.exists--;
      gone.push(first);
    }
  }

  /** The differences of `server` that were met, or what is wrong. */
  compare(wanted: readonly Wanted[], server: string | undefined): Difference[] | string {
    const met: Difference[] = [];
    for (const { text, others } of wanted) {
      if (this.#take(text)) continue;
      const other = others.find(
        ({ text, difference }) =>
          (difference === undefined || difference.server === server) &&
          (text === "" || this.#take(text)),
      );
      if (other === undefined) return `expected ${text}\n   got ${this.#text()}`;
      if (/^\S+ (NO|BAD)/.test(text) && /^\S+ OK/.test(other.text)) this.#loose = true;
      if (other.difference !== undefined) met.push(other.difference);
    }
    const extra = this.#loose ? undefined : this.#received.find((one) => !this.#free(one));
    return extra === undefined ? met : `did not expect ${readable(extra.response.text)}`;
  }

  #text(): string {
    return this.#received.map(({ response }) => readable(response.text)).join("\n       ");
  }

  #take(text: string): boolean {
    const wanted = parseResponse(wantedText(text));
    const first = firstNumber(wanted, this.#wantedGone);
    if (wanted.name === "FETCH") return this.#takeFetch(wanted, first);
    if (wanted.name === "VANISHED") return this.#takeVanished(wanted);
    if (wanted.name === "EXISTS" && first === this.#known.exists) return true;
    if (wanted.name === "RECENT" && (!this.#known.alone || wanted.number === this.recent))
      return true;
    const extension = codesOf.get(wanted.code?.name ?? "");
    const announced = extension === undefined || this.#known.capabilities.has(extension);
    if (!announced && wanted.kind === "untagged") return true;
    const found = this.#received.find(
      (one) =>
        !one.used &&
        this.#try((values) =>
          same(announced ? wanted : { ...wanted, code: undefined }, first, one, values),
        ),
    );
    if (found === undefined) return false;
    found.used = true;
    if (wanted.name === "EXPUNGE") this.#wantedGone.push(first);
    return true;
  }

  #try(attempt: (values: Values) => boolean): boolean {
    const values = new Map(this.values);
    if (!attempt(values)) return false;
    this.values = values;
    return true;
  }

  #takeFetch(wanted: Response, first: number): boolean {
    const items = this.#received
      .filter((one) => one.response.name === "FETCH" && one.first === first)
      .flatMap(({ response }) => fetchItems(response));
    const asked = fetchItems(wanted);
    const found = this.#try((values) =>
      asked.every(({ name, value }) =>
        items.some((item) => {
          const trial = new Map(values);
          if (item.name !== name || !this.#sameItem(name, value, item.value, trial)) return false;
          for (const [key, bound] of trial) values.set(key, bound);
          return true;
        }),
      ),
    );
    if (found) for (const { name } of asked) this.#asked.add(`${first} ${name}`);
    return found;
  }

  #sameItem(name: string, wanted: Term, got: Term, values: Values): boolean {
    if (name === "FLAGS") {
      const counted = (term: Term): Term[] =>
        listOf(term).filter(
          (flag) => this.#known.alone || wordOf(flag).toUpperCase() !== "\\RECENT",
        );
      const [first, second] = [counted(wanted), counted(got)];
      return first.length === second.length && within(first, second, values, true);
    }
    if (name === "INTERNALDATE") return Date.parse(wordOf(wanted)) === Date.parse(wordOf(got));
    return sameTerm(wanted, got, values, name === "BODY" || name === "BODYSTRUCTURE");
  }

  #takeVanished(wanted: Response): boolean {
    const earlier = wanted.terms[0]?.kind === "list";
    const all = this.#received.filter(({ response }) => response.name === "VANISHED");
    const got = new Set(all.flatMap(({ response }) => vanished(response, earlier)));
    const uids = vanished(wanted, earlier);
    // RFC 7162 §3.2.10.1: (EARLIER) may name more than was asked for.
    if (!uids.every((uid) => got.has(uid)) || (!earlier && got.size !== uids.length)) return false;
    for (const one of all) if (vanished(one.response, earlier).length > 0) one.used = true;
    return true;
  }

  #free(one: Received): boolean {
    const { kind, name } = one.response;
    if (one.used) return true;
    if (kind !== "untagged") return false;
    if (name === "FETCH")
      return fetchItems(one.response).every(
        (item) => freeItems.has(item.name) || this.#asked.has(`${one.first} ${item.name}`),
      );
    // What was wanted has been used; the rest tells nothing new.
    if (name === "EXISTS")
      return (
        this.#received.some((other) => other.used && other.first === one.first) ||
        one.first === this.#known.exists
      );
    if (name === "BYE")
      return this.#received.some((other) => other.used && other.response.kind === "closed");
    return ["OK", "NO", "CAPABILITY", "FLAGS", "RECENT"].includes(name);
  }
}

/** `gone` holds numbers of this kind. */
function firstNumber({ name, number = 0 }: Response, gone: readonly number[]): number {
  if (name === "EXISTS") return number + gone.length;
  let first = number;
  for (const one of gone.toSorted((a, b) => a - b)) if (one <= first) first++;
  return first;
}

function vanished({ terms }: Response, earlier: boolean): number[] {
  if ((terms[0]?.kind === "list") !== earlier) return [];
  const set = terms.at(-1);
  return set?.kind === "word" ? numbersOf(set.text) : [];
}

function same(wanted: Response, first: number, one: Received, values: Values): boolean {
  const got = one.response;
  if (wanted.kind !== got.kind || wanted.tag !== got.tag || wanted.name !== got.name) return false;
  if (wanted.kind === "closed" || wanted.kind === "continuation") return true;
  if (wanted.number !== undefined)
    return wanted.name === "RECENT" ? got.number === wanted.number : one.first === first;
  if (statuses.has(wanted.name)) return sameCode(wanted.code, got.code, values);
  return sameData(wanted, got, values);
}

function sameCode(wanted: Response["code"], got: Response["code"], values: Values): boolean {
  if (wanted === undefined || (explaining.has(wanted.name) && got?.name !== wanted.name))
    return true;
  if (wanted.name !== got?.name) return false;
  switch (wanted.name) {
    case "PERMANENTFLAGS":
      return within(listOf(wanted.terms[0]), listOf(got.terms[0]), values, true);
    case "BADCHARSET":
      return true;
    case "MODIFIED":
      return sameSet(wanted.terms[0], got.terms[0]);
    case "COPYUID":
      return (
        sameTerm(wanted.terms[0]!, got.terms[0]!, values) &&
        samePairs(wanted.terms.slice(1), got.terms.slice(1))
      );
    default:
      return sameTerms(wanted.terms, got.terms, values);
  }
}

function sameData(wanted: Response, got: Response, values: Values): boolean {
  const [first, second] = [wanted.terms, got.terms];
  switch (wanted.name) {
    case "SEARCH":
    case "ENABLED":
      return first.length === second.length && within(first, second, values, true);
    case "FLAGS":
      return within(listOf(first[0]), listOf(second[0]), values, true);
    case "CAPABILITY":
      return within(first, second, values, true);
    case "STATUS":
      return (
        sameMailbox(first[0]!, second[0]!, values) &&
        samePairsByName(listOf(first[1]), listOf(second[1]), values)
      );
    case "LIST":
    case "LSUB":
      return sameListing(first, second, values);
    case "ESEARCH":
      return sameEsearch(first, second, values);
    default:
      return sameTerms(first, second, values, true);
  }
}

function sameListing(wanted: readonly Term[], got: readonly Term[], values: Values): boolean {
  const attributes = listOf(got[0]);
  // RFC 9051 §7.3.1: \NonExistent says \Noselect.
  const implied = attributes.some((term) => wordOf(term).toUpperCase() === "\\NONEXISTENT")
    ? [...attributes, { kind: "word" as const, text: "\\Noselect", quoted: false }]
    : attributes;
  const asked = listOf(wanted[0]);
  const present = new Set(implied.map((term) => wordOf(term).toUpperCase()));
  // RFC 3348 §3: whether there are children need not be told, but not wrongly.
  const [some, none] = ["\\HASCHILDREN", "\\HASNOCHILDREN"];
  const told = asked.filter((term) => {
    const name = wordOf(term).toUpperCase();
    return (name !== some && name !== none) || present.has(name === some ? none : some);
  });
  if (!within(told, implied, values, true)) return false;
  const names = new Set(asked.map((term) => wordOf(term).toUpperCase()));
  return (
    attributes.every((term) => {
      const name = wordOf(term).toUpperCase();
      return names.has(name) || freeAttributes.has(name);
    }) &&
    sameTerm(wanted[1]!, got[1]!, values) &&
    sameMailbox(wanted[2]!, got[2]!, values) &&
    sameTerms(wanted.slice(3), got.slice(3), values, true)
  );
}

function sameMailbox(wanted: Term, got: Term, values: Values): boolean {
  const inbox = wordOf(wanted).toUpperCase() === "INBOX";
  return sameTerm(wanted, got, values, inbox);
}

function sameEsearch(wanted: readonly Term[], got: readonly Term[], values: Values): boolean {
  const pairs = (terms: readonly Term[]): Term[] =>
    terms.filter((term) => wordOf(term).toUpperCase() !== "UID");
  const [first, second] = [pairs(wanted), pairs(got)];
  const uid = wanted.length !== first.length;
  return (
    uid === (got.length !== second.length) &&
    sameTerms(first.slice(0, 1), second.slice(0, 1), values) &&
    first.length === second.length &&
    samePairsByName(first.slice(1), second.slice(1), values)
  );
}

/** Names and values by turns; there may be more of them. */
function samePairsByName(wanted: readonly Term[], got: readonly Term[], values: Values): boolean {
  const byName = new Map<string, Term>();
  for (let i = 0; i + 1 < got.length; i += 2) byName.set(wordOf(got[i]).toUpperCase(), got[i + 1]!);
  for (let i = 0; i + 1 < wanted.length; i += 2) {
    const name = wordOf(wanted[i]).toUpperCase();
    const value = byName.get(name);
    if (value === undefined) return false;
    if (name === "ALL" ? !sameSet(wanted[i + 1], value) : !sameTerm(wanted[i + 1]!, value, values))
      return false;
  }
  return true;
}

interface Item {
  readonly name: string;
  readonly value: Term;
}

function fetchItems({ terms }: Response): Item[] {
  const list = listOf(terms[0]);
  const items: Item[] = [];
  for (let i = 0; i + 1 < list.length; i += 2)
    items.push({ name: wordOf(list[i]).toUpperCase().replaceAll('"', ""), value: list[i + 1]! });
  return items;
}

function sameSet(wanted: Term | undefined, got: Term | undefined): boolean {
  const numbers = new Set(numbersOf(wordOf(got)));
  const asked = numbersOf(wordOf(wanted));
  return asked.length === numbers.size && asked.every((number) => numbers.has(number));
}

/** Sets whose numbers belong together in their order. RFC 4315 §3 */
function samePairs(wanted: readonly Term[], got: readonly Term[]): boolean {
  if (wordOf(wanted[0]).includes(anything)) return true;
  const pairs = (terms: readonly Term[]): string => {
    const [from = [], to = []] = terms.map((term) => numbersOf(wordOf(term)));
    return from
      .map((uid, index) => `${uid} ${to[index]}`)
      .toSorted()
      .join();
  };
  return pairs(wanted) === pairs(got);
}

function wordOf(term: Term | undefined): string {
  return term?.kind === "word" ? term.text : "";
}

function listOf(term: Term | undefined): readonly Term[] {
  return term?.kind === "list" ? term.terms : [];
}

function readable(text: string): string {
  return Buffer.from(text, "latin1").toString("utf8");
}
