/** What the tests of parking share. */
import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { NetConnectOpts, Socket } from "node:net";
import type { TestContext } from "node:test";
import type { Clock, Timer } from "#base/clock.ts";
import { noBytes } from "#base/bytes.ts";
import type { Readiness } from "./epoll-set.ts";
import type { ParkedSession } from "./parked-table.ts";
import { parkingUnavailable } from "./system-calls.ts";

/** For tests that need what only Linux has. */
export const skip = parkingUnavailable() ?? false;

/** Time that passes when told to. */
export class SteppedClock implements Clock {
  #now = 10_000;
  #timers: { at: number; run: () => void }[] = [];

  now(): number {
    return this.#now;
  }
  monotonic(): number {
    return this.#now;
  }
  after(ms: number, run: () => void): Timer {
    const timer = { at: this.#now + ms, run };
    this.#timers.push(timer);
    return { cancel: () => void (this.#timers = this.#timers.filter((t) => t !== timer)) };
  }
  yield(): Promise<void> {
    return Promise.resolve();
  }

  get timers(): number {
    return this.#timers.length;
  }

  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const due = this.#timers.filter((t) => t.at <= end).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.#timers = this.#timers.filter((t) => t !== due);
      this.#now = Math.max(this.#now, due.at);
      due.run();
    }
    this.#now = end;
  }
}

/** Descriptors that exist in the imagination of a test. */
export class FakeReadiness implements Readiness {
  readonly watched = new Map<number, { row: number; generation: number; armed: boolean }>();
  readonly ended = new Set<number>();
  watchedMax = Infinity;

  watch(descriptor: number, row: number, generation: number): boolean {
    if (this.watched.size >= this.watchedMax || this.watched.has(descriptor)) return false;
    this.watched.set(descriptor, { row, generation, armed: true });
    return true;
  }
  rearm(descriptor: number, row: number, generation: number): void {
    if (this.watched.has(descriptor))
      this.watched.set(descriptor, { row, generation, armed: true });
  }
  forget(descriptor: number): void {
    this.watched.delete(descriptor);
  }
  hasEnded(descriptor: number): boolean {
    return this.ended.has(descriptor);
  }
}

/** A session with nothing in it, beside what is given. */
export function sessionOf(session: Partial<ParkedSession> & { descriptor: number }): ParkedSession {
  return {
    kind: 0,
    account: "alice",
    address: "192.0.2.1",
    waits: [],
    deadlineMs: Infinity,
    tag: noBytes,
    transport: noBytes,
    frozen: noBytes,
    ...session,
  };
}

/** Accepts connections until the test ends; `pair`, one call at a time, gives both ends of one. */
export async function loopback(
  t: TestContext,
  listen: { port: number; host: string } | { path: string } = { port: 0, host: "127.0.0.1" },
): Promise<{ pair: () => Promise<{ client: Socket; server: Socket }> }> {
  const listener = createServer({ allowHalfOpen: true, noDelay: true, keepAlive: true });
  await new Promise<void>((resolve) => void listener.listen(listen, resolve));
  const open = new Set<Socket>();
  t.after(() => {
    for (const socket of open) socket.destroy();
    listener.close();
  });
  const address = listener.address();
  const target: NetConnectOpts =
    typeof address === "string" ? { path: address } : { port: address!.port, noDelay: true };
  return {
    pair: async () => {
      const accepted = once(listener, "connection") as Promise<[Socket]>;
      const client = connect({ ...target, allowHalfOpen: true });
      open.add(client);
      const [server] = await accepted;
      if (client.connecting) await once(client, "connect");
      open.add(server);
      for (const socket of [client, server]) socket.on("error", () => {});
      return { client, server };
    },
  };
}
