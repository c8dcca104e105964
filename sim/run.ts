/** One seed: a machine, its clients, crashes, and what must hold afterwards. */
import type { AccountId } from "#base/brand.ts";
import { Refusal } from "#base/assert.ts";
import { sleep } from "#base/clock.ts";
import { type Random, randomName, seededRandom } from "#base/random.ts";
import { ConnectionBroken } from "#base/stream.ts";
import { FaultInjected, MemoryObjectStore, PutUnknown, SimulatedDisk } from "#objects/index.ts";
import { ImapClient, ImapClosed, ImapRefused } from "../test/client/imap-client.ts";
import { LmtpClient, LmtpClosed } from "../test/client/lmtp-client.ts";
import { SimClock } from "./clock.ts";
import { AccountOracle, Violation } from "./oracle.ts";
import { runReader } from "./reader.ts";
import { type SimMachine, SimServer, type SimUser } from "./server.ts";
import { markedMessage, reconcileAll, runWriter } from "./writer.ts";

/** What a seed did; equal for equal seeds. */
export interface RunSummary {
  readonly seed: number;
  readonly crashes: number;
  readonly deliveries: number;
  readonly events: number;
  /** Virtual milliseconds. */
  readonly time: number;
}

const eventsPerLifeMax = 200_000;

const objectFaults = { fail: 0.01, full: 0.003, unknown: 0.01, unknownDone: 0.01, errorDone: 0.01 };
const diskFaults = { write: 0.002, writeFull: 0.002, sync: 0.002, create: 0.02 };
const noFaults = { write: 0, writeFull: 0, sync: 0, create: 0 };

/** Runs a seed; rejects with what went wrong. */
export async function runSeed(seed: number): Promise<RunSummary> {
  return new Run(seed).run();
}

/** What may happen to a client, or at a start, when disk and objects fail. */
function isFault(error: unknown): boolean {
  if (error instanceof ImapRefused)
    return error.code === "UNAVAILABLE" || error.code === "CORRUPTION";
  return (
    error instanceof ImapClosed ||
    error instanceof LmtpClosed ||
    error instanceof FaultInjected ||
    error instanceof PutUnknown ||
    error instanceof Refusal ||
    error instanceof ConnectionBroken
  );
}

class Run {
  readonly #seed: number;
  readonly #random: Random;
  readonly #clock: SimClock;
  readonly #disk: SimulatedDisk;
  readonly #machine: SimMachine;
  readonly #oracles: AccountOracle[];
  #mark = 0;
  #deliveries = 0;
  #failure: Error | undefined;

