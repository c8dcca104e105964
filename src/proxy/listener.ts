import { AsyncLocalStorage } from "node:async_hooks";
import { chmodSync, lstatSync, unlinkSync } from "node:fs";
import { connect, createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import type { Clock } from "#base/clock.ts";
import type { Log } from "#base/log.ts";
import type { Metrics } from "#base/metrics.ts";
import type { PeerInfo } from "#base/stream.ts";
import { networkOf } from "#auth/index.ts";
import { Refusal, errorText } from "#base/assert.ts";
import { DeadlineExceeded, withDeadline } from "#base/deadline.ts";
import { limits } from "#base/limits.ts";
import { Shutdown } from "#base/shutdown.ts";
import { ConnectionBroken } from "#base/stream.ts";
import { Connection } from "./connection.ts";
import type { SecureContexts } from "./connection.ts";
import { ListenerMetrics } from "./listener-metrics.ts";
import { Networks } from "./proxy-protocol/address.ts";
import { type ProxyHeader, ProxyHeaderError } from "./proxy-protocol/header.ts";
import { receiveProxyHeader } from "./proxy-protocol/receive.ts";
import type { ProxyProtocolSettings } from "./settings.ts";

/** A place to listen at. */
export type Endpoint =
  | { readonly host: string; readonly port: number }
  | { readonly path: string; readonly mode: number };

export interface ListenOptions {
  /** For log and metrics: "imap", "imaps", "lmtp". */
  readonly name: string;
  readonly endpoint: Endpoint;
  /** Without: neither implicit TLS nor STARTTLS. */
  readonly contexts?: SecureContexts | undefined;
  /** TLS from the first byte. */
  readonly implicitTls: boolean;
  /** What a connection over the limit is told before it is closed; not sent under implicit TLS. */
  readonly turnAway: Uint8Array;
  /** Balancers, who say first whose connection they pass on; all others are closed at once. */
  readonly proxyProtocol?: ProxyProtocolSettings | undefined;
  /** Talks to the peer until one of them has enough; the connection is closed afterwards. */
  serve(connection: Connection): Promise<void>;
}

/** What is known of how a connection is served. */
type Served = Pick<ListenOptions, "name" | "contexts" | "implicitTls" | "serve"> & {
  /** TLS 1.3 that goes on after parking. */
  readonly tls?: Uint8Array | undefined;
};

export interface ListenersParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Default: those of base/limits. */
  readonly connectionsMax?: number;
  readonly connectionsPerAddressMax?: number;
}

/** The balancers of a listener. */
interface Balancers {
  readonly networks: Networks;
  readonly trustTls: boolean;
}

const current = new AsyncLocalStorage<Connection>();

/** The connection whose work this is; for errors that nobody caught. */
export function currentConnection(): Connection | undefined {
  return current.getStore();
}

/** All listening sockets of the process, with the limits that they share. */
export class Listeners {
  readonly shutdown = new Shutdown();
  readonly #parts: ListenersParts;
  readonly #metrics: ListenerMetrics;
  readonly #servers = new Set<Server>();
  readonly #connections = new Map<Connection, Promise<void>>();
  /** By IPv4 address, or the first 64 bits of an IPv6 address. */
  readonly #perAddress = new Map<string, number>();
  /** Sockets of balancers that have not said yet whose they are. */
  readonly #announcing = new Set<Socket>();
  #parkedOf: (network: string) => number = () => 0;

  constructor(parts: ListenersParts) {
    this.#parts = parts;
    this.#metrics = new ListenerMetrics(parts.metrics);
  }

  /** Who is connected. */
  get all(): Iterable<Connection> {
    return this.#connections.keys();
  }

  /** Open connections, those in their last seconds included. */
  get connections(): number {
    return this.#connections.size + this.#announcing.size;
  }

