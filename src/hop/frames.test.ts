import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteWriter, FormatError, fromUtf8, hex, noBytes, utf8 } from "#base/bytes.ts";
import { limits } from "#base/limits.ts";
import { seededRandom } from "#base/random.ts";
import { FrameDecoder } from "./frame-decoder.ts";
import { decodeFrame, encodeFrame, type Frame, frameHeaderBytes } from "./frames.ts";
import { request } from "./testing.ts";

function encoded(frame: Frame): Buffer {
  const writer = new ByteWriter();
  const body = encodeFrame(writer, frame);
  return Buffer.concat([writer.take(), body ?? noBytes]);
}

const frames: readonly Frame[] = [
  {
    kind: "hello",
    version: 1,
    versionMin: 1,
    id: "nöde-1",
    incarnation: "x7",
    roles: ["proxy", "backend"],
    window: 262_144,
  },
  { kind: "ping", count: 0xffff_fffe },
  { kind: "pong", count: 0 },
  { kind: "goodbye", reason: "Restart" },
  { kind: "open", stream: 1, request: request({ inputOffset: 2 ** 40, outputOffset: 3 }) },
  { kind: "input", stream: 0xffff_0001, offset: 2 ** 45, bytes: utf8("a NOOP\r\n") },
  {
    kind: "flush",
    stream: 3,
    offset: 9,
    bytes: utf8("* 1 EXISTS\r\n"),
    hash: 0xdead_beef,
    done: undefined,
  },
  {
    kind: "flush",
    stream: 3,
    offset: 21,
    bytes: noBytes,
    hash: undefined,
    done: { consumed: 77, state: utf8("state") },
  },
  {
    kind: "flush",
    stream: 3,
    offset: 21,
    bytes: utf8("x"),
    hash: undefined,
    done: { consumed: 78, state: undefined },
  },
  { kind: "credit", stream: 3, allowance: 2 ** 50 },
  { kind: "end", stream: 3, how: "moved", text: "" },
  { kind: "reset", stream: 5, how: "bug", text: "Nö" },
  { kind: "call", stream: 7, name: "deliver", deadlineMs: 60_000, total: 9, bytes: utf8("part") },
  { kind: "callBody", stream: 7, bytes: utf8("more") },
  { kind: "answer", stream: 7, total: 0, bytes: noBytes },
  { kind: "answerBody", stream: 7, bytes: utf8("more") },
  { kind: "refusal", stream: 7, code: "OVERQUOTA", text: "Full" },
  { kind: "cancel", stream: 7 },
  { kind: "note", name: "changed", bytes: utf8("payload") },
];

function plain(frame: Frame): unknown {
  return JSON.parse(
    JSON.stringify(frame, (_, value: unknown) =>
      value instanceof Uint8Array ? hex(value) : value,
    ).replaceAll(/\{"type":"Buffer","data":\[([\d,]*)\]\}/g, (_, numbers: string) =>
      JSON.stringify(hex(Uint8Array.from(numbers === "" ? [] : numbers.split(",").map(Number)))),
    ),
  );
}

test("every frame is read as it was written, however the bytes are cut", () => {
  const random = seededRandom(11);
  const all = Buffer.concat(frames.map(encoded));
  for (let round = 0; round < 200; round++) {
    const decoder = new FrameDecoder();
    const got: unknown[] = [];
    for (let at = 0; at < all.length;) {
      const count = round === 0 ? 1 : 1 + random.below(round < 100 ? 20 : 400);
      // As a socket would: memory of its own.
      decoder.push(Uint8Array.from(all.subarray(at, at + count)));
      at += count;
      for (let frame = decoder.next(); frame !== undefined; frame = decoder.next())
        got.push(plain(frame));
    }
    assert.deepEqual(got, frames.map(plain));
  }
});

test("the bytes are those of the format's page", () => {
  assert.equal(hex(encoded({ kind: "ping", count: 258 })), "04000000020000000002010000");
  assert.equal(
    hex(encoded({ kind: "input", stream: 3, offset: 300, bytes: utf8("ab") })),
    "040000000603000000ac026162",
  );
  const done = { consumed: 5, state: utf8("S") };
  assert.equal(
    hex(encoded({ kind: "flush", stream: 3, offset: 1, bytes: utf8("o"), hash: undefined, done })),
    "06000000070300000003010501536f",
  );
});

test("a state and a head do not hold on to what came in with them", () => {
  const done = { consumed: 0, state: utf8("state") };
  const flush = encoded({
    kind: "flush",
    stream: 1,
    offset: 0,
    bytes: new Uint8Array(60_000),
    hash: undefined,
    done,
  });
  const decoder = new FrameDecoder();
  decoder.payloadBytesMax = limits.hopFrameBytesMax;
  decoder.push(flush);
  const frame = decoder.next();
  assert.ok(frame?.kind === "flush");
  flush.fill(0);
  assert.equal(fromUtf8(frame.done!.state!), "state");
  assert.equal(frame.done!.state!.buffer.byteLength, 5);
});

test("what no frame may be is refused", () => {
  const bad = (kind: number, payload: string, stream = 1): void => {
    assert.throws(() => decodeFrame(kind, stream, Buffer.from(payload, "hex")), FormatError);
  };
  bad(0, "");
  bad(18, "");
  bad(2, "00000000"); // a ping that belongs to a stream
  bad(2, "0000000000", 0); // too long
  bad(2, "0000", 0);
  bad(7, "0800"); // unknown flags
  bad(7, "02000000"); // a state without consumed input
  bad(7, "0000"); // a part without its hash
  bad(7, "0300000401"); // a state beyond the end
  bad(9, "0500"); // unknown kind of end
  bad(8, "ffffffffffffffffff"); // a number beyond 2^53
  bad(5, "04696d6170"); // a request that ends early
  bad(13, `${"ff".repeat(3)}7f`); // an answer of 256 MiB
  bad(1, "00000000", 0); // no magic
});

test("a hello of a newer version is read as far as it is known", () => {
  const hello = frames[0]!;
  assert.ok(hello.kind === "hello");
  const bytes = encoded({ ...hello, version: 2 }).subarray(frameHeaderBytes);
  const more = Buffer.concat([bytes, utf8("something new")]);
  assert.deepEqual(decodeFrame(1, 0, more), { ...hello, version: 2 });
  const same = Buffer.concat([encoded(hello).subarray(frameHeaderBytes), utf8("x")]);
  assert.throws(() => decodeFrame(1, 0, same), FormatError);
});

test("a length beyond the limit is refused before anything is kept", () => {
  const decoder = new FrameDecoder();
  decoder.push(Buffer.from("010400000100000000", "hex"));
  assert.throws(() => decoder.next(), FormatError);
});
