/** Bytes that no node of ours would send, and links that see them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteWriter, FormatError, noBytes, utf8 } from "#base/bytes.ts";
import { silentLog } from "#base/log.ts";
import { type Random, seededRandom, systemRandom } from "#base/random.ts";
import { ManualClock, memoryStreams, settled } from "#base/testing.ts";
import { limits } from "#base/limits.ts";
import { FrameDecoder } from "./frame-decoder.ts";
import { encodeFrame, type Frame } from "./frames.ts";
import { WireLink } from "./index.ts";
import { Heard, node, request, TestServices } from "./testing.ts";

const seed = systemRandom.below(2 ** 31);

function anyFrame(random: Random): Frame {
  const bytes = random.bytes(random.below(50));
  const stream = 1 + random.below(6);
  const offset = random.below(4) === 0 ? random.below(100) : 0;
  const done = { consumed: random.below(100), state: random.below(2) ? bytes : undefined };
  const all: Frame[] = [
    { kind: "ping", count: random.below(9) },
    { kind: "pong", count: random.below(9) },
    { kind: "open", stream, request: request({ generation: random.below(3) }) },
    { kind: "input", stream, offset, bytes },
    { kind: "flush", stream, offset, bytes, hash: 1, done: undefined },
    { kind: "flush", stream, offset, bytes, hash: undefined, done },
    { kind: "credit", stream, allowance: random.below(2 ** 30) },
    { kind: "end", stream, how: "ended", text: "" },
    { kind: "reset", stream, how: "gone", text: "" },
    { kind: "call", stream, name: "echo", deadlineMs: 5, total: bytes.length + offset, bytes },
    { kind: "callBody", stream, bytes },
    { kind: "answer", stream, total: bytes.length + offset, bytes },
    { kind: "answerBody", stream, bytes },
    { kind: "refusal", stream, code: "WHAT", text: "" },
    { kind: "cancel", stream },
    { kind: "note", name: "n", bytes },
    { kind: "goodbye", reason: "" },
  ];
  return all[random.below(all.length - +(random.below(20) > 0))]!;
}

function encoded(frame: Frame): Buffer {
  const writer = new ByteWriter();
  const body = encodeFrame(writer, frame);
  return Buffer.concat([writer.take(), body ?? noBytes]);
}

test(`any bytes give frames or a FormatError (seed ${seed})`, () => {
  const random = seededRandom(seed);
  for (let round = 0; round < 20_000; round++) {
    const decoder = new FrameDecoder();
    const good = encoded(anyFrame(random));
    const changes = 1 + random.below(4);
    for (let i = 0; i < changes; i++) good[random.below(good.length)] = random.below(256);
    const bytes = Buffer.concat([good, random.bytes(random.below(30))]);
    const cut = random.below(bytes.length);
    try {
      for (const chunk of [bytes.subarray(0, cut), bytes.subarray(cut)]) {
        decoder.push(chunk);
        while (decoder.next() !== undefined);
      }
    } catch (error) {
      assert.ok(error instanceof FormatError, String(error));
    }
  }
});

test(`a peer that says anything at any time ends its own link at most (seed ${seed})`, async () => {
  const random = seededRandom(seed + 1);
  for (let round = 0; round < 200; round++) {
    const clock = new ManualClock();
    const services = new TestServices(clock);
    services.calls.set("echo", (payload) => Promise.resolve(payload));
    services.onStream = (stream) => {
      void stream.flush({ consumed: 0, output: utf8("hello"), state: utf8("s") });
      void stream.read().then(
        () => stream.end("ended", ""),
        () => {},
      );
    };
    const [ours, theirs] = memoryStreams();
    const parts = { dialed: round % 2 === 0, local: node("a"), services, clock, log: silentLog };
    const starting = WireLink.start(ours, parts);
    void theirs.write(
      encoded({
        kind: "hello",
        version: 1,
        versionMin: 1,
        id: "b",
        incarnation: "1",
        roles: [],
        window: limits.hopWindowBytes,
      }),
    );
    const link = await starting;
    const heard = [new Heard(), new Heard()];
    for (const each of heard) link.open(request(), each);
    const call = link.call("x", utf8("x"), { deadlineMs: 1_000 }).catch(() => {});
    for (let i = 0; i < 30; i++) {
      theirs.write(encoded(anyFrame(random)))?.catch(() => {});
      if (random.below(3) === 0) await settled();
    }
    await settled();
    link.destroy("The round is over");
    await call;
    for (const { ends } of heard) assert.ok(ends.length === 1);
    assert.equal(link.streams, 0);
  }
});
