import { Bug } from "#base/assert.ts";
import { crc32 } from "#base/crc.ts";
import { limits } from "#base/limits.ts";
import {
  type LinkLost,
  type BackendStream,
  type EndKind,
  type Flushed,
  type LinkServices,
  type NodeInfo,
  type OutputPart,
  type StreamEnd,
  type StreamListener,
  type StreamRequest,
} from "./link.ts";

/** Cuts `bytes` into parts that fit a frame; nothing for no bytes. */
export function* partsOf(bytes: Uint8Array): Generator<Uint8Array, void, void> {
  for (let at = 0; at < bytes.length; at += limits.hopPartBytes)
    yield bytes.subarray(at, at + limits.hopPartBytes);
}

/** A promise that rejects and of which nobody need take notice. */
export function refusedWrite(reason: Error): Promise<void> {
  const refused = Promise.reject(reason);
  refused.catch(() => {});
  return refused;
}

/** Input on its way to the session at a backend: in order, each byte once. */
export class InputQueue {
  readonly #taken: (cost: number) => void;
  #chunks: { readonly bytes: Uint8Array; readonly cost: number }[] = [];
  #expected: number;
  #ended = false;
  #error: Error | undefined;
  #reader: PromiseWithResolvers<Uint8Array | null> | undefined;

  /**
   * @param from offset of the first byte
   * @param taken is told what a chunk cost when the session has taken it
   */
  constructor(from: number, taken: (cost: number) => void) {
    this.#expected = from;
    this.#taken = taken;
  }

