import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { seededRandom, systemRandom } from "#base/random.ts";
import { Slab } from "./slab.ts";

const MiB = 1024 * 1024;

describe("slab", () => {
  test("random strings keep their bytes, and freed memory serves other sizes", () => {
    const seed = systemRandom.below(0x1_0000_0000);
    const random = seededRandom(seed);
    const slab = new Slab(4 * MiB);
    const model = new Map<number, Uint8Array>();
    for (let step = 0; step < 20_000; step++) {
      const places = [...model.keys()];
      // Phases: mostly growing, mostly shrinking.
      const grow = random.below(100) < (step % 4_000 < 2_000 ? 80 : 25);
      if (grow || places.length === 0) {
        const length = random.below(20) === 0 ? random.below(65_537) : random.below(700);
        const place = slab.take(length);
        if (place === undefined) {
          assert.ok(slab.bytes > 3 * MiB, `seed ${seed}: refused with ${slab.bytes} bytes`);
          for (const other of places.slice(0, 50)) drop(other);
          continue;
        }
        assert.ok(!model.has(place), `seed ${seed}: a place is given once`);
        const bytes = random.bytes(length);
        slab.view(place, length).set(bytes);
        model.set(place, bytes);
      } else drop(places[random.below(places.length)]!);
    }
    for (const place of model.keys()) drop(place);
    assert.equal(slab.usedBytes, 0);
    // All of it can be had again, in one size.
    let blocks = 0;
    while (slab.take(65_536) !== undefined) blocks++;
    assert.equal(blocks, 64);

    function drop(place: number): void {
      const bytes = model.get(place)!;
      assert.deepEqual(
        Buffer.from(slab.view(place, bytes.length)),
        Buffer.from(bytes),
        `seed ${seed}`,
      );
      model.delete(place);
      slab.give(place);
    }
  });

  test("strings of up to 512 bytes waste less than 32", () => {
    const slab = new Slab(MiB);
    for (const length of [0, 1, 32, 33, 150, 200, 511, 512]) {
      const before = slab.usedBytes;
      slab.take(length);
      assert.ok(slab.usedBytes - before < length + 32 || length === 0, `${length}`);
    }
  });
});
