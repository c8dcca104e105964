import { errorText, Refusal } from "#base/assert.ts";
import { FormatError } from "#base/bytes.ts";
import type { Clock, Timer } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import type { Log } from "#base/log.ts";
import { type ByteStream, ConnectionBroken } from "#base/stream.ts";
import { CallsMade, CallsServed } from "./calls.ts";
import { FrameDecoder } from "./frame-decoder.ts";
import {
  type Frame,
  type HelloFrame,
  hopFormatVersion,
  hopFormatVersionMin,
  type OpenFrame,
} from "./frames.ts";
import {
  type CallOptions,
  type Link,
  LinkLost,
  type LinkServices,
  type NodeInfo,
  type ProxyStream,
  type StreamListener,
  type StreamRequest,
} from "./link.ts";
import { LinkWriter } from "./link-writer.ts";
import { checkRequest, serveStream, windowBytesMin } from "./stream-flow.ts";
import { type StreamHost, WireBackendEnd, type WireEnd, WireProxyEnd } from "./wire-streams.ts";

export interface WireLinkParts {
  /** Who connected: its hello is the first one, and its streams have odd numbers. */
  readonly dialed: boolean;
  readonly local: NodeInfo;
  readonly services: LinkServices;
  readonly clock: Clock;
  readonly log: Log;
  /** What speaks against a link with this node; undefined: nothing. Asked once. */
  admit?(peer: NodeInfo): string | undefined;
}

/** The other node wants no such link; it said why. */
export class LinkRefused extends LinkLost {}

/**
 * A link as frames over a carrier. `WireLink.start` leads the handshake; from then on it lives until
 * the carrier breaks, the peer is silent for too long or breaks the rules, or somebody ends it.
 */
export class WireLink implements Link, StreamHost {
  readonly local: NodeInfo;
  readonly closed: Promise<LinkLost>;
  readonly writer: LinkWriter;
  readonly localWindow = limits.hopWindowBytes;
  peerWindow: number = limits.hopWindowBytes;
  readonly #parts: WireLinkParts;
  readonly #carrier: ByteStream;
  readonly #decoder = new FrameDecoder();
  readonly #streams = new Map<number, WireEnd>();
  readonly #made: CallsMade;
  readonly #served: CallsServed;
  readonly #established = Promise.withResolvers<void>();
  #peer: NodeInfo | undefined;
  #resolveClosed!: (lost: LinkLost) => void;
  #lost: LinkLost | undefined;
  #closing = false;
  #opened = 0;
  #accepted = 0;
  #nextNumber: number;
  #highestAccepted = 0;
  #timer: Timer | undefined;
  #goodbyeTimer: Timer | undefined;
  /** Heartbeats in a row without a sign of life. */
  #silent = 0;
  /** Chunks that came in. */
  #chunks = 0;
  #probeTimer: Timer | undefined;
  #pings = 0;
  #pingedAt = 0;
  /** Milliseconds of the last round trip. */
  roundTripMs = 0;

