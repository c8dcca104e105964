import { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { concatBytes, noBytes } from "#base/bytes.ts";
import { closeDescriptor, linux, systemCalls } from "./system-calls.ts";

/** A connection that Node no longer knows. */
export interface TakenSocket {
  /** Ours to close; non-blocking, not inherited by child processes. */
  readonly descriptor: number;
  /** Bytes of the peer that Node had read already: they come before all that the kernel holds. */
  readonly pending: Uint8Array;
}

/**
 * Takes the connection of a TCP or Unix socket from Node: its object is destroyed, and no FIN is
 * sent, because another descriptor of the same connection lives on. Socket options (keep-alive, no
 * delay) belong to the connection and stay.
 *
 * Undefined, and nothing is changed, where it cannot be done now: output that the kernel has not
 * taken, our side ended, a socket that is closed or still connecting, TLS of Node's own, no free
 * descriptor. Whoever listened to "data" has stopped in the same turn, or paused the socket before,
 * and keeps what it was given.
 */
export function takeDescriptor(socket: Socket): TakenSocket | undefined {
  if (socket.destroyed || socket.connecting || socket instanceof TLSSocket) return undefined;
  if (socket.writableLength > 0 || socket.writableEnded) return undefined;
  // What was made to text cannot be given back as it came.
  if (socket.readableEncoding !== null) return undefined;
  const handle = handleOf(socket);
  if (handle === undefined || handle.fd < 0 || handle.writeQueueSize > 0) return undefined;
  const calls = systemCalls();
  // Not the low numbers, should one of the standard streams be closed.
  const descriptor = calls.fcntl(handle.fd, linux.F_DUPFD_CLOEXEC, 3);
  if (descriptor < 0) return undefined;
  // From here to the end of `destroy` nothing can be read from the kernel: this is one turn.
  socket.pause();
  socket.removeAllListeners("data").removeAllListeners("readable");
  const chunks: Uint8Array[] = [];
  while (socket.readableLength > 0) {
    const chunk: unknown = socket.read();
    if (!(chunk instanceof Uint8Array)) break;
    chunks.push(chunk);
  }
  socket.destroy();
  return { descriptor, pending: chunks.length === 0 ? noBytes : concatBytes(chunks) };
}

/**
 * Gives a connection back to Node, which owns the descriptor from then on. The peer's bytes come out
 * of the socket beginning with `pending`. Throws where the descriptor is no connected socket; it is
 * closed then.
 */
export function socketOf(descriptor: number, pending: Uint8Array = noBytes): Socket {
  try {
    const socket = new Socket({
      fd: descriptor,
      readable: true,
      writable: true,
      allowHalfOpen: true,
    });
    if (pending.length > 0) socket.unshift(pending);
    return socket;
  } catch (error) {
    closeDescriptor(descriptor);
    throw error;
  }
}

/** What is under a socket of Node; not in its public interface. */
interface StreamHandle {
  readonly fd: number;
  readonly writeQueueSize: number;
}

function handleOf(socket: Socket): StreamHandle | undefined {
  return (socket as unknown as { _handle?: StreamHandle | null })._handle ?? undefined;
}