  /** False where bytes are missing before these. */
  push(offset: number, bytes: Uint8Array, cost: number): boolean {
    if (offset > this.#expected) return false;
    const known = this.#expected - offset;
    const fresh = known === 0 ? bytes : bytes.subarray(Math.min(known, bytes.length));
    if (this.#ended || this.#error !== undefined || fresh.length === 0) {
      this.#taken(cost);
      return true;
    }
    this.#expected += fresh.length;
    const reader = this.#reader;
    if (reader === undefined) {
      this.#chunks.push({ bytes: fresh, cost });
      return true;
    }
    this.#reader = undefined;
    reader.resolve(fresh);
    this.#taken(cost);
    return true;
  }

  end(): void {
    this.#ended = true;
    if (this.#error !== undefined) return;
    this.#reader?.resolve(null);
    this.#reader = undefined;
  }

  /** Reads reject from now on; what was not read is dropped. */
  fail(error: Error): void {
    if (this.#error !== undefined) return;
    this.#error = error;
    this.#chunks = [];
    this.#reader?.reject(error);
    this.#reader = undefined;
  }

  read(): Promise<Uint8Array | null> {
    if (this.#error !== undefined) return Promise.reject(this.#error);
    const first = this.#chunks.shift();
    if (first !== undefined) {
      this.#taken(first.cost);
      return Promise.resolve(first.bytes);
    }
    if (this.#ended) return Promise.resolve(null);
    if (this.#reader !== undefined) throw new Bug("Two reads at a time");
    this.#reader = Promise.withResolvers();
    // Who gave up reading learns of the end in another way.
    this.#reader.promise.catch(() => {});
    return this.#reader.promise;
  }
}

/** Output on its way to the listener at a proxy: one part after another, then the end. */
export class OutputQueue {
  readonly #listener: StreamListener;
  readonly #taken: (cost: number) => void;
  readonly #broken: (error: unknown) => void;
  #parts: { readonly part: OutputPart; readonly cost: number }[] = [];
  #busy = false;
  #end: StreamEnd | undefined;
  #over = false;

  /** @param broken is told what the listener threw */
  constructor(
    listener: StreamListener,
    taken: (cost: number) => void,
    broken: (error: unknown) => void,
  ) {
    this.#listener = listener;
    this.#taken = taken;
    this.#broken = broken;
  }

  push(part: OutputPart, cost: number): void {
    if (this.#over) return;
    this.#parts.push({ part, cost });
    if (!this.#busy) this.#run();
  }

  /** The end behind all output. */
  end(end: StreamEnd): void {
    if (this.#over) return;
    if (this.#busy) this.#end ??= end;
    else this.endNow(end);
  }

  endNow(end: StreamEnd): void {
    if (this.#over) return;
    this.stop();
    try {
      this.#listener.ended(end);
    } catch (error) {
      this.#broken(error);
    }
  }

  /** Nothing is told any more. */
  stop(): void {
    this.#over = true;
    this.#parts = [];
  }

  #run(): void {
    this.#busy = true;
    for (let next = this.#parts.shift(); next !== undefined; next = this.#parts.shift()) {
      const { part, cost } = next;
      let wait: Promise<void> | undefined;
      try {
        wait = this.#listener.output(part);
      } catch (error) {
        this.#broken(error);
        return;
      }
      if (wait !== undefined) {
        wait.then(
          () => {
            this.#taken(cost);
            this.#run();
          },
          (error: unknown) => this.#broken(error),
        );
        return;
      }
      this.#taken(cost);
    }
    this.#busy = false;
    if (this.#end !== undefined) this.endNow(this.#end);
  }
}

/** What a backend's end is the same in, whatever is under it. */
export abstract class BackendEnd implements BackendStream {
  readonly request: StreamRequest;
  #outputOffset: number;
  /** CRC-32 of the output since the last state; undefined while there is none. */
  #hash: number | undefined;
  /** Called once when the stream is over. */
  whenOver: (() => void) | undefined;

  constructor(request: StreamRequest) {
    this.request = request;
    this.#outputOffset = request.outputOffset;
  }

  abstract read(): Promise<Uint8Array | null>;
  abstract end(how: EndKind, text: string): void;
  abstract reset(how: EndKind, text: string): void;
  /** Sends one part; what comes back is the answer of the last one. */
  protected abstract sendPart(part: OutputPart): Promise<void> | undefined;

  write(bytes: Uint8Array): Promise<void> | undefined {
    let wait: Promise<void> | undefined;
    for (const part of partsOf(bytes)) wait = this.#unfinished(part);
    return wait;
  }

  flush(flush: Flushed & { readonly output: Uint8Array }): Promise<void> | undefined {
    const { consumed, state, output } = flush;
    if (state !== undefined && state.length > limits.hopStateBytesMax)
      throw new Bug(`A state of ${state.length} bytes`);
    const last = Math.max(0, output.length - 1);
    const cut = last - (last % limits.hopPartBytes);
    void this.write(output.subarray(0, cut));
    const bytes = output.subarray(cut);
    const offset = this.#outputOffset;
    this.#outputOffset += bytes.length;
    this.#hash = undefined;
    return this.sendPart({ offset, bytes, hash: undefined, done: { consumed, state } });
  }

  protected tellOver(): void {
    const tell = this.whenOver;
    this.whenOver = undefined;
    tell?.();
  }

  #unfinished(bytes: Uint8Array): Promise<void> | undefined {
    const offset = this.#outputOffset;
    this.#outputOffset += bytes.length;
    this.#hash = crc32(bytes, this.#hash ?? 0);
    return this.sendPart({ offset, bytes, hash: this.#hash, done: undefined });
  }
}

/** What is said of a stream whose link is gone. */
export function lostEnd(error: LinkLost): StreamEnd {
  return { how: "lost", text: error.message };
}

/** Starts the session of a stream, unless a newer generation of it is known. */
export function serveStream(
  stream: BackendEnd,
  services: LinkServices,
  peer: NodeInfo,
  failed: (error: unknown) => void,
): void {
  const { request } = stream;
  const { generations } = services;
  const superseded = (): void => stream.reset("stale", "The session goes on elsewhere");
  if (!generations.begin(request, superseded)) return superseded();
  stream.whenOver = () => generations.end(request);
  try {
    services.serve(stream, peer);
  } catch (error) {
    failed(error);
    stream.reset("bug", "Internal error");
  }
}

/** Half a window holds the most that one frame takes of it, or a stream could come to a stop. */
export const windowBytesMin = 2 * (limits.hopPartBytesMax + limits.hopStateBytesMax + 1_024);

/** Throws where a request would not fit its frame. */
export function checkRequest({ session, head, generation, shard }: StreamRequest): void {
  if (session.length !== 16) throw new Bug("The id of a session has 16 bytes");
  if (head.length > limits.hopHeadBytesMax) throw new Bug(`A head of ${head.length} bytes`);
  if (generation >>> 0 !== generation || shard >>> 0 !== shard || shard > 0xffff)
    throw new Bug("A request out of range");
}
