import assert from "node:assert/strict";
import { test } from "node:test";
import { Refusal } from "#base/assert.ts";
import type { AccountId } from "#base/brand.ts";
import { fromUtf8 } from "#base/bytes.ts";
import { seededRandom } from "#base/random.ts";
import { SimulatedDisk } from "#objects/index.ts";
import { accountOf, collect, entryOf, smallLimits } from "./journal.contract.ts";
import {
  type Journal,
  JournalCorruption,
  type JournalEvents,
  type JournalLoss,
  type JournalPlace,
  type StoredEntry,
} from "./journal.ts";
import { openLocalJournal } from "./local-journal.ts";

const storeId = seededRandom(1).bytes(16);

function newDisk(seed = 1): SimulatedDisk {
  return new SimulatedDisk({ random: seededRandom(seed) });
}

function openOn(
  disk: SimulatedDisk,
  options: { repair?: boolean; events?: JournalEvents; id?: Uint8Array } = {},
): Promise<Journal> {
  const { id = storeId, ...others } = options;
  return openLocalJournal({
    files: disk.mount(),
    storeId: id,
    random: seededRandom(99),
    limits: smallLimits,
    ...others,
  });
}

const texts = (entries: readonly StoredEntry[]): string[] =>
  entries.map(({ payload }) => fromUtf8(payload));

/** Ten batches, each with two entries, and then a crash without closing. */
async function tenBatches(
  disk: SimulatedDisk,
): Promise<{ places: JournalPlace[]; texts: string[] }> {
  const journal = await openOn(disk);
  const places: JournalPlace[] = [];
  const written: string[] = [];
  for (let i = 0; i < 20; i += 2) {
    written.push(`entry ${i} ${"x".repeat(700)}`, `entry ${i + 1}`);
    const pair = written.slice(-2).map((text, j) => journal.append(entryOf(j, text)));
    places.push(...(await Promise.all(pair)));
  }
  disk.crash("process");
  return { places, texts: written };
}

const damageBytes = new Uint8Array(8).fill(0x5a);
const firstName = "00000001.segment";

test("a torn tail is dropped, and every acknowledged batch before it stays", async () => {
  const disk = newDisk();
  const { places, texts: written } = await tenBatches(disk);
  // The last batch, as a crash in the middle of its write would leave it.
  disk.damage(firstName, places[18]!.offset + 600, damageBytes);
  const journal = await openOn(disk);
  assert.deepEqual(texts(await collect(journal.replay())), written.slice(0, 18));
  assert.equal(journal.next.segment, 2);
  await journal.close();
});

test("damage in the middle stops the journal, with its place", async () => {
  const header = { at: -136, name: "header" };
  const row = { at: -60, name: "table" };
  for (const { at, name } of [header, row, { at: 5, name: "payload" }]) {
    const disk = newDisk();
    const { places } = await tenBatches(disk);
    disk.damage(firstName, places[8]!.offset + at, damageBytes);
    let journal: Journal | null = null;
    await assert.rejects(
      async () => {
        journal = await openOn(disk);
        await collect(journal.replay());
      },
      (error) => {
        assert.ok(error instanceof JournalCorruption, name);
        assert.deepEqual([error.segment, error.batch], [1, 5], name);
        assert.equal(error.offset, places[8]!.offset - 136, name);
        return true;
      },
    );
  }
});

