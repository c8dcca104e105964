import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8 } from "#base/bytes.ts";
import { crc32 } from "#base/crc.ts";
import { ManualClock, delayedStreams, memoryStreams, settled } from "#base/testing.ts";
import { limits } from "#base/limits.ts";
import { silentLog } from "#base/log.ts";
import { seededRandom } from "#base/random.ts";
import { type BackendStream, LinkLost, LinkRefused, WireLink } from "./index.ts";
import { Heard, node, request, TestServices, wirePair } from "./testing.ts";

test("a peer that does not greet is given up", async () => {
  const clock = new ManualClock();
  const [carrier] = memoryStreams();
  const services = new TestServices(clock);
  const parts = { dialed: true, local: node("a"), services, clock, log: silentLog };
  const refused = assert.rejects(WireLink.start(carrier, parts), LinkLost);
  await clock.advance(limits.hopHandshakeMs);
  await refused;
});

test("a link lives as long as both ends show life, and not much longer", async () => {
  const clock = new ManualClock();
  const streams = delayedStreams(clock, seededRandom(3));
  const services = new TestServices(clock);
  const starting = wirePair(streams, clock, [services, services]);
  await clock.advance(100);
  const { a, b } = await starting;
  await clock.advance(10 * 60 * 1000);
  assert.ok(!a.closing && !b.closing);
  assert.ok(a.roundTripMs < 10);
  // From now on nothing arrives any more, and nobody says so.
  for (const stream of streams) stream.fallSilent();
  const heard = new Heard();
  a.open(request(), heard);
  await clock.advance(limits.hopHeartbeatMs * (limits.hopSilentHeartbeatsMax + 2));
  assert.match((await a.closed).message, /silent/);
  assert.deepEqual(heard.ends, [{ how: "lost", text: "The other node is silent" }]);
  await b.closed;
});

test("a node that is not wanted hears why", async () => {
  const clock = new ManualClock();
  const services = new TestServices(clock);
  const parts = { services, clock, log: silentLog };
  const [carrierA, carrierB] = memoryStreams();
  const wanted = WireLink.start(carrierA, { ...parts, dialed: true, local: node("a") });
  const admit = (): string => "Not today";
  const given = WireLink.start(carrierB, { ...parts, dialed: false, local: node("b"), admit });
  await assert.rejects(
    wanted,
    (error) => error instanceof LinkRefused && /today/.test(error.message),
  );
  await assert.rejects(given, LinkRefused);
});

test("frames of one turn leave in one write, streams take turns", async () => {
  const clock = new ManualClock();
  const [carrierA, carrierB] = memoryStreams();
  const services = new TestServices(clock);
  const { a } = await wirePair([carrierA, carrierB], clock, [services, services]);
  const order: string[] = [];
  const backends: BackendStream[] = [];
  const before = carrierB.writes.length;
  for (let i = 0; i < 5; i++) {
    const heard = new Heard();
    heard.slow = () => void order.push(`${i} ${heard.parts.at(-1)!.bytes.length}`);
    a.open(request(), heard);
  }
  await settled();
  assert.equal(carrierB.writes.length, before + 1);
  for (let i = 0; i < 5; i++) backends.push(await services.next());
  for (const backend of backends.slice(0, 4)) void backend.write(new Uint8Array(200_000));
  void backends[4]!.flush({ consumed: 0, output: utf8("short"), state: undefined });
  while (order.length < 17) await settled();
  assert.ok(order.indexOf("4 5") <= 4, order.join(", "));
});

/** A session that answers each line with some output; `hash` of the input tells its answers apart. */
async function serveLines(stream: BackendStream, sizes: (line: string) => number): Promise<void> {
  let text = "";
  let consumed = stream.request.inputOffset;
  for (;;) {
    const bytes = await stream.read();
    if (bytes === null) break;
    text += Buffer.from(bytes).toString("latin1");
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
      const line = text.slice(0, end);
      text = text.slice(end + 1);
      consumed += line.length + 1;
      const output = new Uint8Array(sizes(line)).fill(line.charCodeAt(0));
      const half = output.length >> 1;
      await stream.write(output.subarray(0, half));
      await stream.flush({ consumed, output: output.subarray(half), state: utf8(line) });
    }
  }
  stream.end("ended", "");
}

test("any mixture of streams, calls, delays and slow readers gives each what is its own", async () => {
  for (let seed = 1; seed <= 40; seed++) {
    const random = seededRandom(seed);
    const clock = new ManualClock();
    const services = new TestServices(clock);
    const sizeOf = (line: string): number => (crc32(utf8(line)) % 7) ** 7;
    services.onStream = (stream) => void serveLines(stream, sizeOf).catch(() => {});
    services.calls.set("echo", (payload) => Promise.resolve(payload));
    const starting = wirePair(delayedStreams(clock, random), clock, [services, services]);
    await clock.advance(100);
    const { a, b } = await starting;
    let left = 0;
    const work = async (what: Promise<void>): Promise<void> => {
      left++;
      await what;
      left--;
    };
    const session = async (): Promise<void> => {
      const heard = new Heard();
      heard.slow = () =>
        random.below(3) === 0
          ? new Promise((resolve) => void clock.after(random.below(20), resolve))
          : undefined;
      const stream = (random.below(2) ? a : b).open(request(), heard);
      let offset = 0;
      let expected = 0;
      const lines = 1 + random.below(6);
      for (let i = 0; i < lines; i++) {
        const line = String.fromCharCode(97 + random.below(26)).repeat(random.below(2_000)) + "x";
        const bytes = utf8(`${line}\n`);
        await stream.send(offset, bytes);
        offset += bytes.length;
        expected += sizeOf(line);
      }
      stream.endInput();
      await heard.until(({ ends }) => ends.length > 0);
      assert.equal(heard.ends[0]?.how, "ended");
      assert.equal(heard.bytes.length, expected);
      assert.equal(heard.parts.at(-1)?.done?.consumed, offset);
    };
    const call = async (): Promise<void> => {
      const payload = random.bytes(random.below(4) === 0 ? random.below(200_000) : 10);
      const answer = await (random.below(2) ? a : b).call("echo", payload, { deadlineMs: 1e7 });
      assert.ok(Buffer.from(answer).equals(payload));
    };
    const all: Promise<void>[] = [];
    for (let i = 0; i < 12; i++) all.push(work(session()), work(call()));
    while (left > 0 && !a.closing) await clock.step();
    await Promise.all(all);
    assert.equal(a.streams + b.streams, 0);
    const gone = a.goodbye("Done");
    while (!b.closing) await clock.step();
    await clock.advance(100);
    await Promise.all([gone, a.closed, b.closed]);
  }
});
