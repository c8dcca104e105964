/** Responses of POP3. RFC 1939 §3, RFC 2449 §8 */
import { ByteWriter } from "../../base/bytes.ts";
import { limits } from "../../base/limits.ts";

// What does not belong into a response would break its line.
const notText = /[^\x20-\x7e]/g;
/** Shorter pieces are copied together. */
const copiedBytesMax = 64;

/** Collects responses until somebody takes them. */
export class Pop3ReplyWriter {
  #writer = new ByteWriter(512);
  #chunks: Uint8Array[] = [];
  #chunkBytes = 0;

  /** Octets that were written and not taken. */
  get length(): number {
    return this.#chunkBytes + this.#writer.length;
  }

  /** A positive status indicator. */
  ok(text: string): this {
    return this.#status("+OK", text);
  }

  /** A negative one. @param code without brackets, such as `IN-USE`. RFC 2449 §8 */
  err(text: string, code?: string): this {
    return this.#status("-ERR", code === undefined ? text : `[${code}] ${text}`);
  }

  #status(indicator: string, text: string): this {
    const line = `${indicator} ${text.replace(notText, "?")}`;
    this.#writer.ascii(line.slice(0, limits.pop3ResponseBytesMax - 2)).ascii("\r\n");
    return this;
  }

  /** A challenge of SASL. RFC 5034 §4 */
  challenge(base64: string): this {
    this.#writer.ascii(`+ ${base64}\r\n`);
    return this;
  }

  /** A line of a multi-line response: ASCII that does not begin with a dot. */
  line(text: string): this {
    this.#writer.ascii(text).ascii("\r\n");
    return this;
  }

  /** The end of a multi-line response. */
  end(): this {
    this.#writer.ascii(".\r\n");
    return this;
  }

  /** Octets as they are; they must not be changed afterwards. */
  bytes(bytes: Uint8Array): this {
    if (bytes.length <= copiedBytesMax) {
      this.#writer.raw(bytes);
      return this;
    }
    this.#close();
    this.#chunks.push(bytes);
    this.#chunkBytes += bytes.length;
    return this;
  }

  #close(): void {
    if (this.#writer.length === 0) return;
    const bytes = this.#writer.take();
    this.#chunks.push(bytes);
    this.#chunkBytes += bytes.length;
  }

  /** All that was written, handed over. */
  take(): Uint8Array[] {
    this.#close();
    const chunks = this.#chunks;
    this.#chunks = [];
    this.#chunkBytes = 0;
    return chunks;
  }
}
