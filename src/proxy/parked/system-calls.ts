/** The system calls that parking needs and Node does not offer, through the C library. */
import { readlinkSync } from "node:fs";
import { createRequire } from "node:module";
import type * as Koffi from "koffi";
import { errorText } from "#base/assert.ts";

/** What `receive` and `send` give beside a count of bytes: nothing to be had, or no room, now. */
export const wouldBlock = -1;
/** The connection is gone: reset, closed by the peer while we send, timed out. */
export const broken = -2;

/** A wait for a descriptor on the thread's own event loop. */
export interface Poll {
  close(): void;
  unref(): void;
}

/** Memory is always a typed array over a buffer of its own; results are those of the C functions. */
export interface SystemCalls {
  fcntl(descriptor: number, command: number, argument: number): number;
  close(descriptor: number): number;
  recv(descriptor: number, into: Uint8Array, length: number, flags: number): number;
  send(descriptor: number, bytes: Uint8Array, length: number, flags: number): number;
  recvmsg(descriptor: number, message: Uint8Array, flags: number): number;
  sendmsg(descriptor: number, message: Uint8Array, flags: number): number;
  epollCreate(flags: number): number;
  epollControl(set: number, operation: number, descriptor: number, event: Uint32Array): number;
  epollWait(set: number, events: Uint32Array, eventsMax: number, timeoutMs: number): number;
  /** Why the last call of this thread gave -1. */
  errno(): number;
  /** Where the memory of an array lies, for structures that hold pointers. */
  address(bytes: Uint8Array): bigint;
  /**
   * Calls back, outside of any Node callback, whenever the descriptor is readable or writable. No
   * promise resolves in there: what has to be done is done in a callback of Node's own.
   */
  poll(descriptor: number, what: "readable" | "writable", call: () => void): Poll;
}

/** Numbers of Linux, the same on x64 and arm64. */
export const linux = {
  F_GETFD: 1,
  F_DUPFD_CLOEXEC: 1030,
  MSG_PEEK: 0x2,
  MSG_CTRUNC: 0x8,
  MSG_DONTWAIT: 0x40,
  MSG_NOSIGNAL: 0x4000,
  MSG_CMSG_CLOEXEC: 0x4000_0000,
  SOL_SOCKET: 1,
  SCM_RIGHTS: 1,
  EPOLL_CLOEXEC: 0o2000000,
  EPOLL_CTL_ADD: 1,
  EPOLL_CTL_DEL: 2,
  EPOLL_CTL_MOD: 3,
  EPOLLIN: 0x1,
  EPOLLERR: 0x8,
  EPOLLHUP: 0x10,
  EPOLLRDHUP: 0x2000,
  EPOLLONESHOT: 0x4000_0000,
  EINTR: 4,
  EAGAIN: 11,
  ETOOMANYREFS: 109,
} as const;

let loaded: SystemCalls | string | undefined;

/**
 * Why sessions cannot be parked in this process, as a sentence for the log; undefined where they
 * can. Loads the system-call layer at the first call.
 */
export function parkingUnavailable(): string | undefined {
  loaded ??= load();
  return typeof loaded === "string" ? loaded : undefined;
}

/** The calls; throws where `parkingUnavailable` gives a reason. */
export function systemCalls(): SystemCalls {
  loaded ??= load();
  if (typeof loaded === "string") throw new Error(loaded);
  return loaded;
}

function load(): SystemCalls | string {
  const { platform, arch } = process;
  if (platform !== "linux" || (arch !== "x64" && arch !== "arm64"))
    return `Idle sessions stay ordinary sockets: parking needs Linux on x64 or arm64, and this is ${platform} on ${arch}`;
  try {
    const calls = bind();
    probe(calls);
    return calls;
  } catch (error) {
    return `Idle sessions stay ordinary sockets: the system-call layer does not work here (${errorText(error)})`;
  }
}

function bind(): SystemCalls {
  const koffi = createRequire(import.meta.url)("koffi") as typeof Koffi;
  const library = koffi.load(null);
  return {
    fcntl: library.func("int fcntl(int descriptor, int command, int argument)"),
    close: library.func("int close(int descriptor)"),
    recv: library.func("int64_t recv(int descriptor, void *into, size_t length, int flags)"),
    send: library.func("int64_t send(int descriptor, const void *bytes, size_t length, int flags)"),
    recvmsg: library.func("int64_t recvmsg(int descriptor, void *message, int flags)"),
    sendmsg: library.func("int64_t sendmsg(int descriptor, const void *message, int flags)"),
    epollCreate: library.func("int epoll_create1(int flags)"),
    epollControl: library.func(
      "int epoll_ctl(int set, int operation, int descriptor, void *event)",
    ),
    epollWait: library.func("int epoll_wait(int set, void *events, int eventsMax, int timeoutMs)"),
    errno: () => koffi.errno(),
    address: (bytes) => koffi.address(bytes),
    poll: (descriptor, what, call) =>
      koffi.node.poll(
        descriptor,
        { readable: what === "readable", writable: what === "writable" },
        call,
      ),
  };
}

/** One call of the kind that everything hangs on: an epoll set is made, and the loop can watch it. */
function probe(calls: SystemCalls): void {
  const set = calls.epollCreate(linux.EPOLL_CLOEXEC);
  if (set < 0) throw new Error(`epoll_create1 gave error ${calls.errno()}`);
  try {
    const target = readlinkSync(`/proc/self/fd/${set}`);
    if (!target.includes("eventpoll")) throw new Error(`epoll_create1 gave ${target}`);
    calls.poll(set, "readable", () => {}).close();
  } finally {
    // The loop lets go of the descriptor at once; only its own memory is freed later.
    calls.close(set);
  }
}

/** Closes a descriptor. On a connection that nobody else holds this ends it. */
export function closeDescriptor(descriptor: number): void {
  systemCalls().close(descriptor);
}

/**
 * Takes what has arrived on a connected socket, without waiting. Gives the count of bytes, 0 after
 * the peer's end, `wouldBlock` or `broken`.
 */
export function receive(descriptor: number, into: Uint8Array): number {
  return receiveWith(descriptor, into, linux.MSG_DONTWAIT);
}

/** True where the peer has ended its side (or the connection broke) and no byte is left to read. */
export function hasEnded(descriptor: number): boolean {
  const peeked = receiveWith(descriptor, oneByte, linux.MSG_DONTWAIT | linux.MSG_PEEK);
  return peeked === 0 || peeked === broken;
}

/**
 * Sends without waiting. Gives the count of bytes that the kernel took, which may be less than all,
 * `wouldBlock` or `broken`.
 */
export function send(descriptor: number, bytes: Uint8Array): number {
  const calls = systemCalls();
  for (;;) {
    const count = calls.send(
      descriptor,
      bytes,
      bytes.length,
      linux.MSG_DONTWAIT | linux.MSG_NOSIGNAL,
    );
    if (count >= 0) return count;
    const failure = failureOf(calls.errno());
    if (failure !== interrupted) return failure;
  }
}

const oneByte = new Uint8Array(new ArrayBuffer(1));
const interrupted = -3;

function receiveWith(descriptor: number, into: Uint8Array, flags: number): number {
  const calls = systemCalls();
  for (;;) {
    const count = calls.recv(descriptor, into, into.length, flags);
    if (count >= 0) return count;
    const failure = failureOf(calls.errno());
    if (failure !== interrupted) return failure;
  }
}

function failureOf(errno: number): number {
  if (errno === linux.EAGAIN) return wouldBlock;
  return errno === linux.EINTR ? interrupted : broken;
}
