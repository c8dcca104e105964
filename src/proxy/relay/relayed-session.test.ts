import assert from "node:assert/strict";
import { test } from "node:test";
import type { AccountId } from "#base/brand.ts";
import { ByteReader, ByteWriter, hex, latin1, utf8 } from "#base/bytes.ts";
import { limits } from "#base/limits.ts";
import { type Log, silentLog } from "#base/log.ts";
import { seededRandom } from "#base/random.ts";
import { ManualClock, type MemoryStream, memoryStreams, settled } from "#base/testing.ts";
import {
  type BackendStream,
  Generations,
  type Link,
  localLinks,
  type NodeInfo,
  WireLink,
} from "#hop/index.ts";
import { type FarewellReason, RelayedSession, type RelayOutcome } from "../index.ts";

/** Sessions whose commands are lines; what they do lies in a store that no death touches. */
class Cluster {
  readonly clock = new ManualClock();
  /** Results by command key, and how often each command was carried out. */
  readonly results = new Map<string, string>();
  readonly times = new Map<string, number>();
  readonly wire: boolean;
  readonly random;
  /** What a backend does, counted; it dies at these. */
  events = 0;
  deaths: number[] = [];
  /** How a backend ends at its death. */
  end: "lost" | "moved" = "lost";
  backends = 0;
  routes = 0;
  /** Responses are cut differently by each backend. */
  uneven = false;
  #link: Link | undefined;
  #connections: MemoryStream[] = [];
  /** Changes what a repeated command answers. */
  falsify = false;

  constructor(wire: boolean, seed = 1) {
    this.wire = wire;
    this.random = seededRandom(seed);
  }

  async route(): Promise<{ link: Link; shard: number; epoch: number }> {
    this.routes++;
    if (this.#link === undefined || this.#link.closing) this.#link = await this.#newBackend();
    return { link: this.#link, shard: 1, epoch: this.backends };
  }

  async #newBackend(): Promise<Link> {
    const number = ++this.backends;
    const { clock } = this;
    const log = silentLog;
    const info = (id: string): NodeInfo => ({ id, incarnation: `${number}`, roles: [] });
    const services = {
      serve: (stream: BackendStream): void => {
        void this.#serve(stream, number).catch(() => {});
      },
      calls: new Map(),
      note: () => {},
      generations: new Generations(clock),
    };
    const [proxy, backend] = [info("proxy"), info("backend")];
    if (!this.wire)
      return localLinks({ info: proxy, services }, { info: backend, services }, { clock, log })[0];
    const streams = memoryStreams();
    this.#connections = streams;
    const parts = { services, clock, log };
    const both = [
      WireLink.start(streams[0], { ...parts, dialed: true, local: proxy }),
      WireLink.start(streams[1], { ...parts, dialed: false, local: backend }),
    ];
    return (await Promise.all(both))[0]!;
  }

  /** True where the backend dies before what it is about to do. */
  async #dies(number: number, stream: BackendStream): Promise<boolean> {
    if (number !== this.backends) return true;
    // Before or after what was said has arrived.
    const dies = this.deaths.includes(this.events++);
    if (this.events % 2 === 0) await settled();
    if (!dies) return false;
    if (this.end === "moved") {
      this.#link = undefined;
      stream.end("moved", "");
    } else if (this.wire) this.#connections[1]!.destroy();
    else this.#link!.destroy("Killed");
    return true;
  }

