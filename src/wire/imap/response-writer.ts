/** The server's side of the grammar: values in, octets of responses out. */
import { isUtf8 } from "node:buffer";
import type { BufferPool } from "../../base/buffer-pool.ts";
import { utf8 } from "../../base/bytes.ts";
import { limits } from "../../base/limits.ts";
import { formatDateTime } from "./dates.ts";
import type { Ranges } from "./sequence-set.ts";
import { isAstring, octetClass } from "./syntax.ts";
import { encodeUtf7 } from "./utf7.ts";

/** RFC 9051 §7.1 */
export type Status = "OK" | "NO" | "BAD" | "BYE" | "PREAUTH";

const firstChunkBytes = 1024;
const noBuffer: Buffer = Buffer.alloc(0);
/** What `copy` asks room for at a time: so buffers grow to the largest size and not beyond. */
const copyStep = 1024;
/** Longer octets are passed on as they are instead of being copied. */
const copiedBytesMax = 1024;
/** Longer strings are sent as literals. */
const quotedBytesMax = 1024;
/** Shorter texts are written octet by octet, which is faster than a call into the runtime. */
const loopedBytesMax = 32;

const notStatusText = /[\x00-\x1f\x7f]/g;
const notAscii = /[\x80-\uffff]/g;

/** What a number takes at most. */
export const decimalBytesMax = 16;

/** Writes the decimal digits of an integer from 0 to 2^53-1; gives the place behind them. */
export function putDecimal(buffer: Uint8Array, at: number, value: number): number {
  if (value <= 0x7fff_ffff) return putDigits(buffer, at, value);
  const high = Math.floor(value / 1e9);
  let rest = value - high * 1e9;
  const end = putDecimal(buffer, at, high) + 9;
  for (let i = end - 1; i >= end - 9; i--) {
    buffer[i] = 0x30 + (rest % 10);
    rest = Math.floor(rest / 10);
  }
  return end;
}

/** The same for integers below 2^31. */
function putDigits(buffer: Uint8Array, at: number, value: number): number {
  let end = at + 1;
  if (value >= 10) end = at + (value < 100 ? 2 : value < 1_000 ? 3 : value < 10_000 ? 4 : 5);
  if (value >= 100_000) for (let bound = 100_000; bound <= value; bound *= 10) end++;
  let rest = value | 0;
  for (let i = end - 1; i >= at; i--) {
    const next = (rest / 10) | 0;
    buffer[i] = 0x30 + rest - next * 10;
    rest = next;
  }
  return end;
}

/**
 * Collects responses in a list of chunks. Nothing is copied twice: a full chunk is left for a new
 * one, and large octets are put into the list themselves.
 */
export class ResponseWriter {
  /** IMAP4rev2 or UTF8=ACCEPT is enabled: names and quoted strings are sent in UTF-8. */
  utf8 = false;

  readonly #pool: BufferPool | undefined;
  #chunks: Uint8Array[] = [];
  #listedBytes = 0;
  /** Chunks with which a buffer of the pool ends. */
  readonly #ended = new Map<Uint8Array, Buffer>();
  #buffer: Buffer = Buffer.allocUnsafe(firstChunkBytes);
  /** Length of the next buffer. */
  #nextBytes = firstChunkBytes * 2;
  /** Octets of the buffer before it are in the list, or were taken. */
  #from = 0;
  #at = 0;

  /** @param pool where buffers of the largest size come from, for who gives them back */
  constructor(pool?: BufferPool) {
    this.#pool = pool;
  }

  /** Octets that wait to be taken; send them when it exceeds `limits.outputBufferBytes`. */
  get length(): number {
    return this.#listedBytes + this.#at - this.#from;
  }

  /** The chunks so far, handed over in their order. */
  take(): Uint8Array[] {
    this.#list();
    const chunks = this.#chunks;
    this.#chunks = [];
    this.#listedBytes = 0;
    this.#ended.clear();
    return chunks;
  }

