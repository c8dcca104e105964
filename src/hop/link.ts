import { ConnectionBroken } from "#base/stream.ts";
import type { Generations } from "./generations.ts";

/** What a node tells about itself when a link begins. */
export interface NodeInfo {
  /** Names the node for the whole cluster; between machines its certificate says the same. */
  readonly id: string;
  /** Another one after each start. */
  readonly incarnation: string;
  readonly roles: readonly string[];
}

/** The link is gone, or takes nothing new any more. What was under way on it may be done or not. */
export class LinkLost extends ConnectionBroken {
  override readonly name: string = "LinkLost";
}

/** The other end gave the stream up. */
export class StreamReset extends ConnectionBroken {
  override readonly name = "StreamReset";
  readonly how: EndKind;
  constructor(how: EndKind, text: string) {
    super(text);
    this.how = how;
  }
}

/**
 * Why a stream ended.
 *  - ended: the session is over;
 *  - moved: somebody else owns the account now, go on there with the last state;
 *  - stale, gone: that state can be thawed nowhere (DESIGN 5.2);
 *  - bug: something went wrong that should not.
 */
export type EndKind = (typeof endKinds)[number];

/** In the order of their numbers on the wire. */
export const endKinds = ["ended", "moved", "gone", "stale", "bug"] as const;

export interface StreamEnd {
  readonly how: EndKind | "lost";
  /** For the log, or for the client where the kind says so. */
  readonly text: string;
}

/** What a proxy asks for when it opens a stream for a session. */
export interface StreamRequest {
  /** "imap", "pop3" ... */
  readonly protocol: string;
  /** 16 bytes, random, for the life of the session. */
  readonly session: Uint8Array;
  /** From 1; one more each time the session goes on with another backend. 32 bits. */
  readonly generation: number;
  readonly shard: number;
  /** The ownership that the proxy believes in. */
  readonly epoch: number;
  /** Bytes of the session's input, and of its output, that are done with in `head`. */
  readonly inputOffset: number;
  readonly outputOffset: number;
  /** What the session is made from: who logged in, or a frozen session. Opaque to the hop. */
  readonly head: Uint8Array;
}

/** Output of a session, in its order. */
export interface OutputPart {
  /** Bytes of the session's output before `bytes`. */
  readonly offset: number;
  readonly bytes: Uint8Array;
  /** CRC-32 of all output since the last state, these bytes included; parts without `done` have it. */
  readonly hash: number | undefined;
  /** Here a flush is complete: from now on the session is what this says. */
  readonly done: Flushed | undefined;
}

export interface Flushed {
  /** Bytes of the session's input that need not be sent again. */
  readonly consumed: number;
  /** The new state; undefined: as before. */
  readonly state: Uint8Array | undefined;
}

/** What a proxy does with what comes back on a stream. */
export interface StreamListener {
  /**
   * The next output. A promise: the next one comes after it, and the backend is held back
   * meanwhile. A rejection resets the stream.
   */
  output(part: OutputPart): Promise<void> | undefined;
  /**
   * The stream is over; called once, unless the proxy itself reset it. Behind all output, but for
   * "lost" and for a reset, which do not wait.
   */
  ended(end: StreamEnd): void;
}

/** The proxy's end of a stream. */
export interface ProxyStream {
  /**
   * Input of the client that begins `offset` bytes from the start of the session. Undefined: go on.
   * A promise: wait for it before the next; it resolves as well when the stream is over.
   */
  send(offset: number, bytes: Uint8Array): Promise<void> | undefined;
  /** No more input: the client has closed its side. The stream goes on until the backend ends it. */
  endInput(): void;
  /** The end of the stream at once; nothing is heard of it any more. */
  reset(how: EndKind, text: string): void;
}

/** The backend's end of a stream. */
export interface BackendStream {
  readonly request: StreamRequest;
  /**
   * The next input from `request.inputOffset` on, without gaps and repetitions, or null after its
   * end. One read at a time. Rejects with `LinkLost` or `StreamReset`.
   */
  read(): Promise<Uint8Array | null>;
  /**
   * Output on its way to the next state; it may reach the client before that. Undefined: go on. A
   * promise: wait for it before more; it rejects when the stream is over.
   */
  write(bytes: Uint8Array): Promise<void> | undefined;
  /** The last output up to a state, and that state, which the proxy applies together. */
  flush(flush: Flushed & { readonly output: Uint8Array }): Promise<void> | undefined;
  /**
   * Ends the stream behind all that was written. The last answer of a session is written, not
   * flushed: a death between such a flush and this would leave a state in which nothing is to be
   * done, and nobody who says so. Without it the last command is repeated, and its answer skipped.
   */
  end(how: EndKind, text: string): void;
  /** Ends it at once. */
  reset(how: EndKind, text: string): void;
}

export interface CallOptions {
  readonly deadlineMs: number;
  /** Takes the call back: it rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

export interface IncomingCall {
  readonly peer: NodeInfo;
  /** Aborted when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
  readonly deadlineMs: number;
}

/** Answers a call. A `Refusal` travels; any other error is logged here and is SERVERBUG there. */
export type CallServer = (payload: Uint8Array, call: IncomingCall) => Promise<Uint8Array>;

/** What a node does for those at the other ends of its links. */
export interface LinkServices {
  /** A session that is to be served; what is thrown is logged and resets the stream. */
  serve(stream: BackendStream, peer: NodeInfo): void;
  readonly calls: ReadonlyMap<string, CallServer>;
  note(name: string, payload: Uint8Array, peer: NodeInfo): void;
  /** One for the node, whatever link a session comes by. */
  readonly generations: Generations;
}

/** The connection of two nodes. */
export interface Link {
  readonly local: NodeInfo;
  readonly peer: NodeInfo;
  /** It takes nothing new: one of the ends said goodbye, or it is gone. */
  readonly closing: boolean;
  /** Resolves when it is gone, with the reason. */
  readonly closed: Promise<LinkLost>;
  /** Opens a stream. @throws LinkLost when the link is closing; Refusal LIMIT */
  open(request: StreamRequest, listener: StreamListener): ProxyStream;
  /**
   * Asks the other node. The bytes must not be changed afterwards.
   * @throws Refusal as the other node said it, or LIMIT or NONEXISTENT; LinkLost; DeadlineExceeded
   */
  call(name: string, payload: Uint8Array, options: CallOptions): Promise<Uint8Array>;
  /** Tells the other node something; lost with the link. A promise: wait before the next. */
  note(name: string, payload: Uint8Array): Promise<void> | undefined;
  /**
   * Neither side begins anything new; what is under way ends by itself, or after
   * `limits.hopGoodbyeMs` with the link. Resolves when the link is gone.
   */
  goodbye(reason: string): Promise<void>;
  /** The end at once: all streams and calls are lost, at both ends. */
  destroy(reason: string): void;
}
