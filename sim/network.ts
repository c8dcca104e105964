import { noBytes } from "#base/bytes.ts";
import type { Clock } from "#base/clock.ts";
import type { Random } from "#base/random.ts";
import { ConnectionBroken, type SessionStream } from "#base/stream.ts";

/** A writer waits while so much is under way. */
const pipeBytesMax = 32 * 1024;

/** One direction of a connection: bytes arrive late, in order, cut anywhere. */
class Pipe {
  readonly #clock: Clock;
  readonly #random: Random;
  #arrived: Uint8Array[] = [];
  #reader: ((chunk: Uint8Array | null) => void) | undefined;
  #writers: (() => void)[] = [];
  #underWay = 0;
  #lastArrival = 0;
  #ended = false;
  broken = false;

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  write(bytes: Uint8Array): Promise<void> | undefined {
    if (this.broken) return Promise.reject(new ConnectionBroken("The peer is gone"));
    for (let at = 0; at < bytes.length;) {
      const size = this.#random.below(8) === 0 ? 1 + this.#random.below(64) : bytes.length;
      const chunk = bytes.slice(at, at + size);
      at += chunk.length;
      this.#underWay += chunk.length;
      this.#later(() => {
        this.#arrived.push(chunk);
        this.#give();
      });
    }
    if (this.#underWay < pipeBytesMax) return undefined;
    return new Promise((resolve) => this.#writers.push(resolve));
  }

  #later(run: () => void): void {
    const now = this.#clock.monotonic();
    const at = Math.max(this.#lastArrival, now + this.#random.below(2000) / 1000);
    this.#lastArrival = at;
    this.#clock.after(at - now, run);
  }

  #give(): void {
    const reader = this.#reader;
    if (reader === undefined) return;
    const chunk = this.#arrived.shift();
    if (chunk === undefined && !this.#ended) return;
    this.#reader = undefined;
    this.#underWay -= chunk?.length ?? 0;
    if (this.#underWay < pipeBytesMax) for (const writer of this.#writers.splice(0)) writer();
    reader(chunk ?? null);
  }

  read(): Promise<Uint8Array | null> {
    return new Promise((resolve) => {
      this.#reader = resolve;
      this.#give();
    });
  }

  end(): void {
    this.#later(() => {
      this.#ended = true;
      this.#give();
    });
  }

  destroy(): void {
    this.broken = true;
    this.#ended = true;
    this.#arrived = [];
    for (const writer of this.#writers.splice(0)) writer();
    this.#give();
  }
}

class SimStream implements SessionStream {
  readonly #in: Pipe;
  readonly #out: Pipe;
  readonly compressed = false;

  constructor(input: Pipe, output: Pipe) {
    this.#in = input;
    this.#out = output;
  }
  read(): Promise<Uint8Array | null> {
    return this.#in.read();
  }
  write(bytes: Uint8Array): Promise<void> | undefined {
    return bytes === noBytes ? undefined : this.#out.write(bytes);
  }
  end(): void {
    this.#out.end();
  }
  destroy(): void {
    this.#in.destroy();
    this.#out.destroy();
  }
  startCompression(): void {
    throw new Error("The simulation does not compress");
  }
}

/** A connection: the client's end and the server's. Cutting it ends both. */
export function simConnection(
  clock: Clock,
  random: Random,
): { client: SessionStream; server: SessionStream; cut: () => void } {
  const up = new Pipe(clock, random);
  const down = new Pipe(clock, random);
  return {
    client: new SimStream(down, up),
    server: new SimStream(up, down),
    cut() {
      up.destroy();
      down.destroy();
    },
  };
}
