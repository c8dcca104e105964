/**
 * A connection as the protocols see it, whatever carries it: TCP, TLS, a hop stream, a simulation.
 */
export interface ByteStream {
  /**
   * The next bytes from the peer, or null after its end. At most one read at a time. While nobody
   * reads, the carrier stops taking bytes from the network: this is the backpressure inwards.
   * The memory is the reader's. Rejects when the connection broke.
   */
  read(): Promise<Uint8Array | null>;
  /**
   * Queues bytes; they must not be changed afterwards. Undefined: go on. A promise: wait for it
   * before writing more (it rejects when the connection broke), this is the backpressure outwards.
   *
   * @param sent called when nobody reads these bytes any more, nor those before them, so that their
   *   memory can be used again; a carrier that does not know never calls it
   */
  write(bytes: Uint8Array, sent?: () => void): Promise<void> | undefined;
  /**
   * Withdraws the pending read, whose promise then never settles: what arrives is for the next
   * read. False where that cannot be, as there is none, or its bytes are on their way.
   */
  withdrawRead?(): boolean;
  /** Sends what is queued, then closes. */
  end(): void;
  /** Closes at once; a pending read gives null. */
  destroy(): void;
}

/** A connection as a mailbox session gets it. */
export interface SessionStream extends ByteStream {
  /**
   * Raw DEFLATE in both directions: for every byte written after this call, and for every byte that
   * `read` has not returned yet. To be called once, while no read is pending. RFC 4978 §3
   */
  startCompression(): void;
  readonly compressed: boolean;
}

/** The peer went away in the middle, or sent what its transport layer forbids. */
export class ConnectionBroken extends Error {
  override readonly name: string = "ConnectionBroken";
}

/** Who is at the other end. */
export interface PeerInfo {
  /** Address in text form, or "unix". */
  readonly address: string;
  readonly port: number;
  /** Our own side of the connection. */
  readonly localAddress: string;
  readonly localPort: number;
  /** True under TLS. */
  readonly secure: boolean;
  /** True for loopback addresses and Unix sockets, where clear-text login is harmless. */
  readonly loopback: boolean;
}
