import assert from "node:assert/strict";
import { test } from "node:test";
import { Refusal } from "#base/assert.ts";
import { delayedStreams, ManualClock } from "#base/testing.ts";
import { limits } from "#base/limits.ts";
import { silentLog } from "#base/log.ts";
import { seededRandom } from "#base/random.ts";
import { type Carried, type Link, Links } from "./index.ts";
import { node, TestServices } from "./testing.ts";

type Streams = ReturnType<typeof delayedStreams>;

/** Nodes whose connections take their time. */
class Neighbourhood {
  readonly clock = new ManualClock();
  readonly random;
  readonly nodes = new Map<string, Links>();
  /** Every connection, who dialed first. */
  readonly connections: { readonly by: string; readonly streams: Streams }[] = [];
  reachable = true;
  dials = 0;

  constructor(seed: number) {
    this.random = seededRandom(seed);
  }

  add(id: string, incarnation = "1"): Links {
    const { clock, random } = this;
    const links = new Links({
      local: node(id, incarnation),
      services: new TestServices(clock),
      clock,
      random,
      log: silentLog,
      dial: (to) => this.#dial(id, to),
    });
    this.nodes.set(id, links);
    return links;
  }

  async #dial(from: string, to: string): Promise<Carried> {
    this.dials++;
    await new Promise<void>((resolve) => void this.clock.after(this.random.below(5), resolve));
    if (!this.reachable) throw new Error("Unreachable");
    const streams = delayedStreams(this.clock, this.random);
    this.connections.push({ by: from, streams });
    void this.nodes.get(to)!.accept({ carrier: streams[1], verifiedId: from });
    return { carrier: streams[0], verifiedId: to };
  }

  async run<T>(work: Promise<T>, steps = 10_000): Promise<T> {
    let over = false;
    const note = (): void => void (over = true);
    work.then(note, note);
    for (let i = 0; !over; i++) {
      assert.ok(i < steps, "Nothing came of it");
      await this.clock.step();
    }
    return work;
  }
}

test("two nodes that dial each other have one link", async () => {
  const winners = new Set<string>();
  for (let seed = 1; seed <= 150; seed++) {
    const world = new Neighbourhood(seed);
    const [a, b] = [world.add("a"), world.add("b")];
    const later = world.random.below(20);
    const wanted: Promise<Link>[] = [a.to("b")];
    await world.clock.advance(later);
    wanted.push(b.to("a"), a.to("b"));
    const [first, second, third] = await world.run(Promise.all(wanted));
    await world.clock.advance(3_000);
    assert.equal(a.open.length, 1, `seed ${seed}`);
    assert.equal(b.open.length, 1, `seed ${seed}`);
    assert.ok([first, third].includes(a.open[0]) && second === b.open[0], `seed ${seed}`);
    winners.add(world.connections.length > 1 ? "crossed" : world.connections[0]!.by);
    assert.equal(
      await world.run(
        b.open[0]!.call("x", new Uint8Array(0), { deadlineMs: 900 }).catch(
          (error: unknown) => (error as Refusal).code,
        ),
      ),
      "NONEXISTENT",
    );
  }
  assert.deepEqual([...winners].sort(), ["a", "crossed"]);
});

test("a link that only one end believes in is replaced", async () => {
  for (const [dialer, loser] of [
    ["a", 0],
    ["a", 1],
    ["b", 0],
    ["b", 1],
  ] as const) {
    const world = new Neighbourhood(7);
    const [a, b] = [world.add("a"), world.add("b")];
    const links = { a, b };
    const other = dialer === "a" ? "b" : "a";
    await world.run(links[dialer].to(other));
    const [connection] = world.connections;
    // One end hears that the connection broke; the other one hears nothing at all.
    const [first, second] = connection!.streams;
    for (const stream of [first, second]) stream.fallSilent();
    connection!.streams[loser].cut();
    await world.clock.advance(1);
    const who = loser === 0 ? dialer : other;
    const whom = who === "a" ? "b" : "a";
    const link = await world.run(links[who].to(whom));
    await world.clock.advance(100);
    assert.deepEqual(a.open.length + b.open.length, 2);
    assert.ok(!link.closing, `${who} lost a link that ${dialer} dialed`);
  }
});

test("a node that was started again is another one", async () => {
  const world = new Neighbourhood(9);
  const a = world.add("a");
  world.add("b");
  const before = await world.run(a.to("b"));
  const again = world.add("b", "2");
  const [, link] = await world.run(Promise.all([before.closed, again.to("a")]));
  assert.equal(link.peer.id, "a");
  assert.equal((await world.run(a.to("b"))).peer.incarnation, "2");
});

test("a node that cannot be reached is refused after a few attempts, with growing pauses", async () => {
  const world = new Neighbourhood(10);
  const a = world.add("a");
  world.add("b");
  world.reachable = false;
  const all = Array.from({ length: 5 }, () => a.to("b").catch((error: unknown) => error));
  for (const error of await world.run(Promise.all(all)))
    assert.ok(error instanceof Refusal && error.code === "UNAVAILABLE");
  assert.equal(world.dials, limits.hopDialsMax);
  assert.ok(world.clock.now() > limits.hopRedialMsMin * 2);
  world.reachable = true;
  assert.equal((await world.run(a.to("b"))).peer.id, "b");
});

test("a node whose certificate says another name is refused", async () => {
  const world = new Neighbourhood(12);
  const a = world.add("a");
  world.nodes.set("b", world.add("c"));
  await assert.rejects(world.run(a.to("b")), Refusal);
});

test("a node that stops says goodbye and takes nothing new", async () => {
  const world = new Neighbourhood(13);
  const [a, b] = [world.add("a"), world.add("b")];
  const link = await world.run(b.to("a"));
  await world.run(a.stop("Restart"));
  await world.run(link.closed);
  await assert.rejects(a.to("b"), Refusal);
  await assert.rejects(world.run(b.to("a")), Refusal);
});
