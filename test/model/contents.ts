/** Message texts that are made of parts we know, so that we know what a server must say of them. */
import { utf8 } from "#base/bytes.ts";
import type { Dice } from "./dice.ts";

export interface Address {
  readonly name: string | undefined;
  readonly mailbox: string;
  readonly host: string;
}

/** A body part as it is sent, and decoded. */
export interface Part {
  readonly header: readonly string[];
  readonly encoding: "7BIT" | "BASE64";
  readonly charset: "us-ascii" | "utf-8";
  readonly sent: string;
  readonly text: string;
}

export interface SubjectLine {
  readonly header: string | undefined;
  /** Decoded. */
  readonly text: string;
  /** What SORT compares. */
  readonly base: string;
  readonly isReply: boolean;
}

export interface SentDate {
  readonly header: string;
  readonly ms: number;
  /** Days since 1970 in the sender's zone. */
  readonly day: number;
}

/** A message: what it was made of, and its bytes. */
export interface Content {
  readonly bytes: Buffer;
  /** Lines without CRLF; a folded field is one string with CRLF in it. */
  readonly header: readonly string[];
  readonly from: readonly Address[];
  readonly to: readonly Address[];
  readonly cc: readonly Address[];
  readonly subject: SubjectLine;
  readonly sent: SentDate | undefined;
  readonly messageId: string | undefined;
  readonly inReplyTo: string | undefined;
  readonly references: readonly string[];
  readonly tag: string | undefined;
  readonly boundary: string | undefined;
  /** One for a message that is not multipart. */
  readonly parts: readonly Part[];
  /** All behind the header. */
  readonly body: string;
}

export const bodyWords = ["walnut", "harbour", "Kürbis", "violet", "quartz"] as const;
const names = ["Alice Adams", "Bob", undefined, "Zoë Zimmer"] as const;
const mailboxes = ["alice", "bob", "carol", "Dave"] as const;
const hosts = ["example.org", "example.net"] as const;

export const subjects: readonly SubjectLine[] = [
  { header: undefined, text: "", base: "", isReply: false },
  { header: "", text: "", base: "", isReply: false },
  { header: "hello", text: "hello", base: "HELLO", isReply: false },
  { header: "Re: hello", text: "Re: hello", base: "HELLO", isReply: true },
  { header: "RE: [list] Hello", text: "RE: [list] Hello", base: "HELLO", isReply: true },
  { header: "[list] hello", text: "[list] hello", base: "HELLO", isReply: false },
  { header: "hello (fwd)", text: "hello (fwd)", base: "HELLO", isReply: true },
  { header: "Fwd: garden plans", text: "Fwd: garden plans", base: "GARDEN PLANS", isReply: true },
  { header: "garden  plans", text: "garden  plans", base: "GARDEN PLANS", isReply: false },
  { header: "=?utf-8?Q?Gr=C3=BCner_Tee?=", text: "Grüner Tee", base: "GRÜNER TEE", isReply: false },
  { header: "zebra", text: "zebra", base: "ZEBRA", isReply: false },
];

const months = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");
const weekdays = "Thu Fri Sat Sun Mon Tue Wed".split(" ");

/** The date and the time of a day in the zone of `minutes` east of Greenwich. */
export function dateTexts(ms: number, minutes: number): { day: string; dateTime: string } {
  const local = new Date(ms + minutes * 60_000);
  const two = (n: number): string => String(n).padStart(2, "0");
  const zone = `${minutes < 0 ? "-" : "+"}${two(Math.floor(Math.abs(minutes) / 60))}${two(Math.abs(minutes) % 60)}`;
  const day = `${local.getUTCDate()}-${months[local.getUTCMonth()]}-${local.getUTCFullYear()}`;
  const time = `${two(local.getUTCHours())}:${two(local.getUTCMinutes())}:${two(local.getUTCSeconds())}`;
  return { day, dateTime: `${day.padStart(11)} ${time} ${zone}` };
}

function sentDate(dice: Dice, now: number): SentDate | undefined {
  if (dice.oneIn(6)) return undefined;
  const minutes = dice.pick([0, 60, -480, 330]);
  // Few different instants, so that some are equal.
  const ms = Math.floor(now / 86_400_000) * 86_400_000 - dice.below(5) * 43_200_000 + 3_600_000;
  const local = new Date(ms + minutes * 60_000);
  const day = Math.floor(local.getTime() / 86_400_000);
  const { dateTime } = dateTexts(ms, minutes);
  const [date, time, zone] = dateTime.trim().split(" ");
  const header = `${weekdays[day % 7]}, ${date!.replaceAll("-", " ")} ${time} ${zone}`;
  return { header, ms, day };
}

