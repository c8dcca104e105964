/** The two ends of a stream over a carrier of bytes. */
import type { LinkLost } from "./link.ts";
import { FormatError } from "#base/bytes.ts";
import { type FlushFrame, type InputFrame, type StreamFrame, windowCost } from "./frames.ts";
import { type LinkWriter, SendQueue } from "./link-writer.ts";
import {
  type EndKind,
  type OutputPart,
  type ProxyStream,
  type StreamListener,
  StreamReset,
  type StreamRequest,
} from "./link.ts";
import {
  BackendEnd,
  InputQueue,
  lostEnd,
  OutputQueue,
  partsOf,
  refusedWrite,
} from "./stream-flow.ts";

/** What the ends of streams need of their link. */
export interface StreamHost {
  readonly writer: LinkWriter;
  /** What this node lets come in on a stream, and what the other one does, before any credit. */
  readonly localWindow: number;
  readonly peerWindow: number;
  /** The stream is over; frames for it are dropped from now on. */
  forget(stream: number): void;
  /** The listener or the server of a stream threw this. */
  failed(error: unknown): void;
}

/** An end of a stream, as its link sees it. */
export interface WireEnd {
  /** @throws FormatError where the peer broke the rules */
  receive(frame: StreamFrame): void;
  lose(error: LinkLost): void;
}

/** One direction outwards: never more on the way than the other end has room for. */
class CreditedSender {
  readonly #host: StreamHost;
  readonly #queue = new SendQueue();
  #waiting: (InputFrame | FlushFrame)[] = [];
  /** What is to be sent behind everything else. */
  #last: { readonly frame: StreamFrame; readonly sent: () => void } | undefined;
  #allowance: number;
  #sent = 0;
  #room: PromiseWithResolvers<void> | undefined;

  constructor(host: StreamHost) {
    this.#host = host;
    this.#allowance = host.peerWindow;
  }

  first(frame: Parameters<LinkWriter["push"]>[1]): void {
    this.#host.writer.push(this.#queue, frame);
  }

  push(frame: InputFrame | FlushFrame): Promise<void> | undefined {
    const cost = windowCost(frame);
    if (this.#waiting.length === 0 && this.#sent + cost <= this.#allowance) {
      this.#sent += cost;
      this.#host.writer.push(this.#queue, frame);
      return this.#host.writer.pressure();
    }
    this.#waiting.push(frame);
    this.#room ??= Promise.withResolvers();
    this.#room.promise.catch(() => {});
    return this.#room.promise;
  }

  /** Sends `frame` behind everything else, and calls `sent` then. */
  last(frame: StreamFrame, sent: () => void): void {
    this.#last = { frame, sent };
    this.#finish();
  }

  #finish(): void {
    const last = this.#last;
    if (last === undefined || this.#waiting.length > 0) return;
    this.#last = undefined;
    this.#host.writer.push(this.#queue, last.frame);
    last.sent();
  }

