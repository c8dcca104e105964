import assert from "node:assert/strict";
import { test } from "node:test";
import { fromUtf8, utf8 } from "#base/bytes.ts";
import { DirectoryLocked, type SegmentFiles } from "./segment-files.ts";

/** What every driver of segment files must do. `open` gives an empty directory. */
export function segmentFilesContract(driver: string, open: () => Promise<SegmentFiles>): void {
  const check = (name: string, run: (files: SegmentFiles) => Promise<void>): void => {
    test(`${driver}: ${name}`, async () => run(await open()));
  };
  const blank = { bytes: 4096, head: new Uint8Array(512) };

  check("creates files of the full size, with their head", async (files) => {
    const file = await files.create("one", { bytes: 4096, head: utf8("head") });
    assert.equal(file.size, 4096);
    assert.deepEqual(await file.read(0, 5), utf8("head\0"));
    await assert.rejects(files.create("one", blank));
    await (await files.create("0two", { bytes: 2048, head: utf8("old") })).close();
    await (await files.create("0two", { ...blank, replace: true })).close();
    assert.deepEqual(await files.list(), ["0two", "one"]);
    await file.close();
    const again = await files.open("one");
    assert.equal(again.size, 4096);
    assert.equal(fromUtf8(await again.read(0, 4)), "head");
    await again.close();
    await assert.rejects(files.open("three"));
  });

  check("writes gathered pieces at their offset", async (files) => {
    const file = await files.create("one", blank);
    await file.write(1000, [utf8("abc"), utf8(""), utf8("defg")]);
    await file.sync();
    assert.equal(fromUtf8(await file.read(1000, 7)), "abcdefg");
    const target = new Uint8Array(3);
    assert.equal(file.readSync(1002, target), 3);
    assert.equal(fromUtf8(target), "cde");
    assert.equal((await file.read(4090, 100)).length, 6);
    assert.equal(file.readSync(4095, target), 1);
    assert.equal(file.readSync(5000, target), 0);
    const pieces = Array.from({ length: 3000 }, (_, i) => utf8(`${i % 10}`));
    await file.write(4000, pieces);
    assert.equal(file.size, 7000);
    assert.equal(fromUtf8(await file.read(6995, 10)), "56789");
    await file.close();
  });

  check("cuts files off", async (files) => {
    const file = await files.create("one", blank);
    await file.write(600, [utf8("abc")]);
    await file.truncate(601);
    await file.sync();
    assert.equal(file.size, 601);
    assert.equal(fromUtf8(await file.read(600, 10)), "a");
    await file.write(700, [utf8("z")]);
    assert.deepEqual(await file.read(600, 3), utf8("a\0\0"));
    await file.close();
  });

  check("removes, and sets copies aside", async (files) => {
    const lock = await files.lock();
    const file = await files.create("one", blank);
    const names = new Set([await files.setAside("one"), await files.setAside("one")]);
    assert.equal(names.size, 2);
    assert.deepEqual(await files.list(), ["one"]);
    await file.close();
    await files.remove("one");
    assert.deepEqual(await files.list(), []);
    await assert.rejects(files.remove("one"));
    for (let i = 0; i < 5; i++) {
      const next = await files.create("again", { bytes: 2048, head: utf8(`head ${i}`) });
      assert.equal(fromUtf8(await next.read(0, 6)), `head ${i}`);
      assert.ok(next.size >= 2048);
      await next.close();
      await files.remove("again");
    }
    await lock.release();
  });

  check("is held by one at a time", async (files) => {
    const lock = await files.lock();
    await assert.rejects(files.lock(), DirectoryLocked);
    await lock.release();
    await (await files.lock()).release();
  });
}
