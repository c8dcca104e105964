import { Duplex } from "node:stream";

/** What OpenSSL, behind a `TLSSocket`, is connected to instead of a socket. */
export interface FarEnd {
  /** Bytes that OpenSSL sends, in order. `done`: it may go on. */
  sent(bytes: Buffer, done: () => void): void;
  /** OpenSSL takes more again, after `give` said false. */
  wanted(): void;
  /** It sends no more. */
  finished(): void;
}

/** A connection in memory: what `give` takes is read by its owner, what that one writes is `sent`. */
export class MemoryDuplex extends Duplex {
  readonly #far: FarEnd;

  constructor(far: FarEnd) {
    super({ allowHalfOpen: true, decodeStrings: true });
    this.#far = far;
  }

  /** False: wait for `wanted`. Null: there is nothing more. */
  give(bytes: Uint8Array | null): boolean {
    return this.destroyed || this.push(bytes);
  }

  override _read(): void {
    this.#far.wanted();
  }

  override _write(bytes: Buffer, _encoding: string, done: () => void): void {
    this.#far.sent(bytes, done);
  }

  override _writev(parts: { chunk: Buffer }[], done: () => void): void {
    this.#far.sent(Buffer.concat(parts.map(({ chunk }) => chunk)), done);
  }

  override _final(done: () => void): void {
    this.#far.finished();
    done();
  }
}
