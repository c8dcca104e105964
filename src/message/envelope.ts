import { limits } from "#base/limits.ts";
import { parseAddresses } from "./addresses.ts";
import type { Address } from "./addresses.ts";
import type { HeaderIndex, KnownField } from "./header.ts";

/** The values of an ENVELOPE, nothing decoded: one character per byte. RFC 9051 §7.5.2 */
export interface Envelope {
  readonly date: string | undefined;
  readonly subject: string | undefined;
  readonly from: readonly Address[];
  readonly sender: readonly Address[];
  readonly replyTo: readonly Address[];
  readonly to: readonly Address[];
  readonly cc: readonly Address[];
  readonly bcc: readonly Address[];
  readonly inReplyTo: string | undefined;
  readonly messageId: string | undefined;
}

/** Several fields of one name count as one list: all of their addresses are seen. */
function addressesOf(header: HeaderIndex, name: KnownField): readonly Address[] {
  const values = header.all(name);
  if (values.length === 1) return parseAddresses(values[0]!);
  if (values.length === 0) return noAddresses;
  const out: Address[] = [];
  for (const value of values) {
    const left = limits.envelopeAddressesMax - out.length;
    if (left <= 0) break;
    out.push(...parseAddresses(value, left));
  }
  return out;
}

const noAddresses: readonly Address[] = [];

/** The envelope of a message with this header. Sender and Reply-To default to From. */
export function envelopeOf(header: HeaderIndex): Envelope {
  const from = addressesOf(header, "from");
  const sender = addressesOf(header, "sender");
  const replyTo = addressesOf(header, "reply-to");
  return {
    date: header.first("date"),
    subject: header.first("subject"),
    from,
    sender: sender.length === 0 ? from : sender,
    replyTo: replyTo.length === 0 ? from : replyTo,
    to: addressesOf(header, "to"),
    cc: addressesOf(header, "cc"),
    bcc: addressesOf(header, "bcc"),
    inReplyTo: header.first("in-reply-to"),
    messageId: header.first("message-id"),
  };
}

/**
 * A string as IMAP bytes (one character per byte): quoted where all is 7-bit, else a literal, which
 * is valid whatever the client enabled. NUL can be sent in neither and is left out.
 * RFC 9051 §4.3
 */
export function imapString(text: string): string {
  if (!/["\\\x00\r\n\x80-\xff]/.test(text)) return `"${text}"`;
  const clean = text.includes("\0") ? text.replaceAll("\0", "") : text;
  if (/[\r\n\x80-\xff]/.test(clean)) return `{${clean.length}}\r\n${clean}`;
  return `"${clean.replace(/["\\]/g, "\\$&")}"`;
}

/** A string, or NIL. */
export function imapNString(text: string | undefined): string {
  return text === undefined ? "NIL" : imapString(text);
}

function imapAddresses(addresses: readonly Address[]): string {
  if (addresses.length === 0) return "NIL";
  let out = "(";
  for (const { name, route, mailbox, host } of addresses)
    out += `(${imapNString(name)} ${imapNString(route)} ${imapNString(mailbox)} ${imapNString(host)})`;
  return out + ")";
}

/** An envelope as IMAP bytes, one character per byte. RFC 9051 §7.5.2 */
export function encodeEnvelope(envelope: Envelope): string {
  const from = imapAddresses(envelope.from);
  const sender = envelope.sender === envelope.from ? from : imapAddresses(envelope.sender);
  const replyTo = envelope.replyTo === envelope.from ? from : imapAddresses(envelope.replyTo);
  return (
    `(${imapNString(envelope.date)} ${imapNString(envelope.subject)} ${from} ${sender} ${replyTo} ` +
    `${imapAddresses(envelope.to)} ${imapAddresses(envelope.cc)} ${imapAddresses(envelope.bcc)} ` +
    `${imapNString(envelope.inReplyTo)} ${imapNString(envelope.messageId)})`
  );
}

/** The envelope where nothing is known. */
export const emptyEnvelope = "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)";