test("a repair sets a copy aside, goes on, and says exactly what was lost", async () => {
  const disk = newDisk();
  const { places, texts: written } = await tenBatches(disk);
  const original = disk.bytesOf(firstName).slice();
  disk.damage(firstName, places[8]!.offset + 5, damageBytes); // one payload of batch 5
  disk.damage(firstName, places[12]!.offset - 136, damageBytes); // the header of batch 7
  const damaged = disk.bytesOf(firstName).slice();
  assert.notDeepEqual(damaged, original);
  const journal = await openOn(disk, { repair: true });
  assert.equal(disk.asideNames().length, 1);
  const losses: JournalLoss[] = [];
  const entries = await collect(journal.replay({ lost: (loss) => losses.push(loss) }));
  const expected = written.filter((_, i) => i !== 8 && i !== 12 && i !== 13);
  assert.deepEqual(texts(entries), expected);
  assert.deepEqual(
    losses.map(({ segment, firstBatch, lastBatch }) => [segment, firstBatch, lastBatch]),
    [
      [1, 5, 5],
      [1, 7, 7],
    ],
  );
  assert.deepEqual(
    losses[0]!.entries?.map(({ account }) => account),
    [accountOf(0)],
  );
  assert.equal(losses[1]!.entries, null);
  // Places stay what they were.
  assert.equal(fromUtf8((await journal.read(places[19]!))!), written[19]);
  await journal.close();
  // Once repaired it opens as usual, and goes on telling what is lost.
  const again = await openOn(disk);
  const later: JournalLoss[] = [];
  assert.deepEqual(
    texts(await collect(again.replay({ lost: (loss) => later.push(loss) }))),
    expected,
  );
  assert.deepEqual(later, losses);
  await again.close();
});

test("a repair survives damage anywhere, and a second look finds nothing new", async () => {
  for (let seed = 0; seed < 150; seed++) {
    const disk = newDisk(seed);
    const random = seededRandom(seed);
    const { texts: written } = await tenBatches(disk);
    for (let session = 0; session < 2; session++) {
      const journal = await openOn(disk);
      for (let i = 0; i < 4; i++) {
        written.push(`session ${session} entry ${i}`);
        await journal.append(entryOf(2, written.at(-1)!));
        if (i === 1) await journal.rotate();
      }
      if (session === 0) await journal.close();
      else disk.crash("process");
    }
    const names = disk.names();
    for (let hits = 1 + random.below(4); hits > 0; hits--) {
      const name = names[random.below(names.length)]!;
      const size = disk.bytesOf(name).length;
      disk.damage(name, random.below(Math.min(size, 11_000) - 8), random.bytes(8));
    }
    if (random.below(4) === 0) await disk.mount().remove(names[random.below(names.length - 1)]!);
    const journal = await openOn(disk, { repair: true });
    const losses: JournalLoss[] = [];
    const entries = texts(await collect(journal.replay({ lost: (loss) => losses.push(loss) })));
    let at = -1;
    for (const text of entries) {
      const next = written.indexOf(text);
      assert.ok(next > at, `seed ${seed}: ${text.slice(0, 20)} out of order or unknown`);
      at = next;
    }
    await journal.append(entryOf(1, "goes on"));
    await journal.close();
    const again = await openOn(disk);
    assert.deepEqual(texts(await collect(again.replay())), [...entries, "goes on"], `seed ${seed}`);
    await again.close();
  }
});

test("a failed sync acknowledges nothing; the journal goes on after it is reopened", async () => {
  for (const fault of ["sync", "write"] as const) {
    const disk = newDisk(7);
    const rejected: AccountId[][] = [];
    const journal = await openOn(disk, {
      events: { rejected: (accounts) => rejected.push([...accounts]) },
    });
    await journal.append(entryOf(1, "before"));
    disk.faults.sync = 1;
    if (fault === "write") disk.faults.write = 1;
    const work = await Promise.allSettled([
      journal.append(entryOf(1, "lost 1")),
      journal.append(entryOf(2, "lost 2")),
    ]);
    for (const outcome of work) {
      assert.equal(outcome.status, "rejected");
      assert.ok(outcome.status === "rejected" && outcome.reason instanceof Refusal);
    }
    assert.deepEqual(rejected, [[accountOf(1), accountOf(2)]]);
    assert.equal(journal.state, "failed");
    assert.match(String(journal.failure), /injected/);
    await assert.rejects(journal.append(entryOf(1, "too early")), { code: "UNAVAILABLE" });
    disk.faults.sync = 0;
    disk.faults.write = 0;
    await journal.reopen();
    assert.equal(journal.state, "open");
    const place = await journal.append(entryOf(1, "after"));
    assert.equal(place.segment, 2);
    assert.deepEqual(texts(await collect(journal.replay())), ["before", "after"]);
    disk.crash("power");
    const again = await openOn(disk);
    assert.deepEqual(texts(await collect(again.replay())), ["before", "after"]);
    await again.close();
  }
});

