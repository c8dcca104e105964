import { networkOf } from "#auth/index.ts";
import type { AccountId, MailboxNumber } from "#base/brand.ts";
import { ByteReader, ByteWriter, concatBytes, FormatError, noBytes, utf8 } from "#base/bytes.ts";
import type { Clock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import type { Log } from "#base/log.ts";
import type { Metrics } from "#base/metrics.ts";
import type { Random } from "#base/random.ts";
import type { PeerInfo } from "#base/stream.ts";
import type { Connection, TakenConnection } from "./connection.ts";
import type { FrozenSession, WaitsFor } from "./held-session.ts";
import type { Listeners } from "./listener.ts";
import {
  broken,
  closeDescriptor,
  EpollSet,
  type MailboxWait,
  parkingUnavailable,
  ParkedTable,
  receive,
  send,
  socketOf,
  type WakeCause,
  wouldBlock,
} from "./parked/index.ts";
import { sealFrozen } from "./tls13/index.ts";

/** Who is logged in on a parked connection, and where it came from. */
export interface ParkedLogin {
  readonly accountId: AccountId;
  /** The login name in its normal form. */
  readonly name: string;
  readonly peer: PeerInfo;
  /** The name of the listener that accepted it. */
  readonly listener: string;
}

/** A session that leaves the lot. */
export interface ReturningSession extends ParkedLogin {
  readonly frozen: Uint8Array;
  /** What the client has said. */
  readonly input?: Uint8Array | undefined;
  /** Set where it has said something that is still under TLS, and may amount to nothing. */
  readonly spoke?: Pick<FrozenSession, "waitsFor" | "idling"> | undefined;
  readonly silentMs: number;
  /** Sent before all else. */
  readonly says?: Uint8Array | undefined;
}

export interface ParkingLotParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly listeners: Listeners;
  /** Goes on with a session whose connection was given back to Node. */
  serve(connection: Connection, session: ReturningSession): Promise<void>;
  /** Default: that of base/limits. */
  readonly sessionsMax?: number;
}

/** What is under a parked session: nothing but TCP or a Unix socket, or TLS 1.3 on it. */
const plainSocket = 0;
const tls13Socket = 1;
const stillHere = utf8("* OK Still here\r\n");

/**
 * The sessions of this process that are frozen and whose connections are parked. A client that says
 * something, a change that it is to be told of, or the end of its time makes it an ordinary
 * connection again; signs of life inside IDLE are sent without that.
 */
export class ParkingLot {
  readonly #parts: ParkingLotParts;
  readonly #table: ParkedTable;
  readonly #set: EpollSet;
  readonly #received = new Uint8Array(limits.parkedReadBytes);
  readonly #wakes;
  readonly #parked;
  /** There was no room; monotonic milliseconds until nobody is parked. */
  #fullUntil = -Infinity;

  /** Undefined where this system cannot park; the log says why. */
  static open(parts: ParkingLotParts): ParkingLot | undefined {
    const reason = parkingUnavailable();
    if (reason === undefined) return new ParkingLot(parts);
    parts.log.info({ reason }, "Idle sessions keep their sockets");
    return undefined;
  }