  credit(allowance: number): void {
    this.#allowance = Math.max(this.#allowance, allowance);
    let moved = 0;
    for (const frame of this.#waiting) {
      const cost = windowCost(frame);
      if (this.#sent + cost > this.#allowance) break;
      this.#sent += cost;
      this.#host.writer.push(this.#queue, frame);
      moved++;
    }
    this.#waiting.splice(0, moved);
    if (this.#waiting.length > 0) return;
    this.#finish();
    const room = this.#room;
    this.#room = undefined;
    if (room === undefined) return;
    const pressure = this.#host.writer.pressure();
    if (pressure === undefined) room.resolve();
    else void pressure.then(() => room.resolve());
  }

  /** Forgets what was not sent; who waits goes on, or gets `error`. */
  stop(error?: Error): void {
    this.#waiting = [];
    this.#last = undefined;
    this.#host.writer.drop(this.#queue);
    if (error === undefined) this.#room?.resolve();
    else this.#room?.reject(error);
    this.#room = undefined;
  }
}

/** One direction inwards: tells the sender what it may send. */
class CreditGiver {
  readonly #host: StreamHost;
  readonly #stream: number;
  #received = 0;
  #taken = 0;
  #allowance: number;

  constructor(host: StreamHost, stream: number) {
    this.#host = host;
    this.#stream = stream;
    this.#allowance = host.localWindow;
  }

  /** @throws FormatError where the sender had no credit for it */
  received(cost: number): void {
    this.#received += cost;
    if (this.#received > this.#allowance) throw new FormatError("A stream sends without credit");
  }

  taken(cost: number): void {
    this.#taken += cost;
    const allowance = this.#taken + this.#host.localWindow;
    if (allowance - this.#allowance < this.#host.localWindow / 2) return;
    this.#allowance = allowance;
    this.#host.writer.control({ kind: "credit", stream: this.#stream, allowance });
  }
}

export class WireProxyEnd implements ProxyStream, WireEnd {
  readonly #host: StreamHost;
  readonly #stream: number;
  readonly #sender: CreditedSender;
  readonly #credit: CreditGiver;
  readonly #output: OutputQueue;
  #inputEnded = false;
  #over = false;

  constructor(host: StreamHost, stream: number, request: StreamRequest, listener: StreamListener) {
    this.#host = host;
    this.#stream = stream;
    this.#sender = new CreditedSender(host);
    this.#credit = new CreditGiver(host, stream);
    this.#output = new OutputQueue(
      listener,
      (cost) => {
        if (!this.#over) this.#credit.taken(cost);
      },
      (error) => {
        host.failed(error);
        this.reset("bug", "The proxy failed");
        this.#output.stop();
      },
    );
    this.#sender.first({ kind: "open", stream, request });
  }

  send(offset: number, bytes: Uint8Array): Promise<void> | undefined {
    let wait: Promise<void> | undefined;
    let at = offset;
    for (const part of partsOf(bytes)) {
      if (this.#over || this.#inputEnded) return undefined;
      wait = this.#sender.push({ kind: "input", stream: this.#stream, offset: at, bytes: part });
      at += part.length;
    }
    return wait;
  }

  endInput(): void {
    if (this.#over || this.#inputEnded) return;
    this.#inputEnded = true;
    this.#sender.last({ kind: "end", stream: this.#stream, how: "ended", text: "" }, () => {});
  }

  reset(how: EndKind, text: string): void {
    this.#output.stop();
    if (this.#over) return;
    this.#finish();
    this.#sender.first({ kind: "reset", stream: this.#stream, how, text });
  }

  receive(frame: StreamFrame): void {
    switch (frame.kind) {
      case "flush": {
        const cost = windowCost(frame);
        this.#credit.received(cost);
        this.#output.push(frame, cost);
        return;
      }
      case "credit":
        this.#sender.credit(frame.allowance);
        return;
      case "end":
        this.#finish();
        this.#output.end({ how: frame.how, text: frame.text });
        return;
      case "reset":
        this.#finish();
        this.#output.endNow({ how: frame.how, text: frame.text });
        return;
      case "input":
        throw new FormatError("Input came from a backend");
    }
  }

  lose(error: LinkLost): void {
    this.#finish();
    this.#output.endNow(lostEnd(error));
  }

  #finish(): void {
    this.#over = true;
    this.#sender.stop();
    this.#host.forget(this.#stream);
  }
}

export class WireBackendEnd extends BackendEnd implements WireEnd {
  readonly #host: StreamHost;
  readonly #stream: number;
  readonly #sender: CreditedSender;
  readonly #credit: CreditGiver;
  readonly #input: InputQueue;
  #failure: Error | undefined;

  constructor(host: StreamHost, stream: number, request: StreamRequest) {
    super(request);
    this.#host = host;
    this.#stream = stream;
    this.#sender = new CreditedSender(host);
    this.#credit = new CreditGiver(host, stream);
    this.#input = new InputQueue(request.inputOffset, (cost) => {
      if (this.#failure === undefined) this.#credit.taken(cost);
    });
  }

  read(): Promise<Uint8Array | null> {
    return this.#input.read();
  }

  protected override sendPart(part: OutputPart): Promise<void> | undefined {
    if (this.#failure !== undefined) return refusedWrite(this.#failure);
    return this.#sender.push({ kind: "flush", stream: this.#stream, ...part });
  }

  end(how: EndKind, text: string): void {
    if (this.#failure !== undefined) return;
    this.#failure = new StreamReset(how, "The stream was ended here");
    this.tellOver();
    this.#input.end();
    // Credit for what still waits is taken until then.
    this.#sender.last({ kind: "end", stream: this.#stream, how, text }, () =>
      this.#host.forget(this.#stream),
    );
  }

  reset(how: EndKind, text: string): void {
    if (this.#failure !== undefined) return;
    this.#fail(new StreamReset(how, text));
    this.#sender.first({ kind: "reset", stream: this.#stream, how, text });
  }

  receive(frame: StreamFrame): void {
    switch (frame.kind) {
      case "input": {
        const cost = windowCost(frame);
        this.#credit.received(cost);
        if (!this.#input.push(frame.offset, frame.bytes, cost))
          this.reset("bug", "Input is missing");
        return;
      }
      case "credit":
        this.#sender.credit(frame.allowance);
        return;
      case "end":
        this.#input.end();
        return;
      case "reset":
        this.#fail(new StreamReset(frame.how, frame.text));
        return;
      case "flush":
        throw new FormatError("Output came from a proxy");
    }
  }

  lose(error: LinkLost): void {
    this.#fail(error);
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.tellOver();
    this.#input.fail(error);
    this.#sender.stop(error);
    this.#host.forget(this.#stream);
  }
}