  async #serve(stream: BackendStream, number: number): Promise<void> {
    const { request } = stream;
    const state = new ByteReader(request.head);
    let command = state.varint();
    let consumed = request.inputOffset;
    let text = "";
    for (;;) {
      if (await this.#dies(number, stream)) return;
      const bytes = await stream.read();
      if (bytes === null) return stream.end("ended", "");
      text += latin1(bytes);
      for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
        const line = text.slice(0, end);
        // A literal: all of it or nothing.
        const literal = Number(/^append (\d+)$/.exec(line)?.[1] ?? 0);
        if (text.length < end + 1 + literal) break;
        text = text.slice(end + 1 + literal);
        consumed += end + 1 + literal;
        command++;
        if (await this.#dies(number, stream)) return;
        const answer = utf8(this.#carryOut(`${hex(request.session)} ${command}`, line));
        const parts = this.uneven ? this.random.below(4) : answer.length > 50 ? 3 : 0;
        let at = 0;
        for (let i = 0; i < parts; i++) {
          if (await this.#dies(number, stream)) return;
          const next = at + Math.floor(((answer.length - at) * (1 + this.random.below(9))) / 10);
          await stream.write(answer.subarray(at, next));
          at = next;
        }
        if (await this.#dies(number, stream)) return;
        if (line === "logout") {
          void stream.write(answer.subarray(at));
          if (await this.#dies(number, stream)) return;
          return stream.end("ended", "");
        }
        const newState = new ByteWriter().varint(command).take();
        const output = answer.subarray(at);
        const half = output.length >> 1;
        // Two flushes for one command: the first one has nothing new to say of the input.
        if (this.uneven && this.random.below(2) === 0)
          await stream.flush({ consumed, output, state: newState });
        else {
          await stream.write(output.subarray(0, half));
          if (await this.#dies(number, stream)) return;
          await stream.flush({ consumed, output: output.subarray(half), state: newState });
        }
      }
    }
  }

  /** Once only: a repeated command is answered from its key. */
  #carryOut(key: string, line: string): string {
    const known = this.results.get(key);
    if (known !== undefined) return this.falsify ? known.replaceAll("x", "y") : known;
    this.times.set(key, (this.times.get(key) ?? 0) + 1);
    const length = Number(/\d+$/.exec(line)?.[0] ?? 5);
    const result = `* ${line.replace(/\d+$/, "")} ${this.results.size} ${"x".repeat(length)}\r\n`;
    this.results.set(key, result);
    return result;
  }
}

interface Client {
  readonly far: MemoryStream;
  readonly session: RelayedSession;
  readonly outcome: Promise<RelayOutcome>;
  received(): Promise<string>;
}

function connect(cluster: Cluster, early = "", log: Log = silentLog): Client {
  const [far, near] = memoryStreams();
  const parts: Buffer[] = [];
  const session = new RelayedSession({
    clock: cluster.clock,
    random: cluster.random,
    log,
    protocol: "imap",
    account: "alice" as AccountId,
    session: cluster.random.bytes(16),
    client: near,
    head: new ByteWriter().varint(0).take(),
    early: utf8(early),
    route: () => cluster.route(),
    farewell: (reason: FarewellReason) => utf8(`* BYE ${reason}\r\n`),
  });
  const outcome = session.run();
  const reading = (async () => {
    for (let b = await far.read(); b !== null; b = await far.read()) parts.push(Buffer.from(b));
  })();
  const received = async (): Promise<string> => {
    await reading;
    return Buffer.concat(parts).toString("latin1");
  };
  return { far, session, outcome, received };
}

const lines = ["noop", "fetch 300", "store", "fetch 200000", "append 40", "noop", "fetch 70000"];

/** Plays the dialogue and gives what the client saw. */
async function play(cluster: Cluster, inPieces: boolean): Promise<string> {
  const script = [...lines, "logout"]
    .map((line) => (line.startsWith("append") ? `${line}\n${"l".repeat(40)}` : `${line}\n`))
    .join("");
  const client = connect(cluster, inPieces ? script.slice(0, 3) : script);
  let over = false;
  void client.outcome.then(() => (over = true));
  let at = 3;
  for (let i = 0; !over; i++) {
    assert.ok(i < 5_000, "The session does not end");
    if (inPieces && at < script.length) {
      const count = 1 + cluster.random.below(9);
      client.far.write(utf8(script.slice(at, at + count)))?.catch(() => {});
      at += count;
    }
    await cluster.clock.advance(5);
  }
  assert.equal(await client.outcome, "ended");
  for (const [key, times] of cluster.times) assert.equal(times, 1, key);
  assert.equal(cluster.times.size, lines.length + 1);
  return client.received();
}

for (const wire of [false, true])
  for (const end of ["lost", "moved"] as const)
    for (const inPieces of [false, true])
      test(`no death is seen by the client: ${wire ? "frames" : "calls"}, ${end}, ${
        inPieces ? "input in pieces" : "input at once"
      }`, async () => {
        const healthy = new Cluster(wire);
        const expected = await play(healthy, inPieces);
        assert.ok(expected.length > 270_000 && healthy.backends === 1);
        let moved = 0;
        for (let death = 0; death < healthy.events; death++) {
          const cluster = new Cluster(wire);
          cluster.deaths = [death];
          cluster.end = end;
          assert.equal(await play(cluster, inPieces), expected, `death ${death}`);
          moved += cluster.backends - 1;
        }
        assert.equal(moved, healthy.events);
      });

test("many deaths of backends that cut their answers in other ways", async () => {
  const expected = await play(new Cluster(true), false);
  let backends = 0;
  for (let seed = 1; seed <= 150; seed++) {
    const cluster = new Cluster(seed % 2 === 0, seed);
    cluster.uneven = true;
    cluster.deaths = Array.from({ length: limits.relayLossesMax }, () => cluster.random.below(80));
    assert.equal(await play(cluster, seed % 3 === 0), expected, `seed ${seed}`);
    backends += cluster.backends;
  }
  assert.ok(backends > 500);
});

/** Lets what can go on do so. */
async function ticks(cluster: Cluster): Promise<void> {
  for (let i = 0; i < 20; i++) await cluster.clock.advance(1);
}

/** Waits for the end of a session. */
async function ending(cluster: Cluster, client: Client): Promise<RelayOutcome> {
  let outcome: RelayOutcome | undefined;
  void client.outcome.then((is) => (outcome = is));
  for (let i = 0; outcome === undefined; i++) {
    assert.ok(i < 5_000, "The session does not end");
    await cluster.clock.advance(1_000);
  }
  return outcome;
}

test("an answer that is not the same the second time closes the connection", async () => {
  let differed = 0;
  for (let death = 0; death < 12; death++) {
    const cluster = new Cluster(false);
    cluster.deaths = [death];
    cluster.falsify = true;
    const errors: string[] = [];
    const log = { ...silentLog, error: (_: object, message: string) => void errors.push(message) };
    const client = connect(cluster, "noop\nfetch 300\nlogout\n", log);
    const outcome = await ending(cluster, client);
    const received = await client.received();
    assert.ok(!received.includes("BYE"));
    if (outcome === "ended") continue;
    assert.equal(outcome, "answers differ");
    assert.equal(errors.length, 1);
    assert.match(received, /fetch +\d x+$/);
    differed++;
  }
  assert.ok(differed > 0);
});

test("without a backend the client hears of it at the deadline", async () => {
  const cluster = new Cluster(false);
  cluster.route = () => Promise.reject(new Error("Nobody"));
  const client = connect(cluster, "noop\n");
  await cluster.clock.advance(limits.relayResumeMs - 1_000);
  assert.equal(await Promise.race([client.outcome, settled()]), undefined);
  assert.equal(await ending(cluster, client), "unavailable");
  assert.equal(await client.received(), "* BYE unavailable\r\n");
});

test("a backend that has the account no more, and no other one, is not asked all the time", async () => {
  const cluster = new Cluster(false);
  cluster.deaths = Array.from({ length: 10_000 }, (_, i) => i);
  cluster.end = "moved";
  const client = connect(cluster, "noop\n");
  assert.equal(await ending(cluster, client), "unavailable");
  assert.ok(cluster.routes > 10 && cluster.routes < 200, `${cluster.routes}`);
});

test("a command that kills every backend is not tried for ever", async () => {
  const cluster = new Cluster(false);
  cluster.deaths = Array.from({ length: 1_000 }, (_, i) => i).filter((i) => i % 2 === 1);
  const client = connect(cluster, "noop\n");
  assert.equal(await ending(cluster, client), "bug");
  assert.equal(cluster.backends, limits.relayLossesMax + 1);
  assert.equal(await client.received(), "* BYE bug\r\n");
});

test("a literal that is too large to keep survives no death, a smaller one does", async () => {
  for (const [size, outcome] of [
    [limits.relayInputBytesMax + 300_000, "interrupted"],
    [limits.relayInputBytesMax - 300_000, "ended"],
  ] as const) {
    const cluster = new Cluster(false);
    const client = connect(cluster, `append ${size}\n`);
    for (let sent = 0; sent < size - 10_000; sent += 10_000) {
      client.far.write(new Uint8Array(10_000).fill(0x6c))?.catch(() => {});
      await cluster.clock.advance(1);
    }
    assert.equal(client.session.continuable, outcome === "ended");
    (await cluster.route()).link.destroy("Killed");
    await cluster.clock.advance(10);
    if (outcome === "ended")
      void client.far.write(utf8(`${"l".repeat(((size - 1) % 10_000) + 1)}logout\n`));
    assert.equal(await ending(cluster, client), outcome);
    const last = (await client.received()).split("\r\n").at(-2);
    assert.match(last!, outcome === "ended" ? /logout/ : /BYE interrupted/);
  }
});

test("after a large literal a session can go on again", async () => {
  const cluster = new Cluster(false);
  const size = 2 * limits.relayInputBytesMax;
  const client = connect(cluster, `append ${size}\n`);
  for (let sent = 0; sent < size; sent += 16_384) {
    client.far.write(new Uint8Array(16_384).fill(0x6c))?.catch(() => {});
    await cluster.clock.advance(1);
  }
  while (!client.session.continuable) await cluster.clock.advance(1);
  (await cluster.route()).link.destroy("Killed");
  void client.far.write(utf8("noop\nlogout\n"));
  assert.equal(await ending(cluster, client), "ended");
});

test("input that was sent long ago is not sent again", async () => {
  const cluster = new Cluster(false);
  const client = connect(cluster, "append 5\n123");
  await ticks(cluster);
  await cluster.clock.advance(limits.relayRepeatMsMax + 1_000);
  (await cluster.route()).link.destroy("Killed");
  assert.equal(await ending(cluster, client), "interrupted");
});

test("an idle session goes on however old its state is", async () => {
  const cluster = new Cluster(false);
  const client = connect(cluster, "noop\n");
  await ticks(cluster);
  await cluster.clock.advance(3 * limits.relayRepeatMsMax);
  (await cluster.route()).link.destroy("Killed");
  await cluster.clock.advance(1_000);
  void client.far.write(utf8("logout\n"));
  assert.equal(await ending(cluster, client), "ended");
});

test("states that cannot be thawed end in a goodbye, within an answer in silence", async () => {
  for (const [how, half] of [
    ["stale", false],
    ["gone", false],
    ["bug", false],
    ["gone", true],
  ] as const) {
    const cluster = new Cluster(true);
    const info: NodeInfo = { id: "x", incarnation: "1", roles: [] };
    const serve = (stream: BackendStream): void => {
      if (half) void stream.write(utf8("* half an ans"));
      stream.end(how, "");
    };
    const services = {
      serve,
      calls: new Map(),
      note: () => {},
      generations: new Generations(cluster.clock),
    };
    const side = { info, services };
    const [link] = localLinks(side, side, { clock: cluster.clock, log: silentLog });
    cluster.route = () => Promise.resolve({ link, shard: 1, epoch: 1 });
    const client = connect(cluster);
    assert.equal(await ending(cluster, client), how);
    assert.equal(await client.received(), half ? "* half an ans" : `* BYE ${how}\r\n`);
  }
});

test("when the client goes, its backend hears of it", async () => {
  const cluster = new Cluster(false);
  const client = connect(cluster, "noop\n");
  await cluster.clock.advance(10);
  client.far.end();
  assert.equal(await ending(cluster, client), "ended");
  const other = connect(cluster, "noop\n");
  await cluster.clock.advance(10);
  other.session.destroy();
  assert.equal(await ending(cluster, other), "client gone");
});
