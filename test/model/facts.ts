/** What every item of a FETCH response must be for a message. */
import type { Token } from "#wire/index.ts";
import { type Mailbox, type Message, type ModelAccount, sameFlags } from "./account.ts";
import { type Address, type Content, dateTexts, encodedName, type Part } from "./contents.ts";
import { demand, demandEqual } from "./failure.ts";

/** A token with its strings as latin1 text and its atoms in capitals, to be compared as JSON. */
export function plainToken(token: Token | undefined): unknown {
  if (token instanceof Uint8Array) return `"${Buffer.from(token).toString("latin1")}"`;
  if (Array.isArray(token)) return (token as readonly Token[]).map(plainToken);
  return typeof token === "string" ? token.toUpperCase() : token;
}

const quoted = (text: string | undefined): string | null =>
  text === undefined ? null : `"${text}"`;

function envelopeAddresses(list: readonly Address[]): unknown {
  if (list.length === 0) return null;
  return list.map(({ name, mailbox, host }) => [
    quoted(name === undefined ? undefined : encodedName(name)),
    null,
    quoted(mailbox),
    quoted(host),
  ]);
}

function envelope(content: Content): unknown {
  const { from, to, cc, subject, sent } = content;
  // RFC 9051 §7.5.2 (ENVELOPE): Sender and Reply-To default to From.
  const sender = envelopeAddresses(from);
  return [
    quoted(sent?.header),
    quoted(subject.header),
    sender,
    sender,
    sender,
    envelopeAddresses(to),
    envelopeAddresses(cc),
    null,
    quoted(content.inReplyTo),
    quoted(content.messageId),
  ];
}

function partStructure(part: Part, extended: boolean): unknown[] {
  const basic = [
    '"TEXT"',
    '"PLAIN"',
    ['"CHARSET"', `"${part.charset.toUpperCase()}"`],
    null,
    null,
    `"${part.encoding}"`,
    Buffer.byteLength(part.sent),
    part.sent.split("\r\n").length - 1,
  ];
  return extended ? [...basic, null, null, null, null] : basic;
}

function structure(content: Content, extended: boolean): unknown {
  const parts = content.parts.map((part) => partStructure(part, extended));
  if (content.boundary === undefined) return parts[0];
  const end = extended
    ? [['"BOUNDARY"', `"${content.boundary.toUpperCase()}"`], null, null, null]
    : [];
  return [...parts, '"MIXED"', ...end];
}

/** Structure in capitals: types and parameters have no case. */
function upper(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value).toUpperCase().replaceAll("NULL", "null")) as unknown;
}

function fieldName(field: string): string {
  return field.slice(0, field.indexOf(":")).toUpperCase();
}

function headerOf(lines: readonly string[]): string {
  return `${lines.map((line) => `${line}\r\n`).join("")}\r\n`;
}

/** The text of a section such as `1.MIME`, null where there is none. RFC 9051 §6.4.5.1 */
export function sectionText(content: Content, section: string): string | null {
  const { header, body, parts, boundary } = content;
  if (section === "") return content.bytes.toString("latin1");
  if (section === "HEADER") return latin1(headerOf(header));
  if (section === "TEXT") return latin1(body);
  const fields = /^HEADER\.FIELDS(\.NOT)? \((.*)\)$/.exec(section);
  if (fields !== null) {
    const wanted = fields[2]!.split(" ");
    const not = fields[1] !== undefined;
    return latin1(headerOf(header.filter((line) => wanted.includes(fieldName(line)) !== not)));
  }
  const [number, mime] = section.split(".");
  const part = parts[Number(number) - 1];
  if (part === undefined) return null;
  if (mime === "MIME") return boundary === undefined ? null : latin1(headerOf(part.header));
  return latin1(part.sent);
}

/** UTF-8 octets as one character each. */
function latin1(text: string): string {
  return Buffer.from(text).toString("latin1");
}

function binaryText(content: Content, section: string): string | null {
  if (section === "") return content.bytes.toString("latin1");
  const part = content.parts[Number(section) - 1];
  return part === undefined ? null : latin1(part.text);
}

export interface FactContext {
  readonly account: ModelAccount;
  readonly mailbox: Mailbox;
  readonly message: Message;
  /** Shown in this session. */
  readonly recent: boolean;
}

export function flagsOf(token: Token | undefined): Set<string> {
  demand(Array.isArray(token), "FLAGS is no list");
  return new Set((token as readonly Token[]).map((flag) => String(flag).toLowerCase()));
}

