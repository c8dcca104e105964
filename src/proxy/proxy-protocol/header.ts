/** What a balancer says about the connection that it passes on. */

/** Where a connection comes from and where it went to, as the balancer saw it. */
export interface ProxiedEndpoints {
  /** Text of an IP address, or "unix". */
  readonly address: string;
  readonly port: number;
  /** The balancer's side, to which the client connected. */
  readonly localAddress: string;
  readonly localPort: number;
}

/** What the balancer knows of the TLS that it ended. */
export interface ProxiedTls {
  /** The client came to the balancer under TLS. */
  readonly used: boolean;
  /** The client showed a certificate, and the balancer found it good. */
  readonly verified: boolean;
  /** Such as "TLSv1.3". */
  readonly version?: string;
  /** The common name in the client's certificate. */
  readonly commonName?: string;
}

export interface ProxyHeader {
  readonly version: 1 | 2;
  /**
   * Undefined where the connection is the balancer's own (LOCAL, such as a health check) or where
   * it does not say whose it is (UNKNOWN, UNSPEC): then the endpoints of the socket hold.
   */
  readonly endpoints: ProxiedEndpoints | undefined;
  readonly alpn?: string;
  /** The server name that the client asked for. */
  readonly authority?: string;
  /** The balancer's name for this connection, in hexadecimal. */
  readonly uniqueId?: string;
  readonly tls?: ProxiedTls;
}

/** Octets that are no header of the PROXY protocol: the connection is to be closed. */
export class ProxyHeaderError extends Error {
  override readonly name = "ProxyHeaderError";
}
