/** A link within one process: the same promises, kept by plain calls. */
import { errorText, Refusal } from "#base/assert.ts";
import type { Clock, Timer } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import type { Log } from "#base/log.ts";
import { answerCall, takenBack, watchCall } from "./calls.ts";
import {
  type CallOptions,
  type EndKind,
  type Link,
  LinkLost,
  type LinkServices,
  type NodeInfo,
  type OutputPart,
  type ProxyStream,
  type StreamListener,
  StreamReset,
  type StreamRequest,
} from "./link.ts";
import {
  BackendEnd,
  checkRequest,
  InputQueue,
  lostEnd,
  OutputQueue,
  refusedWrite,
  serveStream,
} from "./stream-flow.ts";

export interface LocalSide {
  readonly info: NodeInfo;
  readonly services: LinkServices;
}

/** Bytes of one direction that were not taken yet; too many make who writes wait. */
class Room {
  #used = 0;
  #free: PromiseWithResolvers<void> | undefined;

  use(bytes: number): void {
    this.#used += bytes;
  }

  /** What to wait for; it rejects where the stream ends with an error meanwhile. */
  wait(): Promise<void> | undefined {
    if (this.#used < limits.hopWindowBytes) return undefined;
    if (this.#free === undefined) {
      this.#free = Promise.withResolvers();
      this.#free.promise.catch(() => {});
    }
    return this.#free.promise;
  }

  give(bytes: number): void {
    this.#used -= bytes;
    if (this.#free === undefined || this.#used > limits.hopWindowBytes / 2) return;
    this.#free.resolve();
    this.#free = undefined;
  }

  close(error?: Error): void {
    if (error === undefined) this.#free?.resolve();
    else this.#free?.reject(error);
    this.#free = undefined;
  }
}

/** Both ends of a stream: the proxy's is this, the backend's is `backend`. */
class LocalStream implements ProxyStream {
  readonly backend: LocalBackendEnd;
  readonly input: InputQueue;
  readonly output: OutputQueue;
  readonly inputRoom = new Room();
  readonly outputRoom = new Room();
  readonly #link: LocalState;
  #inputEnded = false;
  over = false;

  constructor(link: LocalState, request: StreamRequest, listener: StreamListener) {
    this.#link = link;
    this.input = new InputQueue(request.inputOffset, (cost) => this.inputRoom.give(cost));
    this.output = new OutputQueue(
      listener,
      (cost) => this.outputRoom.give(cost),
      (error) => {
        link.failed(error);
        this.reset("bug", "The proxy failed");
        this.output.stop();
      },
    );
    this.backend = new LocalBackendEnd(request, this);
    link.streams.add(this);
  }

  send(offset: number, bytes: Uint8Array): Promise<void> | undefined {
    if (this.over || this.#inputEnded) return undefined;
    this.inputRoom.use(bytes.length);
    if (this.input.push(offset, bytes, bytes.length)) return this.inputRoom.wait();
    this.backend.fail(new StreamReset("bug", "Input is missing"));
    this.finish();
    this.output.endNow({ how: "bug", text: "Input is missing" });
    return undefined;
  }

  endInput(): void {
    if (this.over || this.#inputEnded) return;
    this.#inputEnded = true;
    this.input.end();
  }

  reset(how: EndKind, text: string): void {
    this.output.stop();
    if (this.over) return;
    this.finish();
    this.backend.fail(new StreamReset(how, text));
  }

  lose(lost: LinkLost): void {
    this.finish();
    this.output.endNow(lostEnd(lost));
    this.backend.fail(lost);
  }

  finish(): void {
    this.over = true;
    this.inputRoom.close();
    this.#link.forget(this);
  }
}

class LocalBackendEnd extends BackendEnd {
  readonly #stream: LocalStream;
  #failure: Error | undefined;

  constructor(request: StreamRequest, stream: LocalStream) {
    super(request);
    this.#stream = stream;
  }

  read(): Promise<Uint8Array | null> {
    return this.#stream.input.read();
  }

  protected override sendPart(part: OutputPart): Promise<void> | undefined {
    if (this.#failure !== undefined) return refusedWrite(this.#failure);
    const { outputRoom, output } = this.#stream;
    outputRoom.use(part.bytes.length);
    output.push(part, part.bytes.length);
    return outputRoom.wait();
  }

  end(how: EndKind, text: string): void {
    if (this.#failure !== undefined) return;
    this.#failure = new StreamReset(how, "The stream was ended here");
    this.tellOver();
    this.#stream.input.end();
    this.#stream.finish();
    this.#stream.output.end({ how, text });
  }

  reset(how: EndKind, text: string): void {
    if (this.#failure !== undefined) return;
    this.fail(new StreamReset(how, text));
    this.#stream.finish();
    this.#stream.output.endNow({ how, text });
  }

  fail(error: Error): void {
    this.#failure ??= error;
    this.tellOver();
    this.#stream.input.fail(error);
    this.#stream.outputRoom.close(error);
  }
}

interface LocalParts {
  readonly clock: Clock;
  readonly log: Log;
}

/** What both ends of a local link share. */
class LocalState {
  readonly clock: Clock;
  readonly log: Log;
  readonly streams = new Set<LocalStream>();
  readonly calls = new Set<{ lose(lost: LinkLost): void }>();
  readonly closed: Promise<LinkLost>;
  closing = false;
  lost: LinkLost | undefined;
  #resolveClosed!: (lost: LinkLost) => void;
  #timer: Timer | undefined;

  constructor({ clock, log }: LocalParts) {
    this.clock = clock;
    this.log = log;
    this.closed = new Promise((resolve) => (this.#resolveClosed = resolve));
  }

  forget(stream: LocalStream): void {
    this.streams.delete(stream);
    this.endIfIdle();
  }

  failed(error: unknown): void {
    this.log.error({ error: errorText(error) }, "A stream failed");
  }

  goodbye(): void {
    if (this.closing || this.lost !== undefined) return;
    this.closing = true;
    this.#timer = this.clock.after(limits.hopGoodbyeMs, () => this.end("The link was closed"));
    this.endIfIdle();
  }

  endIfIdle(): void {
    if (this.closing && this.streams.size + this.calls.size === 0) this.end("The link was closed");
  }

  end(reason: string): void {
    if (this.lost !== undefined) return;
    this.lost = new LinkLost(reason);
    this.closing = true;
    this.#timer?.cancel();
    for (const stream of [...this.streams]) stream.lose(this.lost);
    for (const call of [...this.calls]) call.lose(this.lost);
    this.#resolveClosed(this.lost);
  }
}

class LocalLink implements Link {
  readonly local: NodeInfo;
  readonly peer: NodeInfo;
  readonly #services: LinkServices;
  readonly #state: LocalState;

  constructor(local: NodeInfo, other: LocalSide, state: LocalState) {
    this.local = local;
    this.peer = other.info;
    this.#services = other.services;
    this.#state = state;
  }

  get closing(): boolean {
    return this.#state.closing;
  }

  get closed(): Promise<LinkLost> {
    return this.#state.closed;
  }

  open(request: StreamRequest, listener: StreamListener): ProxyStream {
    this.#mustTakeNew();
    checkRequest(request);
    if (this.#state.streams.size >= limits.hopStreamsMax)
      throw new Refusal("LIMIT", "Too many sessions with this node");
    const stream = new LocalStream(this.#state, request, listener);
    // As over a carrier: nothing comes back before this call has returned.
    queueMicrotask(() => {
      if (stream.over) return;
      serveStream(stream.backend, this.#services, this.local, (error) => this.#state.failed(error));
    });
    return stream;
  }

  async call(name: string, payload: Uint8Array, options: CallOptions): Promise<Uint8Array> {
    this.#mustTakeNew();
    const { calls, clock, log } = this.#state;
    if (calls.size >= limits.hopCallsMax || payload.length > limits.hopCallBytesMax)
      throw new Refusal("LIMIT", "Too many calls to this node are under way");
    if (options.signal?.aborted === true) throw takenBack(options.signal);
    const abort = new AbortController();
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array | Refusal>();
    const giveUp = (error: Error): void => {
      reject(error);
      abort.abort(error);
    };
    const underway = { lose: giveUp };
    const finish = watchCall(clock, name, options, giveUp);
    calls.add(underway);
    try {
      const incoming = { peer: this.local, signal: abort.signal, deadlineMs: options.deadlineMs };
      answerCall({ services: this.#services, log }, name, payload, incoming).then(resolve, reject);
      const outcome = await promise;
      if (outcome instanceof Refusal) throw outcome;
      return outcome;
    } finally {
      finish();
      calls.delete(underway);
      this.#state.endIfIdle();
    }
  }

  note(name: string, payload: Uint8Array): Promise<void> | undefined {
    if (payload.length > limits.hopPartBytesMax) throw new Refusal("TOOBIG", "A note is too long");
    if (this.#state.lost !== undefined) return undefined;
    try {
      this.#services.note(name, payload, this.local);
    } catch (error) {
      this.#state.failed(error);
    }
    return undefined;
  }

  async goodbye(): Promise<void> {
    this.#state.goodbye();
    await this.closed;
  }

  destroy(reason: string): void {
    this.#state.end(reason);
  }

  #mustTakeNew(): void {
    if (this.#state.lost !== undefined) throw this.#state.lost;
    if (this.#state.closing) throw new LinkLost("The link is closing");
  }
}

/** The two ends of a link within this process; a node may be linked with itself. */
export function localLinks(a: LocalSide, b: LocalSide, parts: LocalParts): [Link, Link] {
  const state = new LocalState(parts);
  return [new LocalLink(a.info, b, state), new LocalLink(b.info, a, state)];
}
