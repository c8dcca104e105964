import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { Refusal } from "#base/assert.ts";
import { fromUtf8, noBytes, utf8 } from "#base/bytes.ts";
import { crc32 } from "#base/crc.ts";
import { DeadlineExceeded } from "#base/deadline.ts";
import { settled } from "#base/testing.ts";
import { limits } from "#base/limits.ts";
import { type BackendStream, type Link, LinkLost, StreamReset } from "./index.ts";
import { endKinds } from "./link.ts";
import { Heard, request, type TestServices } from "./testing.ts";

/** Two linked nodes; `b` serves what `a` opens. */
export interface Linked {
  readonly a: Link;
  readonly b: Link;
  readonly servicesA: TestServices;
  readonly servicesB: TestServices;
}

const text = (bytes: Uint8Array | null): string | null => (bytes === null ? null : fromUtf8(bytes));

function filled(length: number): Uint8Array {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i + 4 <= length; i += 4) bytes.writeUInt32LE(i, i);
  return bytes;
}

/** Reads until `count` bytes are there. */
async function readBytes(stream: BackendStream, count: number): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for (let have = 0; have < count;) {
    const bytes = await stream.read();
    assert.ok(bytes !== null);
    parts.push(bytes);
    have += bytes.length;
  }
  return Buffer.concat(parts);
}

/** True when `promise` is still pending after all that can go on has. */
async function stuck(promise: Promise<unknown> | undefined): Promise<boolean> {
  if (promise === undefined) return false;
  let over = false;
  const note = (): void => void (over = true);
  promise.then(note, note);
  for (let i = 0; i < 50; i++) await settled();
  return !over;
}

/** What every link must do, whatever carries it. */
export function hopContract(carrier: string, open: (t: TestContext) => Promise<Linked>): void {
  const check = (name: string, run: (linked: Linked) => Promise<void>): void => {
    test(`${carrier}: ${name}`, async (t) => {
      const linked = await open(t);
      try {
        await run(linked);
      } finally {
        linked.a.destroy("The test is over");
        linked.b.destroy("The test is over");
      }
    });
  };
  streamChecks(check);
  flowChecks(check);
  endChecks(check);
  callChecks(check);
}

type Check = (name: string, run: (linked: Linked) => Promise<void>) => void;

function streamChecks(check: Check): void {
  check("input goes one way, output and state come back together", async ({ a, b, servicesB }) => {
    assert.deepEqual([a.peer.id, b.peer.id], [b.local.id, a.local.id]);
    const heard = new Heard();
    const asked = request({ inputOffset: 100, outputOffset: 50, generation: 4 });
    const proxy = a.open(asked, heard);
    const backend = await servicesB.next();
    assert.deepEqual({ ...backend.request }, asked);
    void proxy.send(100, utf8("a1 NOOP\r\n"));
    assert.equal(text(await readBytes(backend, 9)), "a1 NOOP\r\n");
    void backend.flush({ consumed: 109, output: utf8("a1 OK\r\n"), state: utf8("one") });
    void backend.flush({ consumed: 109, output: utf8("* 1 EXISTS\r\n"), state: undefined });
    void backend.flush({ consumed: 109, output: noBytes, state: utf8("two") });
    await heard.until(({ parts }) => parts.length === 3);
    assert.deepEqual(
      heard.parts.map(({ offset, bytes, done }) => [
        offset,
        text(bytes),
        done?.consumed,
        done?.state === undefined ? undefined : text(done.state),
      ]),
      [
        [50, "a1 OK\r\n", 109, "one"],
        [57, "* 1 EXISTS\r\n", 109, undefined],
        [69, "", 109, "two"],
      ],
    );
  });

  check("input that is sent twice is read once", async ({ a, servicesB }) => {
    const proxy = a.open(request(), new Heard());
    const backend = await servicesB.next();
    void proxy.send(0, utf8("0123"));
    void proxy.send(2, utf8("23456"));
    void proxy.send(0, utf8("01"));
    void proxy.send(7, utf8("789"));
    assert.equal(text(await readBytes(backend, 10)), "0123456789");
  });

  check("a gap in the input ends the stream", async ({ a, servicesB }) => {
    const heard = new Heard();
    const proxy = a.open(request(), heard);
    const backend = await servicesB.next();
    void proxy.send(5, utf8("x"));
    await heard.until(({ ends }) => ends.length > 0);
    await assert.rejects(backend.read());
  });

  check("of large output only the last part has a state", async ({ a, servicesB }) => {
    const heard = new Heard();
    a.open(request({ outputOffset: 10 }), heard);
    const backend = await servicesB.next();
    const output = filled(1_000_003);
    await backend.write(output.subarray(0, 300_000));
    await backend.flush({ consumed: 0, output: output.subarray(300_000), state: utf8("done") });
    await backend.flush({ consumed: 0, output: utf8("more"), state: undefined });
    await heard.until(({ parts }) => parts.at(-1)?.bytes.length === 4);
    assert.ok(heard.bytes.equals(Buffer.concat([output, utf8("more")])));
    const states = heard.parts.filter(({ done }) => done !== undefined);
    assert.equal(states.length, 2);
    let offset = 10;
    let hash = 0;
    for (const part of heard.parts) {
      assert.equal(part.offset, offset);
      assert.ok(part.bytes.length <= limits.hopPartBytes);
      offset += part.bytes.length;
      hash = crc32(part.bytes, hash);
      assert.equal(part.hash, part.done === undefined ? hash : undefined);
    }
  });

  check("only the newest generation of a session is served", async ({ a, servicesB }) => {
    const [first, second, late] = [new Heard(), new Heard(), new Heard()];
    const { session } = request();
    const proxy = a.open(request({ session }), first);
    const backend = await servicesB.next();
    const reading = backend.read();
    reading.catch(() => {});
    a.open(request({ session, generation: 2 }), second);
    const newer = await servicesB.next();
    await assert.rejects(reading, StreamReset);
    await first.until(({ ends }) => ends.length > 0);
    assert.equal(first.ends[0]?.how, "stale");
    void proxy.send(0, utf8("late"));
    await assert.rejects(backend.flush({ consumed: 0, output: utf8("late"), state: undefined })!);
    a.open(request({ session, generation: 1 }), late);
    await late.until(({ ends }) => ends.length > 0);
    newer.end("ended", "");
    await second.until(({ ends }) => ends.length > 0);
    const again = new Heard();
    a.open(request({ session, generation: 2 }), again);
    await again.until(({ ends }) => ends.length > 0);
    assert.deepEqual(
      [first, second, late, again].map(({ ends }) => ends.map(({ how }) => how)),
      [["stale"], ["ended"], ["stale"], ["stale"]],
    );
    assert.equal(servicesB.streams.length, 0);
  });
}