  private constructor(parts: ParkingLotParts) {
    const { clock, random, metrics, listeners } = parts;
    this.#parts = parts;
    this.#set = new EpollSet((batch) => this.#table.ready(batch));
    this.#table = new ParkedTable({
      clock,
      random,
      sessionsMax: parts.sessionsMax ?? limits.parkedSessionsMax,
      readiness: this.#set,
      woken: (rows, cause) => {
        for (const row of rows) this.#wake(row, cause);
      },
    });
    this.#wakes = metrics.counter("roost_parked_wakes_total", "Parked sessions that were woken", [
      "cause",
    ]);
    this.#parked = metrics.gauge("roost_parked_sessions", "Sessions that are parked");
    listeners.countParked((network) => this.#table.countOfAddress(network));
  }

  get count(): number {
    return this.#table.count;
  }

  countOfAccount(accountId: AccountId): number {
    return this.#table.countOfAccount(accountId);
  }

  /** Takes the connection from its owner; false where it has to stay as it is. */
  park(connection: Connection, session: FrozenSession & ParkedLogin): boolean {
    const { clock } = this.#parts;
    if (clock.monotonic() < this.#fullUntil) return false;
    const taken = connection.takeDescriptor();
    if (taken === undefined) return false;
    const { tls } = taken;
    const { accountId, waitsFor, idling, frozen, peer } = session;
    const row =
      taken.pending.length > 0
        ? 0
        : this.#table.add({
            descriptor: taken.descriptor,
            kind: tls === undefined ? plainSocket : tls13Socket,
            account: accountId,
            address: networkOf(peer.address),
            waits:
              waitsFor === undefined
                ? []
                : [{ account: accountId, mailbox: waitsFor.mailbox, told: waitsFor.modseq }],
            deadlineMs: this.#deadline(session),
            tag: idling ? stillHere : noBytes,
            transport: concatBytes([
              encodeParkedLogin(session, this.#silentSince(session)),
              tls ?? noBytes,
            ]),
            frozen,
          });
    if (row !== 0) {
      this.#parked.inc();
      return true;
    }
    // Else one that is parked at every rest would come back here again and again.
    if (taken.pending.length === 0) this.#fullUntil = clock.monotonic() + limits.parkAgainMs;
    // It goes on as what it was: a connection of Node's, of which nothing was lost.
    const spoke = tls !== undefined && taken.pending.length > 0 ? { waitsFor, idling } : undefined;
    this.#return(taken, { ...session, spoke });
    return true;
  }

  /** A mailbox has changed: wakes exactly those that are to be told. */
  changed(change: { readonly account: AccountId; mailbox: number; modseq: number }): void {
    this.#table.changed(change.account, change.mailbox, change.modseq);
  }

  /** All sessions of an account go on, and hear of what was decided about it. */
  wakeAccount(accountId: AccountId): void {
    if (this.countOfAccount(accountId) === 0) return;
    for (let row = this.#table.next(0); row !== 0; row = this.#table.next(row))
      if (this.#table.isParked(row) && this.#table.summary(row).account === accountId)
        this.#wake(row, "changed");
  }

  /** Who is parked. */
  *sessions(): Generator<ParkedLogin & { readonly idling: boolean }> {
    const table = this.#table;
    for (let row = table.next(0); row !== 0; row = table.next(row)) {
      const login = decodeParkedLogin(table.transport(row), table.summary(row).account);
      yield { ...login, idling: table.tag(row).length > 0 };
    }
  }

  /** Tells everybody, and closes. */
  close(farewell: Uint8Array): void {
    for (let row = this.#table.next(0); row !== 0; row = this.#table.next(row)) {
      const sealed =
        this.#table.kind(row) === tls13Socket
          ? this.#seal(this.#table.transport(row), farewell, true).records
          : farewell;
      const descriptor = this.#table.remove(row);
      send(descriptor, sealed);
      closeDescriptor(descriptor);
      this.#parked.dec();
    }
    this.#table.stop();
    this.#set.close();
  }

  #silentSince({ silentMs }: FrozenSession): number {
    return this.#parts.clock.monotonic() - silentMs;
  }

  #deadline(session: FrozenSession): number {
    const now = this.#parts.clock.monotonic();
    const end = this.#silentSince(session) + limits.imapIdleTimeoutMs;
    return session.idling ? Math.min(end, now + limits.idleKeepAliveMs) : end;
  }

  #wake(row: number, cause: WakeCause): void {
    const sign = cause === "deadline" ? this.#keepAlive(row) : undefined;
    if (sign === "sent") return;
    const isPlain = this.#table.kind(row) === plainSocket;
    const input = cause === "readable" && isPlain ? this.#receive(row) : undefined;
    // An alarm without a cause.
    if (input === wouldBlock) return this.#table.rearm(row, this.#table.deadline(row));
    this.#wakes.inc({ cause });
    this.#parked.dec();
    const session = this.#table.take(row);
    const { descriptor, frozen, transport, account, waits, tag } = session;
    if (cause === "hang-up" || input === broken || sign === "cut-off") {
      closeDescriptor(descriptor);
      return;
    }
    const { silentSince, tls, ...login } = decodeParkedLogin(transport, account);
    // Whoever has spoken is not silent; under TLS it is only known when its records are open.
    const now = this.#parts.clock.monotonic();
    const silentMs = input === undefined ? now - silentSince : 0;
    const returning = { ...login, frozen, input, silentMs };
    if (isPlain) this.#return({ descriptor }, returning);
    else {
      const spoke =
        cause === "readable" ? { waitsFor: waitOf(waits), idling: tag.length > 0 } : undefined;
      const says = sign === "by-session" ? tag : undefined;
      this.#return({ descriptor, tls }, { ...returning, spoke, says });
    }
  }

  /** What a client says first; most say little, so this is all of it. */
  #receive(row: number): Uint8Array | typeof broken | typeof wouldBlock {
    const count = receive(this.#table.descriptor(row), this.#received);
    if (count === wouldBlock) return wouldBlock;
    return count <= 0 ? broken : this.#received.slice(0, count);
  }

  /** Sends a sign of life to a client that idles and has time left; undefined for others. */
  #keepAlive(row: number): SignOfLife | undefined {
    const tag = this.#table.tag(row);
    if (tag.length === 0) return undefined;
    const now = this.#parts.clock.monotonic();
    const end = silentSinceOf(this.#table.transport(row)) + limits.imapIdleTimeoutMs;
    if (now >= end) return undefined;
    const sign = this.#sendSign(row, tag);
    if (sign === "sent") this.#table.rearm(row, Math.min(end, now + limits.idleKeepAliveMs));
    return sign;
  }

  /** A client whose window is full needs no sign; one that is gone is found by the next event. */
  #sendSign(row: number, tag: Uint8Array): SignOfLife {
    const descriptor = this.#table.descriptor(row);
    if (this.#table.kind(row) === plainSocket) {
      send(descriptor, tag);
      return "sent";
    }
    const before = this.#table.transport(row);
    const { records, transport } = this.#seal(before, tag);
    if (transport.length !== before.length) return "by-session";
    const count = send(descriptor, records);
    if (count === records.length) this.#table.replaceTransport(row, transport);
    return count > 0 && count < records.length ? "cut-off" : "sent";
  }

  #seal(
    transport: Uint8Array,
    bytes: Uint8Array,
    last = false,
  ): { readonly records: Uint8Array; readonly transport: Uint8Array } {
    const { tls: state } = decodeParkedLogin(transport, "");
    const login = transport.subarray(0, transport.length - state.length);
    const sealed = sealFrozen({ state, bytes, last }, this.#parts.clock);
    return { records: sealed.records, transport: concatBytes([login, sealed.state]) };
  }

  #return(
    { descriptor, pending = noBytes, tls }: Partial<TakenConnection> & { descriptor: number },
    session: ReturningSession,
  ): void {
    const { listeners, log } = this.#parts;
    const { listener, peer } = session;
    try {
      const socket = socketOf(descriptor, pending);
      listeners.takeBack(socket, { name: listener, peer, tls }, (connection) => {
        if (session.says !== undefined) void connection.stream.write(session.says);
        return this.#parts.serve(connection, session);
      });
    } catch (error) {
      log.warn({ error, address: peer.address }, "A parked connection could not be given back");
    }
  }
}