/** What the flags are, or were before the command that tells them. */
export function stateTold(
  message: Message,
  flags: Token | undefined,
): NonNullable<Message["before"]> {
  const { before } = message;
  if (before === undefined) return message;
  const told = flagsOf(flags);
  told.delete("\\recent");
  return sameFlags(told, before.flags) ? before : message;
}

/** Checks one item of a FETCH response. */
export function checkItem(name: string, token: Token | undefined, context: FactContext): void {
  const { message, recent } = context;
  const { content } = message;
  const what = `${name} of uid ${message.uid}`;
  switch (name) {
    case "UID":
      return demandEqual(token, message.uid, what);
    case "FLAGS":
      return demandEqual(
        [...flagsOf(token)].sort(),
        [...stateTold(message, token).flags, ...(recent ? ["\\recent"] : [])].sort(),
        what,
      );
    case "MODSEQ":
      if (message.before?.modseq === (token as readonly number[])[0]) return;
      return demandEqual(token, [message.modseq], what);
    case "RFC822.SIZE":
      return demandEqual(token, content.bytes.length, what);
    case "INTERNALDATE":
      return checkDate(token, message.internalDate, what);
    case "SAVEDATE":
      return checkDate(token, message.savedAt, what);
    case "EMAILID":
    case "THREADID":
      return checkId(name, token, context);
    case "ENVELOPE":
      return demandEqual(envelopeTokens(token), envelope(content), what);
    case "BODYSTRUCTURE":
    case "BODY":
      return demandEqual(
        upper(plainToken(token)),
        upper(structure(content, name === "BODYSTRUCTURE")),
        what,
      );
    case "PREVIEW":
      return checkPreview(token, context);
    default:
      return checkText(name, token, content);
  }
}

function envelopeTokens(token: Token | undefined): unknown {
  const plain = plainToken(token) as unknown[];
  return plain;
}

function checkDate(token: Token | undefined, seconds: number, what: string): void {
  demandEqual(plainToken(token), `"${dateTexts(seconds * 1000, 0).dateTime}"`, what);
}

function checkPreview(token: Token | undefined, { account, message }: FactContext): void {
  const known = factsOf(account, message.content);
  const text = plainToken(token) as string;
  const words = message.content.parts[0]!.text.split(/\s/)[1]!;
  const shown = Buffer.from(text, "latin1").toString();
  demand(shown.includes(words), `PREVIEW of uid ${message.uid} is ${shown}`);
  demandEqual(text, (known.preview ??= text), "PREVIEW of the same content");
}

function factsOf(account: ModelAccount, content: Content) {
  let known = account.facts.get(content);
  if (known === undefined) account.facts.set(content, (known = {}));
  return known;
}

/** Ids are the server's; they may never change, and EMAILID belongs to one content. RFC 8474 §5 */
function checkId(
  name: "EMAILID" | "THREADID",
  token: Token | undefined,
  { account, message }: FactContext,
): void {
  demand(Array.isArray(token) && token.length === 1, `${name} is no list of one`);
  const id = String((token as readonly Token[])[0]);
  demand(/^[A-Za-z0-9_-]{1,255}$/.test(id), `${name} ${id}`);
  const known = factsOf(account, message.content);
  if (name === "THREADID") return demandEqual(id, (known.threadId ??= id), name);
  if (known.emailId === undefined)
    for (const [other, facts] of account.facts)
      demand(facts.emailId !== id, () => `EMAILID ${id} for ${String(other.header)} as well`);
  demandEqual(id, (known.emailId ??= id), name);
}

const sectionForm = /^(BODY|BINARY|BINARY\.SIZE)\[(.*)\](?:<([0-9]+)>)?$/;

function checkText(name: string, token: Token | undefined, content: Content): void {
  const whole = { RFC822: "", "RFC822.HEADER": "HEADER", "RFC822.TEXT": "TEXT" }[name];
  const match = sectionForm.exec(name);
  demand(whole !== undefined || match !== null, `Unknown item ${name}`);
  const kind = match?.[1] ?? "BODY";
  const section = whole ?? match![2]!;
  const text = kind === "BODY" ? sectionText(content, section) : binaryText(content, section);
  if (kind === "BINARY.SIZE") return demandEqual(token, text?.length ?? 0, name);
  if (text === null) return demandEqual(plainToken(token), null, name);
  const got = Buffer.from(token as Uint8Array).toString("latin1");
  if (match?.[3] === undefined) return demandEqual(got, text, name);
  // Where a part was asked for, who asked knows its length.
  demand(text.slice(Number(match[3])).startsWith(got), `${name} is not from there`);
}
