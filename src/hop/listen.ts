import { chmodSync, lstatSync, unlinkSync } from "node:fs";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import type { Clock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import type { Log } from "#base/log.ts";
import { type HopAddress, nodeIdOf } from "./dial.ts";
import type { Carried } from "./links.ts";
import { SocketCarrier } from "./socket-carrier.ts";

export interface HopListenerParts {
  /** Port 0: any free one. */
  readonly address: HopAddress;
  readonly clock: Clock;
  readonly log: Log;
  accept(carried: Carried): void;
}

export interface HopListener {
  /** Of TCP, as it was given by the system; 0 for a Unix socket. */
  readonly port: number;
  /** Listens no more; connections stay. */
  stop(): Promise<void>;
}

/**
 * Waits for other nodes: at a Unix socket that only this user can connect to, or by TCP with mutual
 * TLS. A socket file that nobody listens at is replaced.
 */
export async function listenHop(parts: HopListenerParts): Promise<HopListener> {
  const { address } = parts;
  const server = "path" in address ? unixServer(parts) : tlsServer(parts, address);
  if ("path" in address) await removeDeadSocket(address.path);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    const listening = (): void => {
      server.off("error", reject);
      resolve();
    };
    if ("path" in address) listenPrivately(server, address.path, listening);
    else server.listen({ host: address.host, port: address.port, backlog: 128 }, listening);
  });
  server.on("error", (error) => parts.log.error({ error: error.message }, "A hop listener failed"));
  return {
    port: "path" in address ? 0 : (server.address() as AddressInfo).port,
    stop: () => new Promise((resolve) => void server.close(() => resolve())),
  };
}

function unixServer(parts: HopListenerParts): Server {
  return createServer((socket) =>
    parts.accept({ carrier: new SocketCarrier(socket, parts.clock), verifiedId: undefined }),
  );
}

function tlsServer(
  parts: HopListenerParts,
  { certificates }: Exclude<HopAddress, { path: string }>,
): Server {
  const server = createTlsServer({
    ca: certificates.authority,
    cert: certificates.certificate,
    key: certificates.key,
    minVersion: "TLSv1.3",
    requestCert: true,
    rejectUnauthorized: true,
    handshakeTimeout: limits.hopHandshakeMs,
  });
  server.on("secureConnection", (socket) =>
    parts.accept({
      carrier: new SocketCarrier(socket, parts.clock),
      verifiedId: nodeIdOf(socket),
    }),
  );
  server.on("tlsClientError", (error, socket) => {
    parts.log.warn({ error: error.message }, "A node without a valid certificate was turned away");
    socket.destroy();
  });
  return server;
}

/** The file is never open to others, not even for the moment between bind and chmod. */
function listenPrivately(server: Server, path: string, listening: () => void): void {
  const before = process.umask(0o177);
  try {
    server.listen({ path, backlog: 128 }, () => {
      chmodSync(path, 0o600);
      listening();
    });
  } finally {
    process.umask(before);
  }
}

async function removeDeadSocket(path: string): Promise<void> {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket() !== true) return;
  const alive = await new Promise<boolean>((resolve) => {
    const socket: Socket = connect({ path });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
  if (!alive) unlinkSync(path);
}
