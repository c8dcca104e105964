import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Clock } from "#base/clock.ts";
import { systemClock } from "#base/clock.ts";
import { FormatError, noBytes } from "#base/bytes.ts";
import { limits } from "#base/limits.ts";
import { seededRandom } from "#base/random.ts";
import { cipherSuites } from "./cipher-suites.ts";
import { RecordLayer } from "./record-layer.ts";
import { contentType, open, plaintextBytesMax } from "./record-protection.ts";
import type { Opened } from "./record-protection.ts";
import { RecordReader } from "./record-reader.ts";
import { decodeTls13State, encodeTls13State } from "./index.ts";
import { sealed } from "./testing.ts";
import { nextTrafficKeys, trafficKeys } from "./traffic-keys.ts";
import type { TrafficKeys } from "./traffic-keys.ts";

const random = seededRandom(24);

/** A layer, and the keys of its client. */
class Ends {
  readonly layer: RecordLayer;
  clientWrites: TrafficKeys;
  clientReads: TrafficKeys;
  /** Milliseconds of the layer's clock. */
  now = 0;

  constructor(suite = cipherSuites[0]!) {
    const [client, server] = [random.bytes(suite.hashBytes), random.bytes(suite.hashBytes)];
    this.clientWrites = trafficKeys(suite, client);
    this.clientReads = trafficKeys(suite, server);
    const clock: Clock = { ...systemClock, monotonic: () => this.now };
    this.layer = new RecordLayer(
      {
        read: trafficKeys(suite, client),
        write: trafficKeys(suite, server),
        keyUpdateOwed: false,
        emptyRecords: 0,
        partialMessage: noBytes,
      },
      clock,
    );
  }

  /** The layer's answer to a record with this content. */
  send(type: number, content: Uint8Array | string): ReturnType<RecordLayer["receive"]> {
    return this.layer.receive(sealed(this.clientWrites, type, Buffer.from(content)));
  }

  updateKeys(request: number): ReturnType<RecordLayer["receive"]> {
    const received = this.send(contentType.handshake, Buffer.of(24, 0, 0, 1, request));
    this.clientWrites = nextTrafficKeys(this.clientWrites);
    return received;
  }

  /** What the client makes of these bytes; it follows our KeyUpdates. */
  opens(bytes: Buffer): Opened[] {
    const reader = new RecordReader();
    reader.push(bytes);
    const all: Opened[] = [];
    for (let record = reader.next(); record !== undefined; record = reader.next()) {
      assert.ok(typeof record !== "string");
      const opened = open(this.clientReads, record);
      assert.ok(typeof opened !== "string");
      if (opened.type === contentType.handshake)
        this.clientReads = nextTrafficKeys(this.clientReads);
      all.push(opened);
    }
    return all;
  }
}

function fails(received: ReturnType<RecordLayer["receive"]>, alert: string | undefined): void {
  assert.equal(received.kind, "failed");
  assert.equal(received.kind === "failed" ? received.alert : "", alert);
}

describe("what comes in", () => {
  test("data, with empty records between", () => {
    const ends = new Ends();
    for (let i = 0; i < limits.tlsEmptyRecordsMax; i++)
      assert.equal(ends.send(23, "").kind, "nothing");
    const data = ends.send(23, "x");
    assert.deepEqual(data.kind === "data" && Buffer.from(data.bytes).toString(), "x");
    for (let i = 0; i < limits.tlsEmptyRecordsMax; i++) ends.send(23, "");
    fails(ends.send(23, ""), "unexpected_message");
  });

  test("close_notify, user_canceled, other alerts", () => {
    const ends = new Ends();
    assert.equal(ends.send(21, Buffer.of(1, 90)).kind, "nothing");
    assert.equal(ends.send(21, Buffer.of(1, 0)).kind, "closed");
    fails(new Ends().send(21, Buffer.of(2, 20)), undefined);
    fails(new Ends().send(21, ""), "unexpected_message");
    fails(new Ends().send(21, Buffer.of(1)), "decode_error");
    fails(new Ends().send(21, Buffer.of(1, 0, 1, 0)), "decode_error");
  });

  test("what may not come: plain records, ChangeCipherSpec, other messages", () => {
    fails(new Ends().layer.receive(Buffer.of(20, 3, 3, 0, 1, 1)), "unexpected_message");
    fails(new Ends().layer.receive(Buffer.of(21, 3, 3, 0, 2, 1, 0)), "unexpected_message");
    fails(new Ends().layer.receive(Buffer.of(23, 3, 3, 0, 0)), "bad_record_mac");
    for (const type of [1, 19, 20, 24, 255])
      fails(new Ends().send(type, "x"), "unexpected_message");
    fails(new Ends().send(22, ""), "unexpected_message");
    for (const message of [1, 4, 11, 20]) {
      const bytes = Buffer.of(message, 0, 0, 1, 0);
      fails(new Ends().send(22, bytes), "unexpected_message");
    }
  });

  test("content above 2^14 bytes", () => {
    const ends = new Ends();
    const { suite } = ends.clientWrites;
    assert.equal(ends.send(23, Buffer.alloc(plaintextBytesMax, 1)).kind, "data");
    // Our own `seal` refuses to make such a record.
    const reader = new RecordReader();
    reader.push(Buffer.of(23, 3, 3, 0x41, 0x01));
    assert.equal(reader.next(), "record_overflow");
    assert.equal(suite.keyBytes, 16);
  });
});

