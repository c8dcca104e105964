import { asBuffer } from "#base/bytes.ts";
import type { Clock } from "#base/clock.ts";
import type { NewMessage, PreparedMessage } from "#store/index.ts";
import type { ArrivedMessage, Recipient } from "./arrival.ts";

export interface PreparingParts {
  readonly clock: Clock;
  readonly prepare: (
    message: Uint8Array,
    options: { readonly binary?: boolean; readonly clock: Clock },
  ) => PreparedMessage | Promise<PreparedMessage>;
}

/** A message for one recipient, ready for the store. */
export type PreparedCopy = Pick<NewMessage, "prepared" | "prefix">;

/**
 * What arrived, for its recipients. Each of them gets fields of its own in front; the rest is
 * parsed once, however many accounts there are, and the store is told that they share it.
 */
export class ArrivedContent {
  readonly message: ArrivedMessage;
  readonly #parts: PreparingParts;
  readonly #isShared: boolean;
  #prepared: PreparedMessage | undefined;

  /** @param accounts how many accounts the message is for */
  constructor(message: ArrivedMessage, accounts: number, parts: PreparingParts) {
    this.message = message;
    this.#parts = parts;
    this.#isShared = accounts > 1 && beginsWithField(message.content);
  }

  /** Parses what the recipients share, so that `copyFor` need not wait for it. */
  async prepare(): Promise<void> {
    if (this.#isShared) this.#prepared ??= await this.#prepare(this.message.content);
  }

  copyFor(recipient: Recipient): PreparedCopy | Promise<PreparedCopy> {
    const head = traceOf(this.message, recipient);
    if (this.#prepared === undefined) return this.#wholeFor(head);
    return { prepared: this.#prepared, prefix: Buffer.from(head) };
  }

  #wholeFor(head: string): PreparedCopy | Promise<PreparedCopy> {
    const { content } = this.message;
    const headBytes = Buffer.byteLength(head);
    const whole = Buffer.allocUnsafeSlow(headBytes + content.length);
    whole.write(head);
    asBuffer(content).copy(whole, headBytes);
    const prepared = this.#prepare(whole);
    if (prepared instanceof Promise) return prepared.then((done) => ({ prepared: done }));
    return { prepared };
  }

  #prepare(bytes: Uint8Array): PreparedMessage | Promise<PreparedMessage> {
    const { clock, prepare } = this.#parts;
    return prepare(bytes, { binary: this.message.exact ?? false, clock });
  }
}

/** Our fields. RFC 5321 §4.4 (Return-Path), RFC 9228 §4 (Delivered-To) */
function traceOf({ sender }: ArrivedMessage, { address }: Recipient): string {
  return `Return-Path: <${sender}>\r\nDelivered-To: ${address}\r\n`;
}

/**
 * Whether a field stands first. Otherwise the first line would belong to our fields, or to nothing,
 * so that it means something else behind them.
 */
function beginsWithField(content: Uint8Array): boolean {
  const colon = content.indexOf(0x3a);
  if (colon < 1) return false;
  // RFC 5322 §2.2: printable US-ASCII without the colon and without spaces.
  return content.subarray(0, colon).every((byte) => byte > 0x20 && byte < 0x7f);
}
