import { constants, createDeflateRaw, createInflateRaw } from "node:zlib";
import { Bug } from "#base/assert.ts";
import { concatBytes } from "#base/bytes.ts";
import { limits } from "#base/limits.ts";
import { ConnectionBroken } from "#base/stream.ts";
import type { ByteStream } from "#base/stream.ts";

/**
 * Raw DEFLATE in both directions over another stream. RFC 4978 §3
 *
 * Outwards one burst of writes is one compressed block with a sync flush behind it. Inwards the
 * decompressor stops after each piece of output until somebody reads it, so a few bytes that
 * unpack to gigabytes cost one buffer. Text that was compressed and text that an attacker chose
 * share a dictionary here as in every COMPRESS; RFC 4978 §5 leaves that to the client's judgement.
 */
export class DeflatedStream implements ByteStream {
  readonly #carrier: ByteStream;
  // A small window: 2^13 bytes and 2^(6+9) bytes of hash chains per connection.
  readonly #deflate = createDeflateRaw({ level: 5, windowBits: 13, memLevel: 6 });
  readonly #inflate = createInflateRaw({ chunkSize: limits.inflatedBytesMax });

  #reading = false;
  /** Input that the decompressor has not used up yet keeps this true. */
  #inflating = false;
  #inflateEnded = false;
  #inputFailure: ConnectionBroken | undefined;
  #wakeReader: (() => void) | undefined;

  #compressed: Uint8Array[] = [];
  #outgoing: Uint8Array[] = [];
  #outgoingBytes = 0;
  #sending: Promise<void> | undefined;
  #ending = false;
  #destroyed = false;

  constructor(carrier: ByteStream) {
    this.#carrier = carrier;
    this.#inflate.on("readable", () => this.#wake());
    this.#inflate.on("end", () => {
      this.#inflateEnded = true;
      this.#wake();
    });
    this.#inflate.on("error", (error: Error) => {
      this.#inputFailure = new ConnectionBroken("Compressed data is damaged", { cause: error });
      this.#wake();
    });
    this.#deflate.on("data", (bytes: Buffer) => void this.#compressed.push(bytes));
    // Errors of the compressor reach the writer through its flush.
    this.#deflate.on("error", () => this.destroy());
  }

  async read(): Promise<Uint8Array | null> {
    if (this.#reading) throw new Bug("Two reads at a time");
    this.#reading = true;
    try {
      for (;;) {
        const bytes = this.#inflate.read() as Buffer | null;
        if (bytes !== null) return bytes;
        if (this.#inputFailure !== undefined) throw this.#inputFailure;
        if (this.#inflateEnded || this.#destroyed) return null;
        if (this.#inflating) {
          await new Promise<void>((resolve) => (this.#wakeReader = resolve));
          continue;
        }
        const compressed = await this.#carrier.read();
        if (compressed === null) return null;
        this.#inflating = true;
        this.#inflate.write(compressed, () => {
          this.#inflating = false;
          this.#wake();
        });
      }
    } finally {
      this.#reading = false;
    }
  }

  write(bytes: Uint8Array): Promise<void> | undefined {
    if (this.#ending || this.#destroyed) {
      const refused = Promise.reject(new ConnectionBroken("The connection is closed"));
      refused.catch(() => {});
      return refused;
    }
    if (bytes.length === 0) return undefined;
    this.#outgoing.push(bytes);
    this.#outgoingBytes += bytes.length;
    this.#sending ??= this.#startSending();
    return this.#outgoingBytes < limits.outputBufferBytes ? undefined : this.#sending;
  }

  end(): void {
    if (this.#ending || this.#destroyed) return;
    this.#ending = true;
    const end = (): void => {
      this.#carrier.end();
      this.#free();
    };
    if (this.#sending === undefined) end();
    else this.#sending.then(end, () => this.destroy());
  }

  destroy(): void {
    if (this.#destroyed) return;
    this.#carrier.destroy();
    this.#free();
  }

  #free(): void {
    this.#destroyed = true;
    this.#inflate.destroy();
    this.#deflate.destroy();
    this.#wake();
  }

  #wake(): void {
    this.#wakeReader?.();
    this.#wakeReader = undefined;
  }

  /** Settles when all that was written before is on its way. */
  #startSending(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    promise.catch(() => {});
    process.nextTick(() => {
      this.#send().then(resolve, reject);
    });
    return promise;
  }

  async #send(): Promise<void> {
    try {
      while (this.#outgoing.length > 0) {
        const burst = concatBytes(this.#outgoing);
        this.#outgoing = [];
        this.#outgoingBytes = 0;
        const compressed = await this.#compress(burst);
        await this.#carrier.write(compressed);
      }
    } catch (error) {
      this.destroy();
      throw error;
    } finally {
      this.#sending = undefined;
    }
  }

  #compress(bytes: Uint8Array): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const closed = (): void => reject(new ConnectionBroken("The connection is closed"));
      if (this.#destroyed) return closed();
      this.#deflate.once("close", closed);
      this.#deflate.write(bytes);
      this.#deflate.flush(constants.Z_SYNC_FLUSH, () => {
        this.#deflate.off("close", closed);
        const out = concatBytes(this.#compressed);
        this.#compressed = [];
        resolve(out);
      });
    });
  }
}