function flowChecks(check: Check): void {
  check("a slow client holds its backend back, and nobody else", async ({ a, servicesB }) => {
    const slow = new Heard();
    const gate = Promise.withResolvers<void>();
    slow.slow = () => gate.promise;
    a.open(request(), slow);
    const backend = await servicesB.next();
    const quick = new Heard();
    a.open(request(), quick);
    const other = await servicesB.next();
    let sent = 0;
    let wait: Promise<void> | undefined;
    while (!(await stuck(wait))) {
      wait = backend.write(filled(40_000));
      sent += 40_000;
      assert.ok(sent < 3 * limits.hopWindowBytes, "The backend must be held back");
    }
    void other.flush({ consumed: 0, output: filled(200_000), state: utf8("state") });
    await quick.until(({ parts }) => parts.at(-1)?.done !== undefined);
    assert.equal(slow.parts.length, 1);
    slow.slow = undefined;
    gate.resolve();
    await wait;
    void backend.flush({ consumed: 0, output: utf8("end"), state: undefined });
    await slow.until(({ parts }) => parts.at(-1)?.done !== undefined);
    assert.equal(slow.bytes.length, sent + 3);
  });

  check("a backend that does not read holds its client back", async ({ a, servicesB }) => {
    const proxy = a.open(request(), new Heard());
    const backend = await servicesB.next();
    let sent = 0;
    let wait: Promise<void> | undefined;
    while (!(await stuck(wait))) {
      wait = proxy.send(sent, filled(40_000));
      sent += 40_000;
      assert.ok(sent < 3 * limits.hopWindowBytes, "The proxy must be held back");
    }
    assert.equal((await readBytes(backend, sent)).length, sent);
    await wait;
  });

  check("what waits for room is let go when the stream is lost", async ({ a, servicesB }) => {
    const slow = new Heard();
    slow.slow = () => new Promise(() => {});
    const proxy = a.open(request(), slow);
    const backend = await servicesB.next();
    const output = backend.write(filled(1_000_000));
    const input = proxy.send(0, filled(1_000_000));
    assert.ok(await stuck(output));
    assert.ok(await stuck(input));
    const refused = assert.rejects(output!, LinkLost);
    a.destroy("Cut");
    await refused;
    await input;
  });
}

