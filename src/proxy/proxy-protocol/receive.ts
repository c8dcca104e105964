import type { Socket } from "node:net";
import type { Clock } from "#base/clock.ts";
import { withDeadline } from "#base/deadline.ts";
import { limits } from "#base/limits.ts";
import { ConnectionBroken } from "#base/stream.ts";
import { ProxyHeaderDecoder } from "./decoder.ts";
import type { ProxyHeader } from "./header.ts";

/**
 * Reads the header that comes first on a fresh socket. What came behind it is put back; the socket
 * is paused then. Rejects with `ProxyHeaderError`, `ConnectionBroken`, or `DeadlineExceeded` after
 * `limits.proxyHeaderMs`; the caller closes the socket.
 */
export async function receiveProxyHeader(socket: Socket, clock: Clock): Promise<ProxyHeader> {
  const decoder = new ProxyHeaderDecoder();
  const { promise, resolve, reject } = Promise.withResolvers<ProxyHeader>();
  const onData = (bytes: Uint8Array): void => {
    try {
      const decoded = decoder.push(bytes);
      if (decoded === undefined) return;
      socket.pause();
      socket.off("data", onData);
      if (decoded.rest.length > 0) socket.unshift(decoded.rest);
      resolve(decoded.header);
    } catch (error) {
      reject(error);
    }
  };
  const onEnd = (): void => reject(new ConnectionBroken("The balancer went away"));
  socket.on("data", onData);
  socket.once("end", onEnd);
  socket.once("close", onEnd);
  try {
    return await withDeadline(clock, limits.proxyHeaderMs, "The PROXY header", promise);
  } finally {
    socket.off("data", onData);
    socket.off("end", onEnd);
    socket.off("close", onEnd);
  }
}