  /**
   * Starts to listen. Gives the endpoint as it is bound (with the port that the system chose).
   * Refuses with CANNOT where the address is taken, forbidden or not there.
   */
  async open(options: ListenOptions): Promise<Endpoint> {
    const server = createServer({
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: limits.tcpKeepAliveMs,
    });
    const { proxyProtocol } = options;
    const balancers =
      proxyProtocol === undefined
        ? undefined
        : { networks: new Networks(proxyProtocol.from), trustTls: proxyProtocol.trustTls };
    server.on("connection", (socket) => {
      // Until a stream listens, and after it stopped, an error of a dying socket is of no interest.
      socket.on("error", () => {});
      const peer = peerOf(socket, options.endpoint);
      if (balancers === undefined) this.#accept(socket, peer, options);
      else void this.#acceptProxied(socket, { balancer: peer, balancers, options });
    });
    try {
      await bind(server, options.endpoint);
    } catch (error) {
      throw new Refusal(
        "CANNOT",
        `Cannot listen on ${endpointText(options.endpoint)} for ${options.name}: ${errorText(error)}`,
        { cause: error },
      );
    }
    server.on("error", (error) => this.#parts.log.error({ error }, "A listener failed"));
    this.#servers.add(server);
    const address = server.address();
    return typeof address === "object" && address !== null && "host" in options.endpoint
      ? { host: address.address, port: address.port }
      : options.endpoint;
  }

  /**
   * Accepts no more, lets the sessions say goodbye, and closes what is left after
   * `limits.shutdownMs`. Resolves when every connection is closed and every session has ended.
   */
  async stop(): Promise<void> {
    for (const server of this.#servers) server.close();
    this.#servers.clear();
    this.shutdown.begin();
    const sessions = Promise.allSettled(this.#connections.values());
    try {
      await withDeadline(this.#parts.clock, limits.shutdownMs, "Goodbye", sessions);
    } catch {
      this.#parts.log.warn({ connections: this.connections }, "Closed sessions that did not end");
      this.destroyAll();
      await sessions;
    }
  }

  /** Closes every connection at once. */
  destroyAll(): void {
    for (const connection of this.#connections.keys()) connection.stream.destroy();
    for (const socket of this.#announcing) socket.destroy();
  }

  /** Waits for the header of a balancer; never rejects. */
  async #acceptProxied(socket: Socket, arrival: ProxiedArrival): Promise<void> {
    const { balancer, balancers, options } = arrival;
    const fields = { listener: options.name, balancer: balancer.address };
    const { log, clock } = this.#parts;
    if (balancer.address === "") {
      // A health check that was reset before we came to it: nobody knows whose it was.
      this.#metrics.broken(options.name);
      socket.destroy();
      return;
    }
    if (!balancers.networks.has(balancer.address)) {
      this.#metrics.refused(options.name, "network");
      log.info(fields, "Closed a connection that comes from no balancer");
      socket.destroy();
      return;
    }
    if (this.#isFull || this.shutdown.begun) {
      this.#metrics.refused(options.name, this.shutdown.begun ? "shutdown" : "total");
      socket.destroy();
      return;
    }
    this.#announcing.add(socket);
    const forget = this.shutdown.whenBegun(() => socket.destroy());
    try {
      const header = await receiveProxyHeader(socket, clock);
      this.#announcing.delete(socket);
      const { alpn, authority, uniqueId, tls } = header;
      const peer = proxiedPeer(balancer, header, balancers.trustTls);
      log.debug(
        { ...fields, address: peer.address, alpn, authority, uniqueId, tls },
        "A balancer passes on a connection",
      );
      this.#accept(socket, peer, options);
      // Under implicit TLS what came behind the header is taken by the handshake.
      if (!options.implicitTls) socket.resume();
    } catch (error) {
      socket.destroy();
      this.#metrics.broken(options.name);
      const isHeader = error instanceof ProxyHeaderError || error instanceof DeadlineExceeded;
      const says = { ...fields, reason: errorText(error) };
      if (isHeader) log.warn(says, "A balancer did not say whose connection it passes on");
      else log.debug(says, "A connection broke");
    } finally {
      this.#announcing.delete(socket);
      forget();
    }
  }

  get #isFull(): boolean {
    return this.connections >= (this.#parts.connectionsMax ?? limits.connectionsMax);
  }

  #accept(socket: Socket, peer: PeerInfo, options: ListenOptions): void {
    const refusal = this.#refusalFor(peer);
    if (refusal !== undefined) {
      this.#metrics.refused(options.name, refusal);
      if (!options.implicitTls) socket.end(options.turnAway);
      socket.destroySoon();
      return;
    }
    this.#metrics.opened(options.name);
    this.#begin(socket, peer, options);
  }

  /** A connection that was accepted here and then parked goes on; the limits let it in before. */
  takeBack(
    socket: Socket,
    parked: {
      readonly name: string;
      readonly peer: PeerInfo;
      readonly tls?: Uint8Array | undefined;
    },
    serve: ListenOptions["serve"],
  ): void {
    socket.on("error", () => {});
    const { name, peer, tls } = parked;
    this.#metrics.takenBack(name);
    this.#begin(socket, peer, { name, implicitTls: false, serve, tls });
  }

  /** Parked connections count for the limit of their address. */
  countParked(ofNetwork: (network: string) => number): void {
    this.#parkedOf = ofNetwork;
  }

  #begin(socket: Socket, peer: PeerInfo, options: Served): void {
    const address = networkOf(peer.address);
    this.#perAddress.set(address, (this.#perAddress.get(address) ?? 0) + 1);
    const connection = new Connection(socket, {
      clock: this.#parts.clock,
      shutdown: this.shutdown,
      contexts: options.contexts,
      listener: options.name,
      tls: options.tls,
      peer,
    });
    const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    const session = current
      .run(connection, () => this.#serve(connection, options))
      .then(() => closed)
      .finally(() => {
        this.#connections.delete(connection);
        this.#metrics.closed(options.name);
        const left = this.#perAddress.get(address)! - 1;
        if (left === 0) this.#perAddress.delete(address);
        else this.#perAddress.set(address, left);
      });
    this.#connections.set(connection, session);
  }

  #refusalFor(peer: PeerInfo): "total" | "address" | "shutdown" | undefined {
    if (this.shutdown.begun) return "shutdown";
    if (this.#isFull) return "total";
    // All that come through a Unix socket or from this machine have one address.
    if (peer.loopback) return undefined;
    const max = this.#parts.connectionsPerAddressMax ?? limits.connectionsPerAddressMax;
    const network = networkOf(peer.address);
    const open = (this.#perAddress.get(network) ?? 0) + this.#parkedOf(network);
    return open >= max ? "address" : undefined;
  }

  /** Never rejects. */
  async #serve(connection: Connection, options: Served): Promise<void> {
    try {
      if (options.implicitTls) await connection.upgradeTls(true);
      await options.serve(connection);
      connection.stream.end();
    } catch (error) {
      connection.stream.destroy();
      const { address } = connection.peer;
      const fields = { listener: options.name, address };
      if (error instanceof ConnectionBroken || error instanceof DeadlineExceeded) {
        this.#metrics.broken(options.name);
        this.#parts.log.debug({ ...fields, reason: error.message }, "A connection broke");
      } else {
        this.#metrics.failed(options.name);
        this.#parts.log.error({ ...fields, err: error }, "A session failed");
      }
    }
  }
}

/** "127.0.0.1:1143", "[::1]:1143" or the path of a Unix socket. */
export function endpointText(endpoint: Endpoint): string {
  if ("path" in endpoint) return endpoint.path;
  const host = endpoint.host.includes(":") ? `[${endpoint.host}]` : endpoint.host;
  return `${host}:${endpoint.port}`;
}

/** Resolves when `server` listens at `endpoint`. */
export async function bind(server: Server, endpoint: Endpoint): Promise<void> {
  if ("path" in endpoint) await removeStaleSocket(endpoint.path);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.once("listening", () => {
      server.off("error", reject);
      resolve();
    });
    if ("host" in endpoint) {
      server.listen({ ...endpoint, ipv6Only: true, backlog: limits.acceptBacklog });
      return;
    }
    // The socket is made in this call; it must not be open to others even for a moment.
    const umask = process.umask(0o777 & ~endpoint.mode);
    try {
      server.listen({ path: endpoint.path, backlog: limits.acceptBacklog });
    } finally {
      process.umask(umask);
    }
  });
  if ("path" in endpoint) chmodSync(endpoint.path, endpoint.mode);
}

/** Removes a Unix socket that a dead process left; one that answers stays. */
async function removeStaleSocket(path: string): Promise<void> {
  try {
    if (!lstatSync(path).isSocket()) return;
  } catch {
    return;
  }
  const alive = await new Promise<boolean>((resolve) => {
    const probe = connect(path);
    probe.once("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.once("error", () => resolve(false));
  });
  if (!alive) unlinkSync(path);
}

/** A connection that may come through a balancer. */
interface ProxiedArrival {
  /** Who is at the other end of the socket. */
  readonly balancer: PeerInfo;
  readonly balancers: Balancers;
  readonly options: ListenOptions;
}

/**
 * The client behind a balancer. It is never taken for somebody on this machine: not because the
 * balancer is here, and not because the balancer calls it 127.0.0.1, which is the balancer's.
 */
function proxiedPeer(balancer: PeerInfo, header: ProxyHeader, trustTls: boolean): PeerInfo {
  const secure = trustTls && header.tls?.used === true;
  return { ...balancer, ...header.endpoints, secure, loopback: false };
}

function peerOf(socket: Socket, endpoint: Endpoint): PeerInfo {
  if ("path" in endpoint)
    return {
      address: "unix",
      port: 0,
      localAddress: "unix",
      localPort: 0,
      secure: false,
      loopback: true,
    };
  const address = plainAddress(socket.remoteAddress ?? "");
  const local = socket.address() as Partial<AddressInfo>;
  return {
    address,
    port: socket.remotePort ?? 0,
    localAddress: plainAddress(local.address ?? ""),
    localPort: local.port ?? 0,
    secure: false,
    loopback: address === "::1" || address.startsWith("127."),
  };
}

/** IPv4 addresses that arrive through an IPv6 socket are IPv4 addresses. RFC 4291 §2.5.5.2 */
function plainAddress(address: string): string {
  return address.startsWith("::ffff:") && address.includes(".") ? address.slice(7) : address;
}