function endChecks(check: Check): void {
  for (const how of endKinds)
    check(`the end "${how}" comes behind all output`, async ({ a, servicesB }) => {
      const heard = new Heard();
      const gate = Promise.withResolvers<void>();
      heard.slow = () => gate.promise;
      const proxy = a.open(request(), heard);
      const backend = await servicesB.next();
      void backend.write(filled(700_000));
      backend.end(how, "because");
      await heard.until(({ parts }) => parts.length > 0);
      assert.equal(heard.ends.length, 0);
      heard.slow = undefined;
      gate.resolve();
      await heard.until(({ ends }) => ends.length > 0);
      assert.equal(heard.bytes.length, 700_000);
      assert.deepEqual(heard.ends, [{ how, text: "because" }]);
      void proxy.send(0, utf8("nobody hears this"));
      proxy.endInput();
      proxy.reset("ended", "");
      await assert.rejects(backend.write(utf8("x"))!);
      assert.equal(await backend.read(), null);
    });

  check("the end of the input is read behind it", async ({ a, servicesB }) => {
    const heard = new Heard();
    const proxy = a.open(request(), heard);
    const backend = await servicesB.next();
    void proxy.send(0, filled(400_000));
    proxy.endInput();
    assert.equal((await readBytes(backend, 400_000)).length, 400_000);
    assert.equal(await backend.read(), null);
    void backend.flush({ consumed: 400_000, output: utf8("bye"), state: undefined });
    backend.end("ended", "");
    await heard.until(({ ends }) => ends.length > 0);
    assert.equal(text(heard.bytes), "bye");
  });

  check("a reset by the proxy is the last that both hear", async ({ a, servicesB }) => {
    const heard = new Heard();
    const proxy = a.open(request(), heard);
    const backend = await servicesB.next();
    const reading = backend.read();
    proxy.reset("gone", "The client is gone");
    await assert.rejects(reading, (error) => error instanceof StreamReset && error.how === "gone");
    await assert.rejects(backend.flush({ consumed: 0, output: utf8("x"), state: undefined })!);
    await settled();
    assert.deepEqual([heard.parts, heard.ends], [[], []]);
  });

  check("a reset by the backend is told at once", async ({ a, servicesB }) => {
    const heard = new Heard();
    a.open(request(), heard);
    (await servicesB.next()).reset("bug", "No");
    await heard.until(({ ends }) => ends.length > 0);
    assert.deepEqual(heard.ends, [{ how: "bug", text: "No" }]);
  });

  check("what the listener or the server throws resets their stream", async (linked) => {
    const { a, servicesB } = linked;
    const heard = new Heard();
    heard.slow = () => Promise.reject(new Error("The client is gone"));
    a.open(request(), heard);
    const backend = await servicesB.next();
    void backend.flush({ consumed: 0, output: utf8("x"), state: undefined });
    await assert.rejects(backend.read(), StreamReset);
    servicesB.onStream = () => {
      throw new Error("No");
    };
    const other = new Heard();
    a.open(request(), other);
    await other.until(({ ends }) => ends.length > 0);
    assert.equal(other.ends[0]?.how, "bug");
  });

  check("death is told to every stream and call exactly once", async (linked) => {
    const { a, b, servicesA, servicesB } = linked;
    const never = (): Promise<Uint8Array> => new Promise(() => {});
    servicesA.calls.set("never", never);
    servicesB.calls.set("never", never);
    const heards = Array.from({ length: 20 }, () => new Heard());
    for (const heard of heards) a.open(request(), heard);
    const backends = await Promise.all(heards.map(() => servicesB.next()));
    const reads = backends.map((backend) => assert.rejects(backend.read(), LinkLost));
    const calls = [a, b, a].map((link) =>
      assert.rejects(link.call("never", noBytes, { deadlineMs: 60_000 }), LinkLost),
    );
    await settled();
    b.destroy("Killed");
    await Promise.all([...reads, ...calls, a.closed, b.closed]);
    for (const heard of heards) assert.deepEqual(heard.ends.length, 1);
    assert.equal(heards[0]?.ends[0]?.how, "lost");
    assert.throws(() => a.open(request(), new Heard()), LinkLost);
    await assert.rejects(a.call("never", noBytes, { deadlineMs: 1 }), LinkLost);
    await assert.rejects(backends[0]!.write(utf8("x"))!, LinkLost);
    await assert.rejects(backends[0]!.read(), LinkLost);
    assert.equal(a.note("late", noBytes), undefined);
  });

  check("after a goodbye what is there ends, and nothing begins", async ({ a, b, servicesB }) => {
    const heard = new Heard();
    const proxy = a.open(request(), heard);
    const backend = await servicesB.next();
    const gone = b.goodbye("Restart");
    assert.throws(() => b.open(request(), new Heard()), LinkLost);
    while (!a.closing) await settled();
    assert.throws(() => a.open(request(), new Heard()), LinkLost);
    void proxy.send(0, utf8("x"));
    assert.equal(text(await backend.read()), "x");
    void backend.flush({ consumed: 1, output: utf8("last"), state: utf8("frozen") });
    backend.end("moved", "");
    await heard.until(({ ends }) => ends.length > 0);
    assert.equal(heard.ends[0]?.how, "moved");
    assert.equal(text(heard.bytes), "last");
    await Promise.all([gone, a.closed, b.closed]);
  });
}