describe("KeyUpdate", () => {
  test("from the client, with and without a request", () => {
    for (const suite of cipherSuites) {
      const ends = new Ends(suite);
      assert.equal(ends.updateKeys(0).kind, "nothing");
      assert.equal(ends.send(23, "after").kind, "data");
      assert.deepEqual(
        ends.opens(ends.layer.seal([Buffer.from("a")])).map(({ type }) => type),
        [23],
      );
      // However often it asks, one answer.
      for (let i = 0; i < 3; i++) ends.updateKeys(1);
      const records = ends.opens(ends.layer.seal([Buffer.from("b")]));
      assert.deepEqual(
        records.map(({ type, content }) => [type, content.toString("hex")]),
        [
          [22, "1800000100"],
          [23, "62"],
        ],
      );
      assert.equal(ends.opens(ends.layer.seal([Buffer.from("c")])).length, 1);
    }
  });

  test("in pieces, and pieces with other records between", () => {
    const ends = new Ends();
    for (const byte of [24, 0, 0, 1]) assert.equal(ends.send(22, Buffer.of(byte)).kind, "nothing");
    const state = decodeTls13State(encodeTls13State(ends.layer.state));
    assert.deepEqual([...state.partialMessage], [24, 0, 0, 1]);
    assert.equal(ends.send(22, Buffer.of(1)).kind, "nothing");
    ends.clientWrites = nextTrafficKeys(ends.clientWrites);
    assert.equal(ends.send(23, "x").kind, "data");
    assert.equal(ends.layer.state.keyUpdateOwed, true);
    ends.send(22, Buffer.of(24, 0));
    fails(ends.send(23, "x"), "unexpected_message");
  });

  test("of a wrong form", () => {
    for (const [bytes, alert] of [
      [[24, 0, 0, 1, 2], "illegal_parameter"],
      [[24, 0, 0, 2, 0, 0], "unexpected_message"],
      [[24, 0, 0, 2], "decode_error"],
      [[24, 1], "decode_error"],
      [[24, 0, 0, 1, 0, 24, 0, 0, 1, 0], "unexpected_message"],
    ] as const)
      fails(new Ends().send(22, Uint8Array.from(bytes)), alert);
  });

  test("too many of them, and time that allows more", () => {
    const ends = new Ends();
    for (let i = 0; i < limits.tlsKeyUpdatesMax; i++) {
      assert.equal(ends.updateKeys(1).kind, "nothing");
      ends.send(23, "data");
    }
    ends.now += limits.tlsKeyUpdateMs;
    assert.equal(ends.updateKeys(1).kind, "nothing");
    fails(ends.updateKeys(1), "unexpected_message");
  });

  test("our own, before the keys wear out", () => {
    const ends = new Ends();
    const { write } = ends.layer.state;
    write.sequence = ends.clientReads.sequence = limits.tlsRecordsBeforeKeyUpdate - 2;
    const records = ends.opens(ends.layer.seal([Buffer.alloc(plaintextBytesMax * 4, 1)]));
    assert.deepEqual(
      records.map(({ type }) => type),
      [23, 23, 22, 23, 23],
    );
    assert.equal(ends.layer.state.write.sequence, 2);
  });
});

test("any pieces leave in full records but the last", () => {
  const ends = new Ends();
  for (let round = 0; round < 200; round++) {
    const pieces = Array.from({ length: random.below(6) }, () =>
      random.bytes(random.below(random.below(2) === 0 ? 50 : 40_000)),
    );
    const all = Buffer.concat(pieces);
    const records = ends.opens(ends.layer.seal(pieces));
    assert.ok(Buffer.concat(records.map(({ content }) => content)).equals(all));
    assert.equal(records.length, Math.ceil(all.length / plaintextBytesMax));
  }
});

test("a frozen layer goes on anywhere; what is no state is a FormatError", () => {
  for (const suite of cipherSuites) {
    const ends = new Ends(suite);
    ends.send(23, "one");
    ends.opens(ends.layer.seal([Buffer.from("two")]));
    ends.updateKeys(1);
    const bytes = encodeTls13State(ends.layer.state);
    assert.ok(bytes.length <= 210, `${bytes.length} bytes`);
    const thawed = new RecordLayer(decodeTls13State(bytes), systemClock);
    assert.equal(thawed.receive(sealed(ends.clientWrites, 23, Buffer.from("x"))).kind, "data");
    assert.equal(ends.opens(thawed.seal([Buffer.from("y")])).length, 2);

    for (let length = 0; length < bytes.length; length++)
      assert.throws(() => decodeTls13State(bytes.subarray(0, length)), FormatError);
    assert.throws(() => decodeTls13State(Buffer.concat([bytes, Buffer.of(0)])), FormatError);
    for (const [at, value] of [
      [0, 2],
      [1, 9],
      [3, 2],
      [4, 255],
      [5, 9],
    ] as const) {
      const changed = Uint8Array.from(bytes);
      changed[at] = value;
      assert.throws(() => decodeTls13State(changed), FormatError);
    }
  }
});