function waitOf(waits: readonly MailboxWait[]): WaitsFor | undefined {
  const [wait] = waits;
  return wait && { mailbox: wait.mailbox as MailboxNumber, modseq: wait.told };
}

const version = 1;

/**
 * - `by-session`: the number of the record has become longer than the row has room for; the session is
 *   woken and says it.
 * - `cut-off`: a part of the record is on its way, and nothing can follow it.
 */
type SignOfLife = "sent" | "by-session" | "cut-off";

/**
 * What the table itself does not know of a connection; the state of TLS 1.3 follows it in the row.
 * Version byte first: it may be handed over.
 */
function encodeParkedLogin({ name, peer, listener }: ParkedLogin, silentSince: number): Uint8Array {
  const out = new ByteWriter(96);
  out.u8(version).f64(silentSince).u16(peer.port).u16(peer.localPort);
  out.u8((peer.secure ? 1 : 0) | (peer.loopback ? 2 : 0));
  out.text(peer.address).text(peer.localAddress).text(listener).text(name);
  return out.take();
}

function silentSinceOf(transport: Uint8Array): number {
  const input = new ByteReader(transport);
  const found = input.u8();
  if (found !== version) throw new FormatError(`Unknown version ${found} of a parked login`);
  return input.f64();
}

function decodeParkedLogin(
  transport: Uint8Array,
  account: string,
): ParkedLogin & { readonly silentSince: number; readonly tls: Uint8Array } {
  const silentSince = silentSinceOf(transport);
  const input = new ByteReader(transport.subarray(9));
  const port = input.u16();
  const localPort = input.u16();
  const bits = input.u8();
  const address = input.text();
  const localAddress = input.text();
  const listener = input.text();
  const name = input.text();
  const tls = input.raw(input.left);
  const secure = (bits & 1) !== 0;
  const loopback = (bits & 2) !== 0;
  const peer = { address, port, localAddress, localPort, secure, loopback };
  return { accountId: account as AccountId, name, peer, listener, silentSince, tls };
}