function callChecks(check: Check): void {
  check("calls are answered in both directions, small and large", async (linked) => {
    const { a, b, servicesA, servicesB } = linked;
    for (const { calls } of [servicesA, servicesB]) {
      calls.set("echo", (payload) => Promise.resolve(payload));
      calls.set("who", (_, { peer }) => Promise.resolve(utf8(peer.id)));
    }
    const deadlineMs = 60_000;
    const large = filled(3_000_001);
    const answers = await Promise.all([
      a.call("echo", utf8("hello"), { deadlineMs }),
      b.call("echo", large, { deadlineMs }),
      a.call("echo", large, { deadlineMs }),
      b.call("who", noBytes, { deadlineMs }),
      a.call("echo", noBytes, { deadlineMs }),
    ]);
    assert.equal(text(answers[0]), "hello");
    assert.ok(Buffer.from(large).equals(answers[1]) && Buffer.from(large).equals(answers[2]));
    assert.equal(text(answers[3]), b.local.id);
    assert.equal(answers[4].length, 0);
  });

  check("refusals travel, other errors do not", async ({ a, servicesB }) => {
    servicesB.calls.set("refuse", () => Promise.reject(new Refusal("OVERQUOTA", "Full ü")));
    servicesB.calls.set("fail", () => Promise.reject(new Error("a secret")));
    servicesB.calls.set("throw", () => {
      throw new TypeError("a secret");
    });
    const refused = (code: string, words: string): ((error: unknown) => boolean) => {
      return (error) =>
        error instanceof Refusal && error.code === code && error.message.includes(words);
    };
    const options = { deadlineMs: 60_000 };
    await assert.rejects(a.call("refuse", noBytes, options), refused("OVERQUOTA", "Full ü"));
    await assert.rejects(a.call("fail", noBytes, options), refused("SERVERBUG", "Internal error"));
    await assert.rejects(a.call("throw", noBytes, options), refused("SERVERBUG", "Internal error"));
    await assert.rejects(a.call("what", noBytes, options), refused("NONEXISTENT", "what"));
  });

  check("a call ends with its deadline or when it is taken back", async ({ a, servicesB }) => {
    const aborted: unknown[] = [];
    const started = Promise.withResolvers<void>();
    servicesB.calls.set("slow", async (_, { signal }) => {
      started.resolve();
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      aborted.push(signal.reason);
      throw new Error("Given up");
    });
    await assert.rejects(a.call("slow", noBytes, { deadlineMs: 20 }), DeadlineExceeded);
    await started.promise;
    const taken = new AbortController();
    const call = a.call("slow", noBytes, { deadlineMs: 60_000, signal: taken.signal });
    const rejected = assert.rejects(call, /enough/);
    await settled();
    taken.abort(new Error("I had enough"));
    await rejected;
    while (aborted.length < 2) await settled();
    await assert.rejects(
      a.call("slow", noBytes, { deadlineMs: 60_000, signal: taken.signal }),
      /enough/,
    );
  });

  check("only so many calls are under way", async ({ a, servicesB }) => {
    const release = Promise.withResolvers<Uint8Array>();
    servicesB.calls.set("wait", () => release.promise);
    const options = { deadlineMs: 60_000 };
    const calls = Array.from({ length: limits.hopCallsMax }, () =>
      a.call("wait", noBytes, options),
    );
    await assert.rejects(a.call("wait", noBytes, options), Refusal);
    release.resolve(utf8("now"));
    for (const answer of await Promise.all(calls)) assert.equal(text(answer), "now");
    assert.equal(text(await a.call("wait", noBytes, options)), "now");
  });

  check("notes arrive in their order", async ({ a, servicesB }) => {
    for (let i = 0; i < 100; i++) await a.note(`n${i}`, filled(i));
    while (servicesB.notes.length < 100) await settled();
    assert.deepEqual(
      servicesB.notes,
      Array.from({ length: 100 }, (_, i) => `n${i} ${i}`),
    );
    assert.throws(() => a.note("long", filled(limits.hopPartBytesMax + 1)), Refusal);
  });
}