function addressList(dice: Dice, most: number): Address[] {
  return Array.from({ length: dice.below(most + 1) }, () => ({
    name: dice.pick(names),
    mailbox: dice.pick(mailboxes),
    host: dice.pick(hosts),
  }));
}

/** As it stands in the header, and in the ENVELOPE. */
export function encodedName(name: string): string {
  return /^[ -~]*$/.test(name) ? name : `=?utf-8?B?${Buffer.from(name).toString("base64")}?=`;
}

function addressField(field: string, list: readonly Address[]): string[] {
  if (list.length === 0) return [];
  const texts = list.map(({ name, mailbox, host }) =>
    name === undefined ? `${mailbox}@${host}` : `${encodedName(name)} <${mailbox}@${host}>`,
  );
  return [`${field}: ${texts.join(",\r\n ")}`];
}

function makePart(dice: Dice): Part {
  const words = dice.some(bodyWords);
  const text = words.map((word) => `The ${word} is here.\r\n`).join("");
  const plain = /^[\r\n -~]*$/.test(text);
  const charset = plain ? "us-ascii" : "utf-8";
  const encoding = plain && dice.oneIn(2) ? "7BIT" : "BASE64";
  const sent = encoding === "7BIT" ? text : `${Buffer.from(text).toString("base64")}\r\n`;
  const header = [
    `Content-Type: text/plain; charset=${charset}`,
    ...(encoding === "BASE64" ? ["Content-Transfer-Encoding: base64"] : []),
  ];
  return { header, encoding, charset, sent, text };
}

/** A message of its own: `serial` makes it different from all others. */
export function makeContent(
  dice: Dice,
  { serial, now, known }: { serial: number; now: number; known: readonly Content[] },
): Content {
  const from = addressList(dice, 1);
  const to = addressList(dice, 2);
  const cc = addressList(dice, 1);
  const subject = dice.pick(subjects);
  const sent = sentDate(dice, now);
  const ids = known.flatMap(({ messageId }) => messageId ?? []);
  const newId = `<m${serial}@example.org>`;
  // Now and then one that exists already.
  const messageId = dice.oneIn(10)
    ? undefined
    : dice.oneIn(12) && ids.length > 0
      ? dice.pick(ids)
      : newId;
  const others = [...ids, `<lost${dice.below(4)}@example.org>`, `<m${serial + 1}@example.org>`];
  const references = dice.oneIn(2)
    ? Array.from({ length: dice.between(1, 3) }, () => dice.pick(others))
    : [];
  const inReplyTo = dice.oneIn(4) ? dice.pick(others) : undefined;
  const tag = dice.oneIn(3) ? dice.pick(["blue", "green"]) : undefined;
  const parts = Array.from({ length: dice.oneIn(3) ? 2 : 1 }, () => makePart(dice));
  const boundary = parts.length > 1 ? `cut-${serial}` : undefined;
  const header = dice.shuffled([
    ...(sent === undefined ? [] : [`Date: ${sent.header}`]),
    ...addressField("From", from),
    ...addressField("To", to),
    ...addressField("Cc", cc),
    ...(subject.header === undefined ? [] : [`Subject: ${subject.header}`]),
    ...(messageId === undefined ? [] : [`Message-ID: ${messageId}`]),
    ...(references.length === 0 ? [] : [`References: ${references.join("\r\n ")}`]),
    ...(inReplyTo === undefined ? [] : [`In-Reply-To: ${inReplyTo}`]),
    ...(tag === undefined ? [] : [`X-Tag: ${tag}`]),
  ]);
  header.push(`X-Serial: ${serial}`);
  header.push(
    ...(boundary === undefined
      ? parts[0]!.header
      : [`Content-Type: multipart/mixed; boundary="${boundary}"`]),
  );
  const body =
    boundary === undefined
      ? parts[0]!.sent
      : `${parts
          .map((part) => `--${boundary}\r\n${part.header.join("\r\n")}\r\n\r\n${part.sent}\r\n`)
          .join("")}--${boundary}--\r\n`;
  const bytes = Buffer.from(utf8(`${header.join("\r\n")}\r\n\r\n${body}`));
  const described = { from, to, cc, subject, sent, messageId, inReplyTo, references, tag };
  return { bytes, header, ...described, boundary, parts, body };
}