  constructor(seed: number) {
    this.#seed = seed;
    const random = seededRandom(seed);
    this.#random = random;
    this.#clock = new SimClock(random);
    this.#disk = new SimulatedDisk({ random, clock: this.#clock, delayMsMax: 3 });
    const users: SimUser[] = Array.from({ length: 2 }, (_, i) => ({
      name: `u${i}`,
      accountId: randomName(random, 16) as AccountId,
    }));
    this.#machine = {
      clock: this.#clock,
      random,
      disk: this.#disk,
      objects: new MemoryObjectStore(),
      objectFaults: random.below(2) === 0 ? {} : objectFaults,
      users,
    };
    this.#oracles = users.map(({ name }) => new AccountOracle(name));
  }

  async run(): Promise<RunSummary> {
    const lives = 2 + this.#random.below(3);
    for (let life = 0; life < lives; life++) await this.#live();
    await this.#lastLook();
    return {
      seed: this.#seed,
      crashes: lives,
      deliveries: this.#deliveries,
      events: this.#clock.events,
      time: Math.round(this.#clock.monotonic()),
    };
  }

  /** Runs `work` in virtual time. */
  async #simulate<T>(work: Promise<T>): Promise<T> {
    let done = false;
    const finished = work.finally(() => {
      done = true;
    });
    finished.catch(() => undefined);
    await this.#clock.runUntil(() => done || this.#failure !== undefined, eventsPerLifeMax);
    if (this.#failure !== undefined) throw this.#failure;
    return finished;
  }

  #newMark(): string {
    return `m${++this.#mark}`;
  }

  /** Starts a server on a machine that is well. */
  async #start(): Promise<SimServer> {
    Object.assign(this.#disk.faults, noFaults);
    for (;;) {
      try {
        return await this.#simulate(SimServer.start(this.#machine));
      } catch (error) {
        // The objects may fail at any time; whoever starts the server tries again.
        if (error instanceof Violation || !isFault(error)) throw error;
        await this.#simulate(sleep(this.#clock, 5));
      }
    }
  }

  /** Settles now and then, much more often than a server would by itself. */
  #settling(server: SimServer): void {
    const loop = async (): Promise<void> => {
      while (!server.dead) {
        await sleep(this.#clock, this.#random.below(300));
        const user = this.#machine.users[this.#random.below(this.#machine.users.length)]!;
        const snapshot = this.#random.below(4) === 0;
        if (!server.dead)
          await server.opened
            .settle(user.accountId, { snapshot, sweep: true })
            .catch(() => undefined);
      }
    };
    void loop();
  }

  /** Starts the server, lets clients work for a while, then crashes it. */
  async #live(): Promise<void> {
    const server = await this.#start();
    if (this.#random.below(3) === 0) Object.assign(this.#disk.faults, diskFaults);
    this.#settling(server);
    this.#machine.users.forEach((user, index) => {
      const oracle = this.#oracles[index]!;
      this.#actor(server, () => this.#writer(server, user, oracle));
      this.#actor(server, () => this.#reader(server, user, oracle));
    });
    this.#actor(server, () => this.#sender(server));
    this.#actor(server, () => this.#sender(server));
    await this.#simulate(sleep(this.#clock, 50 + this.#random.below(600)));
    if (this.#random.below(5) === 0) {
      // A disk that fails at the end is no worse than a crash.
      await this.#simulate(server.stop().catch(() => server.kill()));
    } else {
      server.kill();
      this.#disk.crash(this.#random.below(2) === 0 ? "power" : "process");
    }
    await this.#simulate(sleep(this.#clock, 20));
  }

  /** A client that comes back when its connection breaks, as long as the server lives. */
  #actor(server: SimServer, work: () => Promise<unknown>): void {
    const loop = async (): Promise<void> => {
      while (!server.dead) {
        try {
          await work();
        } catch (error) {
          if (!server.dead && !isFault(error)) throw error;
        }
        await sleep(this.#clock, 1 + this.#random.below(20));
      }
    };
    loop().catch((error: unknown) => {
      this.#failure ??= error instanceof Error ? error : new Error(String(error));
    });
  }

  async #imap(server: SimServer, user: SimUser): Promise<ImapClient> {
    const client = new ImapClient(server.connectImap(user));
    const answer = await client.until("login");
    if (answer.status !== "OK") throw new ImapRefused(answer.text, answer.code);
    return client;
  }

  async #writer(server: SimServer, user: SimUser, oracle: AccountOracle): Promise<void> {
    const client = await this.#imap(server, user);
    const [random, clock] = [this.#random, this.#clock];
    await runWriter({ client, oracle, random, clock, newMark: () => this.#newMark() });
  }

  async #reader(server: SimServer, user: SimUser, oracle: AccountOracle): Promise<void> {
    const client = await this.#imap(server, user);
    await runReader({ client, oracle, random: this.#random, clock: this.#clock });
  }

  /** Delivers to one or both accounts at a time. */
  async #sender(server: SimServer): Promise<void> {
    const random = this.#random;
    const client = new LmtpClient(server.connectLmtp());
    await client.hello();
    for (;;) {
      const mark = this.#newMark();
      const to = this.#machine.users
        .map((user, index) => ({ user, oracle: this.#oracles[index]! }))
        .filter(() => random.below(2) === 0);
      if (to.length > 0) {
        for (const { oracle } of to) oracle.deliveryBegins(mark);
        const addresses = to.map(({ user }) => `${user.name}@sim`);
        const replies = await client.deliver(markedMessage(mark, random), addresses);
        replies.forEach((reply, index) => {
          if (!reply.startsWith("250")) return;
          to[index]!.oracle.deliveryAcknowledged(mark);
          this.#deliveries++;
        });
      }
      await sleep(this.#clock, random.below(40));
    }
  }

  /** Tries again as long as only faults stand against it. */
  async #insist(work: () => Promise<void>): Promise<void> {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (!isFault(error)) throw error;
        await sleep(this.#clock, 5);
      }
    }
  }

  /** After the last crash everything must be there. */
  async #lastLook(): Promise<void> {
    const server = await this.#start();
    const look = async (): Promise<void> => {
      for (const [index, user] of this.#machine.users.entries()) {
        await this.#insist(async () => {
          const client = await this.#imap(server, user);
          await reconcileAll(client, this.#oracles[index]!);
        });
      }
    };
    await this.#simulate(look());
    server.kill();
  }
}
