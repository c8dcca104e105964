/**
 * Parked sessions: connections with nothing to do, kept without an object of JavaScript each.
 *
 * - `takeDescriptor` takes a connection from Node without losing a byte, `socketOf` gives it back;
 *   `receive` and `send` move the few bytes that need no thaw (keep-alives, alerts, a first look).
 * - A `ParkedTable` has one row for each session: its descriptor, whose it is, what it waits for, and
 *   opaque bytes of whoever froze it. It knows no protocol, no TLS and no backend. It calls back with
 *   the rows that were woken, in batches, and with why: the client, the end, a change, the time.
 * - An `EpollSet` watches the descriptors for it, in this thread's own event loop.
 * - `handOver` and `takeOver` pass sessions with their descriptors to another process, each of which
 *   is in exactly one of the two at any time.
 *
 * A session is woken once and then left alone until `rearm` or `remove`. Everything has a limit:
 * `add` gives 0 where one is reached, and the session stays what it was. Where there is no epoll,
 * `parkingUnavailable` says why, and nothing else here may be used.
 */
export { DescriptorChannel, type ReceivedFrame } from "./descriptor-channel.ts";
export { EpollSet, type Readiness, type ReadyBatch } from "./epoll-set.ts";
export { handOver, takeOver } from "./hand-over.ts";
export {
  type ParkedSession,
  type ParkedSummary,
  ParkedTable,
  type ParkedTableParts,
  type WakeCause,
} from "./parked-table.ts";
export { socketOf, takeDescriptor, type TakenSocket } from "./socket-descriptor.ts";
export {
  broken,
  closeDescriptor,
  parkingUnavailable,
  receive,
  send,
  wouldBlock,
} from "./system-calls.ts";
export type { MailboxWait } from "./waits.ts";
