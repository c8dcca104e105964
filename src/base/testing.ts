/** What the tests of several areas share. */
import { asBuffer, concatBytes } from "./bytes.ts";
import { ConnectionBroken, type SessionStream } from "./stream.ts";

/** Two ends of a connection in memory; what one writes the other reads. */
export function memoryStreams(): [MemoryStream, MemoryStream] {
  const a = new MemoryStream();
  const b = new MemoryStream();
  a.peer = b;
  b.peer = a;
  return [a, b];
}

export class MemoryStream implements SessionStream {
  peer!: MemoryStream;
  compressed = false;
  /** Writes that arrived, for looking at how they were cut. */
  readonly writes: Uint8Array[] = [];
  /** A slow reader: writers wait until it is false. */
  stalled = false;
  #chunks: Uint8Array[] = [];
  #ended = false;
  #reader: ((bytes: Uint8Array | null) => void) | undefined;
  #drained: (() => void)[] = [];

  read(): Promise<Uint8Array | null> {
    if (this.#chunks.length > 0) {
      const all = concatBytes(this.#chunks);
      this.#chunks = [];
      return Promise.resolve(all);
    }
    if (this.#ended) return Promise.resolve(null);
    return new Promise((resolve) => (this.#reader = resolve));
  }

  withdrawRead(): boolean {
    if (this.#reader === undefined) return false;
    this.#reader = undefined;
    return true;
  }

  write(bytes: Uint8Array): Promise<void> | undefined {
    if (this.peer.#ended) {
      const broken = Promise.reject(new ConnectionBroken("Closed"));
      broken.catch(() => {});
      return broken;
    }
    this.peer.#receive(bytes);
    if (!this.peer.stalled) return undefined;
    return new Promise((resolve) => void this.peer.#drained.push(resolve));
  }

  #receive(bytes: Uint8Array): void {
    this.writes.push(bytes);
    if (this.#reader === undefined) {
      this.#chunks.push(bytes);
      return;
    }
    const reader = this.#reader;
    this.#reader = undefined;
    reader(asBuffer(bytes));
  }

  resume(): void {
    this.stalled = false;
    for (const resolve of this.#drained.splice(0)) resolve();
  }

  end(): void {
    this.peer.#finish();
  }

  destroy(): void {
    this.#finish();
    this.peer.#finish();
  }

  #finish(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#reader?.(null);
    this.#reader = undefined;
  }

  startCompression(): void {
    this.compressed = true;
  }
}
