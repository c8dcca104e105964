import assert from "node:assert/strict";
import { test } from "node:test";
import { Bug } from "#base/assert.ts";
import { fromUtf8, utf8 } from "#base/bytes.ts";
import { seededRandom } from "#base/random.ts";
import { type ObjectStore, putKnown } from "./object-store.ts";

/** What every driver must do. `open` gives an empty store. */
export function objectStoreContract(driver: string, open: () => Promise<ObjectStore>): void {
  const check = (name: string, run: (store: ObjectStore) => Promise<void>): void => {
    test(`${driver}: ${name}`, async () => run(await open()));
  };

  check("gives back what was put, in one piece or in pieces", async (store) => {
    assert.equal(await store.put("a/b", utf8("hello")), "done");
    assert.equal(await store.put("a/c", [utf8("one "), utf8(""), utf8("two")]), "done");
    assert.equal(await store.put("a/empty", []), "done");
    assert.equal(fromUtf8((await store.get("a/b"))!), "hello");
    assert.equal(fromUtf8((await store.get("a/c"))!), "one two");
    assert.equal((await store.get("a/empty"))!.length, 0);
    assert.equal(await store.get("a/d"), null);
    assert.equal(await store.get("a/b/under"), null);
    assert.equal(await store.get("nothing/at/all"), null);
  });

  check("gives the part of a range that exists", async (store) => {
    await store.put("x", utf8("0123456789"));
    const part = async (offset: number, length: number): Promise<string> =>
      fromUtf8((await store.get("x", { offset, length }))!);
    assert.equal(await part(0, 3), "012");
    assert.equal(await part(7, 3), "789");
    assert.equal(await part(8, 100), "89");
    assert.equal(await part(10, 1), "");
    assert.equal(await part(50, 5), "");
    assert.equal(await part(3, 0), "");
    assert.equal(await store.get("y", { offset: 0, length: 1 }), null);
  });

  check("keeps its own copy", async (store) => {
    const bytes = utf8("before");
    await store.put("x", bytes);
    bytes[0] = 0x2a;
    const got = (await store.get("x"))!;
    assert.equal(fromUtf8(got), "before");
    got[0] = 0x2a;
    assert.equal(fromUtf8((await store.get("x"))!), "before");
    // A Buffer's `slice` shares its memory.
    const buffer = Buffer.from("before");
    await store.put("y", [buffer]);
    buffer[0] = 0x2a;
    assert.equal(fromUtf8((await store.get("y"))!), "before");
  });

  check("puts if absent once", async (store) => {
    assert.equal(await store.put("x", utf8("first"), { ifAbsent: true }), "done");
    assert.equal(await store.put("x", utf8("second"), { ifAbsent: true }), "lost");
    assert.equal(fromUtf8((await store.get("x"))!), "first");
    assert.equal(await putKnown(store, "x", utf8("third")), "lost");
    await store.delete("x");
    assert.equal(await store.put("x", utf8("fourth"), { ifAbsent: true }), "done");
    assert.equal(fromUtf8((await store.get("x"))!), "fourth");
  });

  check("lets one of 16 racing writers win", async (store) => {
    for (let round = 0; round < 5; round++) {
      const key = `race/${round}`;
      const writers = Array.from({ length: 16 }, (_, i) =>
        utf8(`writer ${i} ${"x".repeat(i * 500)}`),
      );
      const outcomes = await Promise.all(
        writers.map((bytes) => store.put(key, bytes, { ifAbsent: true })),
      );
      const winners = outcomes.flatMap((outcome, i) => (outcome === "done" ? [i] : []));
      assert.equal(winners.length, 1);
      assert.deepEqual(
        new Set(outcomes),
        new Set(["done", "lost"]),
        "nobody is left without knowing",
      );
      assert.equal(fromUtf8((await store.get(key))!), fromUtf8(writers[winners[0]!]!));
    }
  });

  check("lists what was put, in order, by any prefix", async (store) => {
    const keys = ["b", "a/2", "a/10", "a/1", "a/x/deep/er", "a-b", "aa/1", "a.c/1", "A/1", "a_/1"];
    await Promise.all(keys.map((key) => store.put(key, utf8(key))));
    assert.deepEqual(await store.list(""), keys.toSorted());
    assert.deepEqual(await store.list("a/"), ["a/1", "a/10", "a/2", "a/x/deep/er"]);
    assert.deepEqual(await store.list("a/1"), ["a/1", "a/10"]);
    assert.deepEqual(await store.list("a/x/de"), ["a/x/deep/er"]);
    assert.deepEqual(await store.list("a"), keys.filter((key) => key.startsWith("a")).toSorted());
    assert.deepEqual(await store.list("zzz/"), []);
    await store.delete("a/10");
    await store.delete("a/10");
    assert.deepEqual(await store.list("a/1"), ["a/1"]);
  });

  check("shows a put to the next list at once", async (store) => {
    for (let i = 0; i < 20; i++) {
      const key = `seq/${String(i).padStart(4, "0")}`;
      await store.put(key, utf8(key), { ifAbsent: true });
      assert.equal((await store.list("seq/")).at(-1), key);
    }
  });

  check("takes odd names and refuses impossible ones", async (store) => {
    const odd = ["-", "_", "a..b", "a.", "x".repeat(200), "0/1/2/3/4/5/6/7", "CON", "a-._Z/9"];
    for (const key of odd) assert.equal(await store.put(key, utf8(key)), "done");
    for (const key of odd) assert.equal(fromUtf8((await store.get(key))!), key);
    const bad = ["", "/", "a/", "/a", "a//b", ".", "..", "a/../b", ".a", "a/.b", "a b", "ä", "a\0"];
    for (const key of bad) {
      await assert.rejects(store.put(key, utf8("")), Bug, key);
      await assert.rejects(store.get(key), Bug, key);
    }
    for (const prefix of ["/", "../", "a//", ".unfinished"])
      await assert.rejects(store.list(prefix), Bug, prefix);
  });

  check("keeps large objects", async (store) => {
    const bytes = seededRandom(7).bytes(3_000_000);
    await store.put("large", [bytes.subarray(0, 1_234_567), bytes.subarray(1_234_567)]);
    assert.deepEqual(await store.get("large"), bytes);
    const part = await store.get("large", { offset: 1_234_000, length: 1_000 });
    assert.deepEqual(part, bytes.slice(1_234_000, 1_235_000));
  });

  check("reads synchronously, if it does", async (store) => {
    if (store.readSync === undefined) return;
    const target = new Uint8Array(4);
    assert.equal(store.readSync("s/x", 0, target), -1);
    await store.put("s/x", utf8("0123456789"));
    assert.equal(store.readSync("s/x", 2, target), 4);
    assert.equal(fromUtf8(target), "2345");
    assert.equal(store.readSync("s/x", 8, target), 2);
    assert.equal(store.readSync("s/x", 20, target), 0);
    await store.delete("s/x");
    assert.equal(store.readSync("s/x", 0, target), -1);
    await store.put("s/x", utf8("new"));
    assert.equal(store.readSync("s/x", 0, target), 3);
    for (let i = 0; i < 600; i++) await store.put(`many/${i}`, utf8(`${i}`));
    for (let round = 0; round < 2; round++)
      for (let i = 0; i < 600; i++)
        assert.equal(store.readSync(`many/${i}`, 0, target), `${i}`.length);
  });
}
