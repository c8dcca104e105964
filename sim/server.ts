/** One process of the simulation: store, delivery and the protocols over a simulated disk. */
import type { AccountId, TenantId } from "#base/brand.ts";
import type { Random } from "#base/random.ts";
import { Refusal } from "#base/assert.ts";
import { ByteBudget } from "#base/byte-budget.ts";
import { limits } from "#base/limits.ts";
import { type Log, silentLog } from "#base/log.ts";
import { Shutdown } from "#base/shutdown.ts";
import type { PeerInfo, SessionStream } from "#base/stream.ts";
import type { AddressTarget, Directory } from "#auth/index.ts";
import { Delivery } from "#delivery/index.ts";
import type { FaultRates, ObjectStore, SimulatedDisk } from "#objects/index.ts";
import { serveImapSession } from "#roles/imap-session.ts";
import { ArrivingBytes } from "#protocols/imap/index.ts";
import { serveLmtp } from "#protocols/lmtp/index.ts";
import { closeStore, type OpenedStore, prepareMessage } from "#store/index.ts";
import { CommandDecoder } from "#wire/index.ts";
import { ProcessClock, type SimClock } from "./clock.ts";
import { simConnection } from "./network.ts";
import { openSimStore } from "./store.ts";

export interface SimUser {
  readonly name: string;
  readonly accountId: AccountId;
}

/** What outlives a process. */
export interface SimMachine {
  readonly clock: SimClock;
  readonly random: Random;
  readonly disk: SimulatedDisk;
  readonly objects: ObjectStore;
  readonly objectFaults: FaultRates;
  readonly users: readonly SimUser[];
}

const peer: PeerInfo = {
  address: "127.0.0.1",
  port: 1,
  localAddress: "127.0.0.1",
  localPort: 2,
  secure: false,
  loopback: true,
};

/** A directory of fixed users. */
function directoryOf(users: readonly SimUser[]): Directory {
  const find = (name: string): AddressTarget | undefined => {
    const user = users.find((one) => `${one.name}@sim` === name || one.name === name);
    if (user === undefined) return undefined;
    return {
      accountId: user.accountId,
      tenant: "default" as TenantId,
      name: user.name,
      disabled: false,
      quota: {},
      via: "address",
    };
  };
  return {
    kind: "fixed",
    findLogin: async () => undefined,
    findAddress: async (address) => find(address),
    listAccounts: async () => [],
    close: async () => undefined,
  };
}

/** A running server; `kill` leaves nothing of it but what is on the disk. */
export class SimServer {
  readonly #machine: SimMachine;
  readonly #clock: ProcessClock;
  readonly #log: Log;
  readonly #shutdown = new Shutdown();
  readonly #cuts = new Set<() => void>();
  readonly #sessions = new Set<Promise<void>>();
  readonly #opened: OpenedStore;
  readonly #delivery: Delivery;
  readonly #arrivingBytes = new ArrivingBytes();
  readonly #arriving = new ByteBudget(limits.arrivingBytesMax);
  dead = false;
  #stopping = false;

  private constructor(machine: SimMachine, clock: ProcessClock, opened: OpenedStore, log: Log) {
    this.#machine = machine;
    this.#clock = clock;
    this.#opened = opened;
    this.#log = log;
    this.#delivery = new Delivery({
      store: opened.store,
      directory: directoryOf(machine.users),
      clock,
      hooks: {},
      prepare: prepareMessage,
    });
  }

  static async start(machine: SimMachine, log: Log = silentLog): Promise<SimServer> {
    const clock = new ProcessClock(machine.clock);
    const opened = await openSimStore(machine, { clock, log });
    return new SimServer(machine, clock, opened, log);
  }

  get opened(): OpenedStore {
    return this.#opened;
  }

  #connect() {
    if (this.dead || this.#stopping) throw new Refusal("UNAVAILABLE", "Nothing listens");
    const connection = simConnection(this.#machine.clock, this.#machine.random);
    this.#cuts.add(connection.cut);
    return connection;
  }

  /** A session that has just logged in; the client still has to read the answer to `login`. */
  connectImap(user: SimUser): SessionStream {
    const { client, server, cut } = this.#connect();
    const { store } = this.#opened;
    const services = {
      store,
      clock: this.#clock,
      log: this.#log,
      shutdown: this.#shutdown,
      prepareMessage,
      arrivingBytes: this.#arrivingBytes,
    };
    const identity = { accountId: user.accountId, name: user.name, quota: {} };
    const arrival = { stream: server, peer, identity, tag: "login", decoder: new CommandDecoder() };
    this.#track(serveImapSession(arrival, services), cut);
    return client;
  }

  connectLmtp(): SessionStream {
    const { client, server, cut } = this.#connect();
    const connection = {
      stream: server,
      peer,
      shutdown: this.#shutdown,
      canUpgradeTls: false,
      upgradeTls: () => Promise.reject(new Error("There is no TLS")),
    };
    const services = {
      deliver: this.#delivery,
      clock: this.#clock,
      log: this.#log,
      arriving: this.#arriving,
      hostname: "sim",
      messageBytesMax: limits.messageBytesMax,
    };
    this.#track(serveLmtp(connection, services), cut);
    return client;
  }

  #track(session: Promise<void>, cut: () => void): void {
    const ended = session
      .catch(() => undefined)
      .finally(() => {
        this.#cuts.delete(cut);
        this.#sessions.delete(ended);
      });
    this.#sessions.add(ended);
  }

  /** The process ends between two instructions; its connections break. */
  kill(): void {
    this.dead = true;
    this.#clock.kill();
    for (const cut of this.#cuts) cut();
    this.#cuts.clear();
  }

  /** Ends in good order: everything is settled. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#shutdown.begin();
    await Promise.all(this.#sessions);
    await closeStore(this.#opened);
    this.kill();
  }
}
