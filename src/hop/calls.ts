/** Calls over a link of frames: those that this node makes, and those that it answers. */
import { errorText, Refusal, type RefusalCode, refusalCodes } from "#base/assert.ts";
import { FormatError } from "#base/bytes.ts";
import type { Clock, Timer } from "#base/clock.ts";
import { DeadlineExceeded } from "#base/deadline.ts";
import { limits } from "#base/limits.ts";
import type { Log } from "#base/log.ts";
import type { AnswerFrame, BodyFrame, CallFrame, Frame, RefusalFrame } from "./frames.ts";
import type {
  CallOptions,
  CallServer,
  IncomingCall,
  LinkLost,
  LinkServices,
  NodeInfo,
} from "./link.ts";
import { type LinkWriter, SendQueue } from "./link-writer.ts";

export interface CallsHost {
  readonly clock: Clock;
  readonly log: Log;
  readonly services: LinkServices;
  peer(): NodeInfo;
}

/** A payload that arrives in pieces. */
class Assembly {
  readonly #bytes: Buffer | undefined;
  readonly #whole: Uint8Array;
  readonly total: number;
  #have: number;

  constructor(total: number, first: Uint8Array) {
    if (first.length > total) throw new FormatError("A payload is longer than it was said to be");
    this.total = total;
    this.#have = first.length;
    this.#whole = first;
    if (first.length === total) return;
    this.#bytes = Buffer.allocUnsafe(total);
    this.#bytes.set(first);
  }

  /** The payload, once it is complete. */
  get complete(): Uint8Array | undefined {
    return this.#have === this.total ? (this.#bytes ?? this.#whole) : undefined;
  }

  add(bytes: Uint8Array): void {
    if (this.#bytes === undefined || this.#have + bytes.length > this.total)
      throw new FormatError("A payload is longer than it was said to be");
    this.#bytes.set(bytes, this.#have);
    this.#have += bytes.length;
  }
}

interface Asked {
  readonly queue: SendQueue;
  readonly bytes: number;
  answer: Assembly | undefined;
  settle(outcome: Uint8Array | Error): void;
}

/** What this node asks the other one. */
export class CallsMade {
  readonly #clock: Clock;
  readonly #writer: LinkWriter;
  readonly #idle: () => void;
  readonly #asked = new Map<number, Asked>();
  #bytes = 0;
  #answerBytes = 0;

  /** @param idle is told when nothing is under way any more */
  constructor(clock: Clock, writer: LinkWriter, idle: () => void) {
    this.#clock = clock;
    this.#writer = writer;
    this.#idle = idle;
  }

  get size(): number {
    return this.#asked.size;
  }

  /** @throws Refusal LIMIT and what `Link.call` names */
  call(
    stream: number,
    name: string,
    payload: Uint8Array,
    options: CallOptions,
  ): Promise<Uint8Array> {
    if (
      this.#asked.size >= limits.hopCallsMax ||
      payload.length > limits.hopCallBytesMax ||
      this.#bytes + payload.length > limits.hopCallsBytesMax
    )
      return Promise.reject(new Refusal("LIMIT", "Too many calls to this node are under way"));
    if (options.signal?.aborted === true) return Promise.reject(takenBack(options.signal));
    return new Promise((resolve, reject) => {
      const queue = new SendQueue();
      const finish = watchCall(this.#clock, name, options, (error) => {
        this.#writer.drop(queue);
        this.#writer.control({ kind: "cancel", stream });
        asked.settle(error);
      });
      const asked: Asked = {
        queue,
        bytes: payload.length,
        answer: undefined,
        settle: (outcome) => {
          finish();
          this.#asked.delete(stream);
          this.#bytes -= payload.length;
          this.#answerBytes -= asked.answer?.total ?? 0;
          if (outcome instanceof Error) reject(outcome);
          else resolve(outcome);
          if (this.#asked.size === 0) this.#idle();
        },
      };
      this.#asked.set(stream, asked);
      this.#bytes += payload.length;
      const { deadlineMs } = options;
      const total = payload.length;
      sendPieces(this.#writer, queue, payload, (bytes, first) =>
        first
          ? { kind: "call", stream, name, deadlineMs: Math.ceil(deadlineMs), total, bytes }
          : { kind: "callBody", stream, bytes },
      );
    });
  }