  /**
   * Hands the chunks over one by one, in their order: with the last one of a buffer of the pool
   * comes the buffer, to be given back when all chunks up to this one have been read.
   */
  drain(to: (chunk: Uint8Array, buffer: Buffer | undefined) => void): void {
    // Who has said little and may say nothing for long keeps no large buffer meanwhile.
    const much = this.length >= limits.outputBufferBytes / 2;
    this.#list(true);
    if (this.#buffer === noBuffer)
      this.#nextBytes = much ? limits.outputBufferBytes : firstChunkBytes;
    const chunks = this.#chunks;
    this.#chunks = [];
    this.#listedBytes = 0;
    for (const chunk of chunks) to(chunk, this.#ended.get(chunk));
    this.#ended.clear();
  }

  /** @param ends nothing more is written to the buffer */
  #list(ends = false): void {
    if (this.#at === this.#from) return;
    const chunk = this.#buffer.subarray(this.#from, this.#at);
    this.#chunks.push(chunk);
    this.#listedBytes += this.#at - this.#from;
    this.#from = this.#at;
    if (!ends || this.#buffer.length !== this.#pool?.bytes) return;
    this.#ended.set(chunk, this.#buffer);
    this.#nextBytes = limits.outputBufferBytes;
    this.#buffer = noBuffer;
    this.#from = this.#at = 0;
  }

  #reserve(count: number): void {
    if (this.#at + count <= this.#buffer.length) return;
    this.#list(true);
    const size = Math.max(this.#nextBytes, count);
    this.#nextBytes = Math.min(size * 2, limits.outputBufferBytes);
    this.#buffer = size === this.#pool?.bytes ? this.#pool.take() : Buffer.allocUnsafe(size);
    this.#from = this.#at = 0;
  }

  /** Characters below U+0080, as they are. */
  ascii(text: string): this {
    const length = text.length;
    this.#reserve(length);
    if (length <= loopedBytesMax) {
      const buffer = this.#buffer;
      const at = this.#at;
      for (let i = 0; i < length; i++) buffer[at + i] = text.charCodeAt(i);
    } else this.#buffer.write(text, this.#at, length, "latin1");
    this.#at += length;
    return this;
  }

  space(): this {
    this.#reserve(1);
    this.#buffer[this.#at++] = 0x20;
    return this;
  }

  crlf(): this {
    this.#reserve(2);
    this.#buffer[this.#at++] = 0x0d;
    this.#buffer[this.#at++] = 0x0a;
    return this;
  }

  /** Decimal; an integer from 0 to 2^53-1. */
  number(value: number): this {
    this.#reserve(decimalBytesMax);
    this.#at = putDecimal(this.#buffer, this.#at, value);
    return this;
  }

  /**
   * For loops that write many short lines: the buffer, with room for `need` octets from
   * `this.position` on, for `wanted` where a new one has to be made. `wrote` ends it.
   */
  room(need: number, wanted: number): Uint8Array {
    if (this.#at + need > this.#buffer.length)
      this.#reserve(Math.max(need, Math.min(wanted, limits.outputBufferBytes)));
    return this.#buffer;
  }

  /** Where the next octet goes in what `room` gives. */
  get position(): number {
    return this.#at;
  }

  /** Takes what was put into the buffer before `position`. */
  wrote(position: number): void {
    this.#at = position;
  }

  /** Octets as they are. Large ones are not copied, so they must not be changed afterwards. */
  bytes(bytes: Uint8Array): this {
    if (bytes.length > copiedBytesMax) {
      this.#list();
      this.#chunks.push(bytes);
      this.#listedBytes += bytes.length;
      return this;
    }
    this.#reserve(bytes.length);
    this.#buffer.set(bytes, this.#at);
    this.#at += bytes.length;
    return this;
  }

  /** Octets as they are, which may be changed afterwards. */
  copy(bytes: Uint8Array): this {
    for (let done = 0; done < bytes.length;) {
      if (this.#at === this.#buffer.length) this.#reserve(Math.min(bytes.length - done, copyStep));
      const count = Math.min(bytes.length - done, this.#buffer.length - this.#at);
      const all = count === bytes.length;
      this.#buffer.set(all ? bytes : bytes.subarray(done, done + count), this.#at);
      this.#at += count;
      done += count;
    }
    return this;
  }

  /**
   * `{n}` and its line end; `size` octets have to follow by `bytes`. `binary`: `~{n}`, for octets
   * that may be NUL. RFC 9051 §9 (literal, literal8)
   */
  literalHead(size: number, binary = false): this {
    this.ascii(binary ? "~{" : "{").number(size);
    return this.ascii("}\r\n");
  }

  literal(bytes: Uint8Array, binary = false): this {
    return this.literalHead(bytes.length, binary).bytes(bytes);
  }

  /** Quoted where that is allowed and short, else a literal. RFC 9051 §9 (string) */
  string(value: string | Uint8Array): this {
    const bytes = typeof value === "string" ? utf8(value) : value;
    const escapes = bytes.length <= quotedBytesMax ? this.#escapes(bytes) : -1;
    if (escapes < 0) return this.literal(bytes);
    this.#reserve(bytes.length + escapes + 2);
    const buffer = this.#buffer;
    let at = this.#at;
    buffer[at++] = 0x22;
    if (escapes === 0) {
      buffer.set(bytes, at);
      at += bytes.length;
    } else {
      for (const byte of bytes) {
        if (byte === 0x22 || byte === 0x5c) buffer[at++] = 0x5c;
        buffer[at++] = byte;
      }
    }
    buffer[at++] = 0x22;
    this.#at = at;
    return this;
  }

  /** How many backslashes the octets need to be quoted, -1 where they cannot be. */
  #escapes(bytes: Uint8Array): number {
    let escapes = 0;
    let high = false;
    for (let i = 0; i < bytes.length; i++) {
      const byte = bytes[i]!;
      if (byte === 0x22 || byte === 0x5c) escapes++;
      else if (byte >= 0x80) high = true;
      else if (byte === 0x0d || byte === 0x0a || byte === 0) return -1;
    }
    return high && !(this.utf8 && isUtf8(bytes)) ? -1 : escapes;
  }

  /** RFC 9051 §9 (nstring) */
  nstring(value: string | Uint8Array | null): this {
    return value === null ? this.ascii("NIL") : this.string(value);
  }

  /** An atom where the text is one, else a string. RFC 9051 §9 (astring) */
  astring(text: string): this {
    return isAstringText(text) ? this.ascii(text) : this.string(text);
  }

  /** A mailbox name in the encoding of the session. RFC 9051 §5.1 */
  mailbox(name: string): this {
    return this.astring(this.utf8 ? name : encodeUtf7(name));
  }

  /** Flags in parentheses. */
  flags(flags: readonly string[]): this {
    this.ascii("(");
    for (let i = 0; i < flags.length; i++) {
      if (i > 0) this.space();
      this.ascii(flags[i]!);
    }
    return this.ascii(")");
  }

  /** RFC 9051 §9 (sequence-set); nothing for no ranges. */
  ranges(ranges: Ranges): this {
    for (let i = 0; i < ranges.length; i += 2) {
      if (i > 0) this.ascii(",");
      this.number(ranges[i]!);
      if (ranges[i + 1] !== ranges[i]) this.ascii(":").number(ranges[i + 1]!);
    }
    return this;
  }

  /** An instant in milliseconds since 1970, quoted. RFC 9051 §9 (date-time) */
  dateTime(ms: number, zoneMinutes = 0): this {
    return this.ascii(`"${formatDateTime(ms, zoneMinutes)}"`);
  }

  /**
   * A whole status response: `tag` or `*`, the response code without brackets or null, and a text
   * that is made fit for the line. RFC 9051 §7.1
   */
  status(tag: string, status: Status, response: { code?: string | null; text: string }): this {
    const { code = null, text } = response;
    this.ascii(tag).space().ascii(status).space();
    if (code !== null) this.ascii("[").ascii(code).ascii("] ");
    if (isPlainText(text)) return this.ascii(text).crlf();
    const clean = text.replace(notStatusText, " ");
    if (this.utf8) this.bytes(utf8(clean.toWellFormed()));
    else this.ascii(clean.replace(notAscii, "?"));
    return this.crlf();
  }

  /** A whole command continuation request. RFC 9051 §7.6 */
  continuation(text: string): this {
    return this.ascii("+ ").ascii(text).crlf();
  }
}

/** ASCII without controls. A loop, since compiling an expression costs more than a short command. */
function isPlainText(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x20 || unit > 0x7e) return false;
  }
  return true;
}

function isAstringText(text: string): boolean {
  const length = text.length;
  if (length === 0 || length > quotedBytesMax) return false;
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i);
    if (unit > 0x7e || (octetClass[unit]! & isAstring) === 0) return false;
  }
  return length !== 3 || text.toUpperCase() !== "NIL";
}