  private constructor(carrier: ByteStream, parts: WireLinkParts) {
    this.local = parts.local;
    this.#parts = parts;
    this.#carrier = carrier;
    this.#nextNumber = parts.dialed ? 1 : 2;
    this.closed = new Promise((resolve) => (this.#resolveClosed = resolve));
    this.writer = new LinkWriter(carrier, (error) => this.#fail(errorText(error)));
    const idle = (): void => this.#endIfIdle();
    const { clock, log, services } = parts;
    this.#made = new CallsMade(clock, this.writer, idle);
    const host = { clock, log, services, peer: () => this.peer };
    this.#served = new CallsServed(host, this.writer, idle);
    this.#established.promise.catch(() => {});
  }

  /** A link over `carrier`. @throws LinkLost when there is none within `limits.hopHandshakeMs` */
  static async start(carrier: ByteStream, parts: WireLinkParts): Promise<WireLink> {
    const link = new WireLink(carrier, parts);
    link.#timer = parts.clock.after(limits.hopHandshakeMs, () =>
      link.#fail("The handshake took too long"),
    );
    if (parts.dialed) link.#sayHello();
    void link.#receive();
    await link.#established.promise;
    return link;
  }

  get peer(): NodeInfo {
    return this.#peer!;
  }

  get closing(): boolean {
    return this.#closing || this.#lost !== undefined;
  }

  /** Streams that are open, of both sides. */
  get streams(): number {
    return this.#streams.size;
  }

  open(request: StreamRequest, listener: StreamListener): ProxyStream {
    this.#mustTakeNew();
    checkRequest(request);
    if (this.#opened >= limits.hopStreamsMax)
      throw new Refusal("LIMIT", "Too many sessions with this node");
    const stream = this.#takeNumber();
    const end = new WireProxyEnd(this, stream, request, listener);
    this.#streams.set(stream, end);
    this.#opened++;
    return end;
  }

  async call(name: string, payload: Uint8Array, options: CallOptions): Promise<Uint8Array> {
    this.#mustTakeNew();
    return this.#made.call(this.#takeNumber(), name, payload, options);
  }

  note(name: string, payload: Uint8Array): Promise<void> | undefined {
    if (payload.length > limits.hopPartBytesMax) throw new Refusal("TOOBIG", "A note is too long");
    if (this.#lost !== undefined) return undefined;
    this.writer.control({ kind: "note", name, bytes: payload });
    return this.writer.pressure();
  }

  async goodbye(reason: string): Promise<void> {
    if (this.#lost === undefined && !this.#closing) {
      this.writer.control({ kind: "goodbye", reason });
      this.#close();
    }
    await this.closed;
  }

  destroy(reason: string): void {
    this.#fail(reason);
  }

  /** Looks at once whether the other end still lives, and gives it little time for its answer. */
  probe(): void {
    if (this.#lost !== undefined || this.#probeTimer !== undefined) return;
    const chunks = this.#chunks;
    this.#beat(this.#silent);
    this.#probeTimer = this.#parts.clock.after(limits.hopProbeMs, () => {
      this.#probeTimer = undefined;
      if (this.#chunks === chunks) this.#fail("The other node is silent");
    });
  }

  forget(stream: number): void {
    if (!this.#streams.delete(stream)) return;
    if (stream % 2 === (this.#parts.dialed ? 1 : 0)) this.#opened--;
    else this.#accepted--;
    this.#endIfIdle();
  }

  failed(error: unknown): void {
    const fields = { peer: this.#peer?.id, error: errorText(error) };
    this.#parts.log.error(fields, "A stream failed");
  }

  #mustTakeNew(): void {
    if (this.#lost !== undefined) throw this.#lost;
    if (this.#closing) throw new LinkLost("The link is closing");
  }

  #takeNumber(): number {
    const number = this.#nextNumber;
    this.#nextNumber += 2;
    // Numbers are never used twice: the next link begins anew.
    if (number > 0xffff_0000) void this.goodbye("The numbers are used up");
    return number;
  }

  async #receive(): Promise<void> {
    try {
      for (;;) {
        const chunk = await this.#carrier.read();
        if (this.#lost !== undefined) return;
        if (chunk === null) {
          this.#fail("The other node closed the link", { quietly: this.writer.ending });
          return;
        }
        this.#silent = 0;
        this.#chunks++;
        this.#decoder.push(chunk);
        for (;;) {
          const frame = this.#decoder.next();
          if (frame === undefined) break;
          this.#dispatch(frame);
          if (this.#lost !== undefined) return;
        }
      }
    } catch (error) {
      const fields = { peer: this.#peer?.id, error: errorText(error) };
      if (error instanceof FormatError)
        this.#parts.log.warn(fields, "A node broke the rules of the hop");
      else if (!(error instanceof ConnectionBroken)) this.#parts.log.error(fields, "A link failed");
      this.#fail(errorText(error));
    }
  }

  #dispatch(frame: Frame): void {
    if (this.#peer === undefined) return this.#greet(frame);
    switch (frame.kind) {
      case "input":
      case "flush":
      case "credit":
      case "end":
      case "reset":
        // Unknown numbers are of streams that are over here already.
        return this.#streams.get(frame.stream)?.receive(frame);
      case "open":
        return this.#accept(frame);
      case "call":
      case "callBody":
        return this.#served.receive(frame);
      case "answer":
      case "answerBody":
      case "refusal":
        return this.#made.receive(frame);
      case "cancel":
        return this.#served.cancel(frame.stream);
      case "note":
        return this.#note(frame.name, frame.bytes);
      case "ping":
        // Where nothing leaves, more would only wait.
        if (this.writer.pressure() === undefined)
          this.writer.control({ kind: "pong", count: frame.count });
        return;
      case "pong":
        if (frame.count === this.#pings)
          this.roundTripMs = this.#parts.clock.monotonic() - this.#pingedAt;
        return;
      case "goodbye":
        return this.#close();
      case "hello":
        throw new FormatError("A second hello");
    }
  }

  #sayHello(): void {
    const { id, incarnation, roles } = this.local;
    this.writer.control({
      kind: "hello",
      version: hopFormatVersion,
      versionMin: hopFormatVersionMin,
      id,
      incarnation,
      roles,
      window: this.localWindow,
    });
  }

  #greet(frame: Frame): void {
    if (frame.kind === "goodbye") {
      this.#fail(frame.reason, { refused: true });
      return;
    }
    if (frame.kind !== "hello") throw new FormatError(`A frame ${frame.kind} before the hello`);
    const { id, incarnation, roles } = frame;
    const peer = { id, incarnation, roles };
    const against = unlikeUs(frame) ?? this.#parts.admit?.(peer);
    if (against !== undefined) {
      this.writer.control({ kind: "goodbye", reason: against });
      this.#fail(against, { refused: true });
      return;
    }
    this.#peer = peer;
    this.peerWindow = frame.window;
    this.#decoder.payloadBytesMax = limits.hopFrameBytesMax;
    if (!this.#parts.dialed) this.#sayHello();
    this.#timer?.cancel();
    this.#heartbeat();
    this.#established.resolve();
  }

  #accept({ stream, request }: OpenFrame): void {
    const ours = stream % 2 === (this.#parts.dialed ? 1 : 0);
    if (ours || stream === 0) throw new FormatError("A stream with a number of this side");
    if (stream <= this.#highestAccepted) return;
    this.#highestAccepted = stream;
    const end = new WireBackendEnd(this, stream, request);
    this.#streams.set(stream, end);
    this.#accepted++;
    if (this.#closing) return end.end("moved", "The node is going down");
    if (this.#accepted > limits.hopStreamsMax) return end.reset("bug", "Too many sessions");
    serveStream(end, this.#parts.services, this.peer, (error) => this.failed(error));
  }

  #note(name: string, payload: Uint8Array): void {
    try {
      this.#parts.services.note(name, payload, this.peer);
    } catch (error) {
      this.failed(error);
    }
  }

  #heartbeat(): void {
    this.#timer = this.#parts.clock.after(limits.hopHeartbeatMs, () => {
      this.#beat(this.#silent + 1);
      if (this.#lost === undefined) this.#heartbeat();
    });
  }

  /** Counts beats, not time: after a pause of this very process what came in is read first. */
  #beat(silent: number): void {
    this.#silent = silent;
    if (silent > limits.hopSilentHeartbeatsMax) return this.#fail("The other node is silent");
    this.#pings = (this.#pings + 1) >>> 0;
    this.#pingedAt = this.#parts.clock.monotonic();
    this.writer.control({ kind: "ping", count: this.#pings });
  }

  #close(): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#goodbyeTimer = this.#parts.clock.after(limits.hopGoodbyeMs, () =>
      this.#fail("The link was closed"),
    );
    this.#endIfIdle();
  }

  #endIfIdle(): void {
    if (!this.#closing || this.#lost !== undefined) return;
    if (this.#streams.size + this.#made.size + this.#served.size > 0) return;
    // What was said last still leaves; the peer ends its side when it has nothing to do either.
    this.writer.end();
  }

  /** @param how quietly: what was said last still leaves */
  #fail(reason: string, how: { refused?: boolean; quietly?: boolean } = {}): void {
    if (this.#lost !== undefined) return;
    const lost = how.refused === true ? new LinkRefused(reason) : new LinkLost(reason);
    this.#lost = lost;
    this.#timer?.cancel();
    this.#goodbyeTimer?.cancel();
    this.#probeTimer?.cancel();
    this.#established.reject(lost);
    for (const end of [...this.#streams.values()]) end.lose(lost);
    this.#made.lose(lost);
    this.#served.lose(lost);
    if (how.refused === true || how.quietly === true) this.writer.end();
    else {
      this.writer.close();
      this.#carrier.destroy();
    }
    this.#resolveClosed(lost);
  }
}

/** Why this node cannot speak with one that says this hello. */
function unlikeUs({ version, versionMin, window, id }: HelloFrame): string | undefined {
  if (version < hopFormatVersionMin || versionMin > hopFormatVersion)
    return `Version ${version} of the hop, and ${hopFormatVersion} here`;
  if (window < windowBytesMin) return "The window is too small";
  return id === "" ? "A node without a name" : undefined;
}