  /** Frames for calls that were given up are dropped. @throws FormatError */
  receive(frame: AnswerFrame | BodyFrame | RefusalFrame): void {
    const asked = this.#asked.get(frame.stream);
    if (asked === undefined) return;
    if (frame.kind === "refusal") {
      // It may have been refused before all of it was sent.
      this.#writer.drop(asked.queue);
      asked.settle(new Refusal(knownCode(frame.code), frame.text));
      return;
    }
    if (frame.kind === "answer") {
      if (asked.answer !== undefined) throw new FormatError("A call is answered twice");
      if (this.#answerBytes + frame.total > limits.hopCallsBytesMax)
        throw new FormatError("Answers are too long");
      asked.answer = new Assembly(frame.total, frame.bytes);
      this.#answerBytes += frame.total;
    } else if (asked.answer === undefined) throw new FormatError("An answer without a beginning");
    else asked.answer.add(frame.bytes);
    const complete = asked.answer.complete;
    if (complete !== undefined) asked.settle(complete);
  }

  lose(error: LinkLost): void {
    for (const asked of this.#asked.values()) asked.settle(error);
  }
}

interface Served {
  readonly name: string;
  readonly deadlineMs: number;
  readonly payload: Assembly;
  readonly abort: AbortController;
  readonly queue: SendQueue;
  started: boolean;
}

/** What the other node asks. */
export class CallsServed {
  readonly #host: CallsHost;
  readonly #writer: LinkWriter;
  readonly #idle: () => void;
  readonly #served = new Map<number, Served>();
  #bytes = 0;

  constructor(host: CallsHost, writer: LinkWriter, idle: () => void) {
    this.#host = host;
    this.#writer = writer;
    this.#idle = idle;
  }

  get size(): number {
    return this.#served.size;
  }

  /** @throws FormatError */
  receive(frame: CallFrame | BodyFrame): void {
    const { stream } = frame;
    if (frame.kind !== "call") {
      const served = this.#served.get(stream);
      if (served === undefined || served.started) return;
      served.payload.add(frame.bytes);
      this.#startComplete(stream, served);
      return;
    }
    const full =
      this.#served.size >= limits.hopCallsMax ||
      this.#bytes + frame.total > limits.hopCallsBytesMax;
    if (full) {
      this.#refuse(stream, new Refusal("LIMIT", "Too many calls to this node are under way"));
      return;
    }
    const { name, deadlineMs } = frame;
    const payload = new Assembly(frame.total, frame.bytes);
    const abort = new AbortController();
    const served = { name, deadlineMs, payload, abort, queue: new SendQueue(), started: false };
    this.#served.set(stream, served);
    this.#bytes += frame.total;
    this.#startComplete(stream, served);
  }

  cancel(stream: number): void {
    const served = this.#served.get(stream);
    if (served === undefined) return;
    this.#writer.drop(served.queue);
    this.#finish(stream, served);
    served.abort.abort(new DeadlineExceeded("Nobody waits for the answer any more"));
    if (this.#served.size === 0) this.#idle();
  }

  lose(error: LinkLost): void {
    for (const [stream, served] of [...this.#served]) {
      this.#finish(stream, served);
      served.abort.abort(error);
    }
  }

  #startComplete(stream: number, served: Served): void {
    const payload = served.payload.complete;
    if (payload === undefined) return;
    served.started = true;
    const { name, deadlineMs, abort } = served;
    const call = { peer: this.#host.peer(), signal: abort.signal, deadlineMs };
    void answerCall(this.#host, name, payload, call).then((outcome) => {
      if (this.#served.get(stream) !== served) return;
      this.#finish(stream, served);
      if (outcome instanceof Refusal) this.#refuse(stream, outcome);
      else
        sendPieces(this.#writer, served.queue, outcome, (bytes, first) =>
          first
            ? { kind: "answer", stream, total: outcome.length, bytes }
            : { kind: "answerBody", stream, bytes },
        );
      if (this.#served.size === 0) this.#idle();
    });
  }

  #refuse(stream: number, { code, message }: Refusal): void {
    this.#writer.control({ kind: "refusal", stream, code, text: message });
  }

  #finish(stream: number, served: Served): void {
    this.#served.delete(stream);
    this.#bytes -= served.payload.total;
  }
}

function sendPieces(
  writer: LinkWriter,
  queue: SendQueue,
  payload: Uint8Array,
  frame: (bytes: Uint8Array, first: boolean) => Frame,
): void {
  let at = 0;
  do {
    const bytes = payload.subarray(at, at + limits.hopPartBytes);
    writer.push(queue, frame(bytes, at === 0));
    at += limits.hopPartBytes;
  } while (at < payload.length);
}

/** Tells `giveUp` when the deadline has passed or the caller takes the call back; the result stops. */
export function watchCall(
  clock: Clock,
  name: string,
  { deadlineMs, signal }: CallOptions,
  giveUp: (error: Error) => void,
): () => void {
  const timer: Timer = clock.after(deadlineMs, () =>
    giveUp(new DeadlineExceeded(`The call ${name} took longer than ${deadlineMs} ms`)),
  );
  const aborted = (): void => {
    if (signal !== undefined) giveUp(takenBack(signal));
  };
  signal?.addEventListener("abort", aborted, { once: true });
  return () => {
    timer.cancel();
    signal?.removeEventListener("abort", aborted);
  };
}

/** The error of a call whose `signal` was aborted. */
export function takenBack(signal: AbortSignal): Error {
  const reason: unknown = signal.reason;
  return reason instanceof Error ? reason : new DeadlineExceeded("The call was taken back");
}

/** What the server of a call says; an error that is no refusal is told to the log only. */
export async function answerCall(
  { services, log }: Pick<CallsHost, "services" | "log">,
  name: string,
  payload: Uint8Array,
  call: IncomingCall,
): Promise<Uint8Array | Refusal> {
  const server: CallServer | undefined = services.calls.get(name);
  if (server === undefined) return new Refusal("NONEXISTENT", `There is no call ${name}`);
  try {
    const answer = await server(payload, call);
    if (answer.length <= limits.hopCallBytesMax) return answer;
    throw new RangeError(`An answer of ${answer.length} bytes`);
  } catch (error) {
    if (error instanceof Refusal) return error;
    if (!call.signal.aborted)
      log.error({ call: name, peer: call.peer.id, error: errorText(error) }, "A call failed");
    return new Refusal("SERVERBUG", "Internal error");
  }
}

function knownCode(code: string): RefusalCode {
  return refusalCodes.find((known) => known === code) ?? "UNAVAILABLE";
}
