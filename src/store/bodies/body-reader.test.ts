import assert from "node:assert/strict";
import { test } from "node:test";
import { asBuffer, concatBytes, FormatError } from "#base/bytes.ts";
import { systemClock } from "#base/clock.ts";
import { crc32 } from "#base/crc.ts";
import { limits } from "#base/limits.ts";
import { seededRandom } from "#base/random.ts";
import { MemoryObjectStore } from "#objects/index.ts";
import { Slices } from "../slices.ts";
import { type BodySource, StoredBodyReader } from "./body-reader.ts";
import { compressions, storeBody } from "./compression.ts";
import { encodeEntryHeader } from "./pack-entry.ts";

const info = { message: 7, internalDate: 1, sentDate: 2, thread: 3, messageIdHash: 4, places: [] };

async function entryOf(body: Uint8Array): Promise<{ entry: Buffer; compression: number }> {
  const stored = await storeBody(body, crc32(body), new Slices(systemClock));
  const entry = asBuffer(concatBytes([encodeEntryHeader(info, stored), stored.stored]));
  return { entry, compression: stored.compression };
}

async function sourceOf(entry: Uint8Array, size: number): Promise<BodySource> {
  const objects = new MemoryObjectStore();
  await objects.put("pack", concatBytes([Buffer.from("before"), entry, Buffer.from("behind")]));
  return { objects, key: "pack", offset: 6, length: entry.length, size };
}

const random = seededRandom(7);
const size = 3 * limits.compressBlockBytes + 1_234;
const bodies = {
  plain: random.bytes(size),
  blocks: Buffer.alloc(size, "text that is easily compressed\r\n"),
} as const;

for (const [name, body] of Object.entries(bodies)) {
  test(`a large body is read piece by piece: ${name}`, async () => {
    const { entry, compression } = await entryOf(body);
    assert.equal(compression, compressions[name as keyof typeof bodies]);
    const reader = await StoredBodyReader.open(await sourceOf(entry, size), systemClock);
    const step = limits.compressBlockBytes;
    const ranges = [0, size, step, 2 * step, step - 1, step + 1, 0, 0, size - 1, size, 5, size - 5];
    for (let i = 0; i < ranges.length; i += 2) {
      const [start, end] = [ranges[i]!, ranges[i + 1]!];
      const pieces: Uint8Array[] = [];
      for await (const piece of reader.pieces(start, end)) pieces.push(piece);
      assert(pieces.every((piece) => piece.length <= step));
      assert(asBuffer(concatBytes(pieces)).equals(body.subarray(start, end)));
    }
  });

  test(`damage of a large body is found before any of it is given: ${name}`, async () => {
    const { entry } = await entryOf(body);
    for (let i = 0; i < 60; i++) {
      const damaged = Buffer.from(entry);
      const at = i < 30 ? i * 3 : random.below(entry.length);
      damaged[at]! ^= 1 + random.below(255);
      const opening = StoredBodyReader.open(await sourceOf(damaged, size), systemClock);
      await assert.rejects(opening, FormatError, `octet ${at}`);
    }
    const cut = entry.subarray(0, entry.length - 1);
    await assert.rejects(
      StoredBodyReader.open(await sourceOf(cut, size), systemClock),
      FormatError,
    );
  });
}

test("thousands of small parts cost little more than one pass", async () => {
  // Half as long when it is compressed, so that what is read twice is seen.
  const body = Buffer.from(Buffer.from(random.bytes(size / 2)).toString("hex"));
  const { entry, compression } = await entryOf(body);
  assert.equal(compression, compressions.blocks);
  const source = await sourceOf(entry, body.length);
  const reader = await StoredBodyReader.open(source, systemClock);
  let read = 0;
  const { objects } = source;
  const readSync = objects.readSync!.bind(objects);
  Object.assign(objects, {
    readSync(key: string, offset: number, target: Uint8Array): number {
      read += target.length;
      return readSync(key, offset, target);
    },
  });
  const pieces: Uint8Array[] = [];
  for (let start = 0; start < body.length; start += 300)
    for await (const piece of reader.pieces(start, Math.min(start + 300, body.length)))
      pieces.push(piece);
  assert(asBuffer(concatBytes(pieces)).equals(body));
  assert(read <= body.length + limits.compressBlockBytes, `${read} bytes read`);
});
