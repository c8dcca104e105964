import { FormatError, asBuffer } from "#base/bytes.ts";
import type { Address } from "./addresses.ts";
import { decodeHeaderText } from "./encoded-words.ts";
import type { Envelope } from "./envelope.ts";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN = 0x28;
const CLOSE = 0x29;
const SPACE = 0x20;
const BRACE = 0x7b;

/** Reads what `encodeEnvelope` writes, and no more of the grammar than that. */
class EnvelopeReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = asBuffer(bytes);
  }

  take(c: number): void {
    if (this.#bytes[this.#at] !== c) throw new FormatError(`A damaged envelope at ${this.#at}`);
    this.#at++;
  }

  space(): void {
    this.take(SPACE);
  }

  string(): string | undefined {
    const c = this.#bytes[this.#at];
    if (c === QUOTE) return this.#quoted();
    if (c === BRACE) return this.#literal();
    if (this.#bytes.toString("latin1", this.#at, this.#at + 3) !== "NIL")
      throw new FormatError(`A damaged envelope at ${this.#at}`);
    this.#at += 3;
    return undefined;
  }

  #quoted(): string {
    const start = this.#at + 1;
    let escaped = false;
    let at = start;
    for (; this.#bytes[at] !== QUOTE; at++) {
      if (at >= this.#bytes.length) throw new FormatError("A damaged envelope");
      if (this.#bytes[at] === BACKSLASH) {
        escaped = true;
        at++;
      }
    }
    this.#at = at + 1;
    const text = this.#bytes.toString("latin1", start, at);
    return escaped ? text.replace(/\\(["\\])/g, "$1") : text;
  }

  #literal(): string {
    const end = this.#bytes.indexOf("}\r\n", this.#at);
    const digits = end < 0 ? "" : this.#bytes.toString("latin1", this.#at + 1, end);
    const start = end + 3;
    const stop = start + Number(digits);
    if (!/^\d{1,9}$/.test(digits) || stop > this.#bytes.length)
      throw new FormatError("A damaged envelope");
    this.#at = stop;
    return this.#bytes.toString("latin1", start, stop);
  }

  addresses(): Address[] {
    const out: Address[] = [];
    if (this.#bytes[this.#at] !== OPEN) {
      if (this.string() !== undefined) throw new FormatError("A damaged envelope");
      return out;
    }
    this.take(OPEN);
    while (this.#bytes[this.#at] === OPEN) {
      this.take(OPEN);
      const name = this.string();
      this.space();
      const route = this.string();
      this.space();
      const mailbox = this.string();
      this.space();
      const host = this.string();
      this.take(CLOSE);
      out.push({ name, route, mailbox, host });
    }
    this.take(CLOSE);
    return out;
  }
}

/**
 * The envelope behind its IMAP bytes, for SEARCH FROM, TO, CC, BCC and SUBJECT, which go by it.
 *
 * @param bytes what `CachedFields.envelope` gives
 * @throws FormatError where they are damaged
 */
export function decodeEnvelope(bytes: Uint8Array): Envelope {
  const reader = new EnvelopeReader(bytes);
  const list = (): Address[] => {
    reader.space();
    return reader.addresses();
  };
  reader.take(OPEN);
  const date = reader.string();
  reader.space();
  const subject = reader.string();
  const from = list();
  const sender = list();
  const replyTo = list();
  const to = list();
  const cc = list();
  const bcc = list();
  reader.space();
  const inReplyTo = reader.string();
  reader.space();
  const messageId = reader.string();
  reader.take(CLOSE);
  return { date, subject, from, sender, replyTo, to, cc, bcc, inReplyTo, messageId };
}

/** An address as people write it, decoded: `Name <mailbox@host>`; a group gives its name. */
export function addressText(address: Address): string {
  const mailbox = decodeHeaderText(address.mailbox ?? "");
  const spec = address.host ? `${mailbox}@${decodeHeaderText(address.host)}` : mailbox;
  return address.name === undefined ? spec : `${decodeHeaderText(address.name)} <${spec}>`;
}