test("a full disk refuses, keeps reading, and recovers when there is room", async () => {
  const disk = newDisk(8);
  const rejected: AccountId[][] = [];
  const journal = await openOn(disk, {
    events: { rejected: (accounts) => rejected.push([...accounts]) },
  });
  const written: string[] = [];
  disk.capacityBytes = 40 * 1024;
  let refused = 0;
  for (let i = 0; i < 20; i++)
    try {
      await journal.append(entryOf(i, `${i} ${"x".repeat(4_000)}`));
      written.push(`${i}`);
    } catch (error) {
      assert.ok(error instanceof Refusal);
      assert.equal(error.code, "UNAVAILABLE");
      assert.match(error.message, /Disk full/);
      refused++;
      assert.equal(journal.state, "open");
    }
  assert.ok(refused > 10 && written.length > 3);
  assert.equal(rejected.length, refused);
  const numbers = async (from: Journal): Promise<string[]> =>
    texts(await collect(from.replay())).map((text) => text.split(" ")[0]!);
  assert.deepEqual(await numbers(journal), written);
  disk.capacityBytes = 1024 * 1024;
  await journal.append(entryOf(1, "room"));
  // A write that runs out of room half-way leaves nothing behind.
  disk.faults.writeFull = 1;
  await assert.rejects(journal.append(entryOf(1, "half")), { code: "UNAVAILABLE" });
  disk.faults.writeFull = 0;
  assert.equal(journal.state, "open");
  disk.crash("power");
  const again = await openOn(disk);
  assert.deepEqual(await numbers(again), [...written, "room"]);
  await again.close();
});

test("positions go on after every restart, and deleted segments do not come back", async () => {
  const disk = newDisk(9);
  let last = 0;
  for (let i = 0; i < 8; i++) {
    const journal = await openOn(disk);
    const place = await journal.append(entryOf(1, `${i}`));
    assert.ok(place.segment > last);
    last = place.segment;
    await journal.deleteSettled(journal.next);
    if (i % 2 === 0) await journal.close();
    else disk.crash(i % 4 === 1 ? "power" : "process");
    assert.ok(disk.names().length <= 2);
  }
  const journal = await openOn(disk);
  assert.deepEqual(texts(await collect(journal.replay())), ["7"]);
  await journal.close();
});

test("a journal of another store, or a second opener, is kept out", async () => {
  const disk = newDisk();
  const journal = await openOn(disk);
  await assert.rejects(openOn(disk), { name: "DirectoryLocked" });
  await journal.close();
  const id = seededRandom(2).bytes(16);
  await assert.rejects(openOn(disk, { id }), /Belongs to store .* but this is store/);
  // The failed attempt let go of the lock.
  await (await openOn(disk)).close();
});

test("mail that looks like a batch is not taken for one", async () => {
  const disk = newDisk();
  const journal = await openOn(disk);
  const places = [await journal.append(entryOf(1, "x".repeat(900)))];
  const copy = disk.bytesOf(firstName).slice(512, 2048);
  // The very bytes of a batch, at an aligned offset, inside the payload of a torn one.
  const bytes = new Uint8Array(512 - 104 + copy.length);
  bytes.set(copy, 512 - 104);
  places.push(await journal.append(entryOf(1, bytes)));
  disk.crash("process");
  disk.damage(firstName, places[1]!.offset - 104, damageBytes);
  const again = await openOn(disk);
  assert.equal((await collect(again.replay())).length, 1);
  await again.close();
});
