/** Many sessions over links that are late, cut, silent or said goodbye to, at any time. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { AccountId } from "#base/brand.ts";
import { ByteReader, ByteWriter, hex, latin1, utf8 } from "#base/bytes.ts";
import { crc32 } from "#base/crc.ts";
import { silentLog } from "#base/log.ts";
import { seededRandom, systemRandom } from "#base/random.ts";
import {
  type DelayedStream,
  delayedStreams,
  ManualClock,
  type MemoryStream,
  memoryStreams,
} from "#base/testing.ts";
import { type BackendStream, Generations, WireLink } from "#hop/index.ts";
import { RelayedSession, type RelayOutcome, type Route } from "../index.ts";

const seed = systemRandom.below(2 ** 30);

/** What a command answers: known from the command alone, so that the whole dialogue is. */
function answerTo(line: string): string {
  const length = crc32(utf8(line)) % 5 === 0 ? crc32(utf8(line)) % 90_000 : 40;
  return `* ${line} ${"x".repeat(length)}\r\n`;
}

class World {
  readonly clock = new ManualClock();
  readonly random;
  /** How often each command was carried out, by its key. */
  readonly times = new Map<string, number>();
  backends = 0;
  #link: WireLink | undefined;
  #streams: [DelayedStream, DelayedStream] | undefined;
  #leave: (() => void) | undefined;

  constructor(seed: number) {
    this.random = seededRandom(seed);
  }

  async route(): Promise<Route> {
    if (this.#link === undefined || this.#link.closing) this.#link = await this.#newBackend();
    return { link: this.#link, shard: 1, epoch: this.backends };
  }

  async #newBackend(): Promise<WireLink> {
    const { clock } = this;
    const leaving = { now: false };
    const streams = delayedStreams(clock, this.random);
    const number = ++this.backends;
    const parts = (id: string) => ({
      clock,
      log: silentLog,
      dialed: id === "proxy",
      local: { id, incarnation: `${number}`, roles: [] },
      services: {
        serve: (stream: BackendStream): void => {
          void this.#serve(stream, leaving).catch(() => {});
        },
        calls: new Map(),
        note: () => {},
        generations: new Generations(clock),
      },
    });
    const backend = WireLink.start(streams[1], parts("backend"));
    const link = await WireLink.start(streams[0], parts("proxy"));
    this.#streams = streams;
    this.#leave = () => {
      leaving.now = true;
      void backend.then((link) => link.goodbye("Restart"));
    };
    return link;
  }

  /** Something happens to the backend of now. */
  trouble(): void {
    const [near, far] = this.#streams ?? [];
    switch (this.random.below(5)) {
      case 0:
        near?.cut();
        far?.cut();
        return;
      case 1:
        // The backend goes on for a while and does not know that nobody listens.
        near?.cut();
        far?.fallSilent();
        near?.fallSilent();
        return;
      case 2:
        far?.cut();
        return;
      case 3:
        near?.fallSilent();
        far?.fallSilent();
        return;
      default:
        this.#leave?.();
    }
  }

  async #serve(stream: BackendStream, leaving: { readonly now: boolean }): Promise<void> {
    const { request } = stream;
    const { clock, random } = this;
    let command = new ByteReader(request.head).varint();
    let consumed = request.inputOffset;
    let text = "";
    for (;;) {
      const bytes = await stream.read();
      if (bytes === null) return stream.end("ended", "");
      text += latin1(bytes);
      for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
        const line = text.slice(0, end);
        if (leaving.now) return stream.end("moved", "");
        await new Promise<void>((resolve) => void clock.after(random.below(3), resolve));
        text = text.slice(end + 1);
        consumed += end + 1;
        command++;
        const key = `${hex(request.session)} ${command} ${line}`;
        this.times.set(key, 1);
        const answer = utf8(answerTo(line));
        const cut = random.below(3) === 0 ? random.below(answer.length) : 0;
        await stream.write(answer.subarray(0, cut));
        // Here a death leaves half an answer with the client.
        if (cut > 0)
          await new Promise<void>((resolve) => void clock.after(random.below(30), resolve));
        if (line === "logout") {
          void stream.write(answer.subarray(cut));
          return stream.end("ended", "");
        }
        const state = new ByteWriter().varint(command).take();
        await stream.flush({ consumed, output: answer.subarray(cut), state });
      }
    }
  }
}

interface Player {
  readonly far: MemoryStream;
  readonly script: Uint8Array;
  readonly expected: string;
  at: number;
  outcome: RelayOutcome | undefined;
  readonly received: Promise<string>;
}

function join(world: World, number: number): Player {
  const { random, clock } = world;
  const [far, near] = memoryStreams();
  const lines = Array.from({ length: 1 + random.below(12) }, (_, i) => `${number}-${i}`);
  lines.push("logout");
  const session = new RelayedSession({
    clock,
    random,
    log: silentLog,
    protocol: "imap",
    account: "alice" as AccountId,
    session: random.bytes(16),
    client: near,
    head: new ByteWriter().varint(0).take(),
    early: new Uint8Array(0),
    route: () => world.route(),
    farewell: (reason, text) => utf8(`* BYE ${reason} ${text}\r\n`),
  });
  const read = async (): Promise<string> => {
    const parts: Uint8Array[] = [];
    for (let b = await far.read(); b !== null; b = await far.read()) parts.push(b);
    return Buffer.concat(parts).toString("latin1");
  };
  const script = utf8(lines.map((line) => `${line}\n`).join(""));
  const expected = lines.map(answerTo).join("");
  const player: Player = { far, script, expected, at: 0, outcome: undefined, received: read() };
  void session.run().then((outcome) => (player.outcome = outcome));
  return player;
}

test(`clients see the dialogue that they would see without any trouble (seed ${seed})`, async () => {
  let backends = 0;
  for (let round = 0; round < 40; round++) {
    const world = new World(seed + round);
    const { random } = world;
    const players = Array.from({ length: 5 }, (_, i) => join(world, i));
    let troubles = 8;
    const playing = (): Player[] => players.filter(({ outcome }) => outcome === undefined);
    for (let step = 0; playing().length > 0; step++) {
      assert.ok(step < 100_000, `round ${round}: a session does not end`);
      if (troubles > 0 && random.below(20) === 0) {
        troubles--;
        world.trouble();
      }
      const player = players[random.below(players.length)]!;
      if (random.below(30) === 0) player.far.stalled = true;
      else if (random.below(3) === 0) player.far.resume();
      if (player.at < player.script.length && player.outcome === undefined) {
        const next = player.at + 1 + random.below(10);
        void player.far.write(player.script.subarray(player.at, next));
        player.at = next;
      }
      await world.clock.step();
    }
    for (const [i, player] of players.entries()) {
      assert.equal(await player.received, player.expected, `round ${round}, session ${i}`);
      assert.equal(player.outcome, "ended");
    }
    backends += world.backends;
  }
  assert.ok(backends > 80, `${backends}`);
});
