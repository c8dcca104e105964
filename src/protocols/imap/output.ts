import { limits } from "#base/limits.ts";
import type { ByteStream } from "#base/stream.ts";

/** From this size on bytes are passed on as they are instead of being copied together. */
const byReferenceBytesMin = 8 * 1024;
const firstPieceBytes = 512;

/**
 * What a session has to say and has not sent yet. Writing never waits; a command that writes much
 * asks `full` now and then and awaits `flush`, so a client that stops reading costs one buffer.
 *
 * Nothing leaves before what it was computed from is durable: `flush` waits for that first.
 */
export class Output {
  readonly #stream: ByteStream;
  readonly #durable: () => Promise<unknown> | undefined;
  #pieces: Uint8Array[] = [];
  #piecesBytes = 0;
  #piece: Buffer = Buffer.alloc(0);
  #at = 0;
  #lastByte = 0x0a;

  /** @param durable undefined when all that was read is durable, else a promise for it */
  constructor(stream: ByteStream, durable: () => Promise<unknown> | undefined) {
    this.#stream = stream;
    this.#durable = durable;
  }

  /** Bytes that wait to be sent. */
  get length(): number {
    return this.#piecesBytes + this.#at;
  }

  /** True when it is time to `flush` before writing on. */
  get full(): boolean {
    return this.#piecesBytes + this.#at >= limits.outputBufferBytes;
  }

  /** True between lines: nothing was written, or CRLF last. */
  get atLineStart(): boolean {
    return (this.#at > 0 ? this.#piece[this.#at - 1] : this.#lastByte) === 0x0a;
  }

  #endPiece(): void {
    if (this.#at === 0) return;
    this.#lastByte = this.#piece[this.#at - 1]!;
    this.#pieces.push(this.#piece.subarray(0, this.#at));
    this.#piecesBytes += this.#at;
    this.#piece = this.#piece.subarray(this.#at);
    this.#at = 0;
  }

  #reserve(count: number): void {
    if (this.#at + count <= this.#piece.length) return;
    const written = this.length;
    this.#endPiece();
    if (count <= this.#piece.length) return;
    const size = Math.min(Math.max(firstPieceBytes, written * 2), limits.outputBufferBytes);
    this.#piece = Buffer.allocUnsafe(Math.max(size, count));
  }

  /** Text of characters below U+0100, one byte each. */
  ascii(text: string): this {
    const { length } = text;
    this.#reserve(length);
    const piece = this.#piece;
    if (length > 24) {
      this.#at += piece.write(text, this.#at, "latin1");
      return this;
    }
    let at = this.#at;
    for (let i = 0; i < length; i++) piece[at++] = text.charCodeAt(i);
    this.#at = at;
    return this;
  }

  /** UTF-8. */
  text(text: string): this {
    this.#reserve(Buffer.byteLength(text));
    this.#at += this.#piece.write(text, this.#at, "utf8");
    return this;
  }

  /** A whole number from 0 in decimal digits. */
  number(value: number): this {
    if (value >= 0x8000_0000) return this.ascii(String(value));
    this.#reserve(10);
    let digits = 1;
    for (let limit = 10; value >= limit; limit *= 10) digits++;
    let rest = value | 0;
    for (let i = this.#at + digits - 1; i >= this.#at; i--) {
      const next = (rest / 10) | 0;
      this.#piece[i] = 0x30 + rest - next * 10;
      rest = next;
    }
    this.#at += digits;
    return this;
  }

  /** Bytes; large ones are not copied and must not be changed afterwards. */
  bytes(bytes: Uint8Array): this {
    if (bytes.length >= byReferenceBytesMin) {
      this.#endPiece();
      this.#pieces.push(bytes);
      this.#piecesBytes += bytes.length;
      this.#lastByte = bytes[bytes.length - 1]!;
      return this;
    }
    this.#reserve(bytes.length);
    this.#piece.set(bytes, this.#at);
    this.#at += bytes.length;
    return this;
  }

  /** The end of a line. */
  line(): this {
    this.#reserve(2);
    this.#piece[this.#at++] = 0x0d;
    this.#piece[this.#at++] = 0x0a;
    return this;
  }

  /**
   * Sends what was written, after it has become durable and as fast as the client takes it.
   * Undefined when there was nothing to wait for. Rejects with `Refusal` when the account was lost,
   * with `ConnectionBroken` when the client is gone.
   */
  flush(): Promise<void> | undefined {
    if (this.length === 0) return undefined;
    const durable = this.#durable();
    return durable === undefined ? this.send() : durable.then(() => this.send());
  }

  /** Sends without regard to durability: for words that say nothing of the account. */
  send(): Promise<void> | undefined {
    this.#endPiece();
    const pieces = this.#pieces;
    this.#pieces = [];
    this.#piecesBytes = 0;
    this.#piece = Buffer.alloc(0);
    let waiting: Promise<void> | undefined;
    for (const piece of pieces) waiting = this.#stream.write(piece) ?? waiting;
    return waiting;
  }

  /** Forgets what was not sent: it may say what is no longer true. */
  drop(): void {
    this.#pieces = [];
    this.#piecesBytes = 0;
    this.#at = 0;
    this.#lastByte = 0x0a;
  }
}
