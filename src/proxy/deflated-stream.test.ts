import assert from "node:assert/strict";
import { test } from "node:test";
import { constants, createInflateRaw, deflateRawSync } from "node:zlib";
import { concatBytes, utf8 } from "#base/bytes.ts";
import { limits } from "#base/limits.ts";
import { seededRandom } from "#base/random.ts";
import { ConnectionBroken } from "#base/stream.ts";
import type { ByteStream } from "#base/stream.ts";
import { DeflatedStream } from "./deflated-stream.ts";

/** A carrier that hands out `input` piece by piece and keeps what is written. */
class Script implements ByteStream {
  readonly written: Uint8Array[] = [];
  reads = 0;
  ended = false;
  destroyed = false;
  readonly #input: Uint8Array[];
  constructor(input: Uint8Array[] = []) {
    this.#input = [...input];
  }
  read(): Promise<Uint8Array | null> {
    this.reads++;
    return Promise.resolve(this.#input.shift() ?? null);
  }
  write(bytes: Uint8Array): undefined {
    this.written.push(bytes);
    return undefined;
  }
  end(): void {
    this.ended = true;
  }
  destroy(): void {
    this.destroyed = true;
  }
}

async function readAll(stream: ByteStream): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for (let next = await stream.read(); next !== null; next = await stream.read()) parts.push(next);
  return concatBytes(parts);
}

/** Raw deflate that ends with a sync flush, as a client sends it. */
function compressed(bytes: Uint8Array): Uint8Array {
  return deflateRawSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH });
}

test("a burst of writes becomes one block that can be read at once", async () => {
  const carrier = new Script();
  const stream = new DeflatedStream(carrier);
  void stream.write(utf8("* OK one\r\n"));
  void stream.write(utf8("* OK two\r\n"));
  while (carrier.written.length === 0) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(carrier.written.length, 1);
  const inflate = createInflateRaw();
  inflate.write(carrier.written[0]);
  const text = await new Promise((resolve) => inflate.once("data", (b: Buffer) => resolve(`${b}`)));
  assert.equal(text, "* OK one\r\n* OK two\r\n");
  stream.destroy();
});

test("input that arrives byte by byte is read whole", async () => {
  const text = utf8("a1 LOGIN alice secret\r\n".repeat(50));
  const bytes = compressed(text);
  const stream = new DeflatedStream(new Script([...bytes].map((byte) => Uint8Array.of(byte))));
  assert.deepEqual(Buffer.from(await readAll(stream)), Buffer.from(text));
  stream.destroy();
});

test("random traffic survives both directions", async () => {
  const random = seededRandom(7);
  const sent: Uint8Array[] = [];
  const carrier = new Script();
  const out = new DeflatedStream(carrier);
  for (let i = 0; i < 200; i++) {
    const bytes = random.bytes(random.below(i % 10 === 0 ? 90_000 : 300));
    sent.push(bytes);
    const wait = out.write(bytes);
    if (random.below(3) === 0) await wait;
    if (random.below(5) === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  out.end();
  while (!carrier.ended) await new Promise((resolve) => setImmediate(resolve));
  const back = new DeflatedStream(new Script(carrier.written));
  assert.ok(Buffer.from(await readAll(back)).equals(Buffer.from(concatBytes(sent))));
  back.destroy();
});

test("a bomb unpacks only as far as it is read", async () => {
  const bomb = compressed(new Uint8Array(200 << 20));
  const carrier = new Script([bomb]);
  const stream = new DeflatedStream(carrier);
  const first = await stream.read();
  assert.ok(first !== null && first.length <= 4 * limits.inflatedBytesMax, `${first?.length}`);
  const before = process.memoryUsage().arrayBuffers;
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
  assert.ok(process.memoryUsage().arrayBuffers - before < 8 << 20);
  stream.destroy();
});

test("damaged input breaks the connection, not the process", async () => {
  const stream = new DeflatedStream(new Script([Uint8Array.of(0xff, 0xff, 0xff, 0xff, 1, 2, 3)]));
  await assert.rejects(readAll(stream), ConnectionBroken);
  stream.destroy();
});

test("a read that waits for the decompressor ends when the stream is destroyed", async () => {
  const never: ByteStream = {
    read: () => new Promise(() => {}),
    write: () => undefined,
    end() {},
    destroy() {},
  };
  const stream = new DeflatedStream(never);
  await assert.rejects(async () => {
    stream.destroy();
    await stream.write(utf8("x"));
  }, ConnectionBroken);
});
