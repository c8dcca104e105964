import assert from "node:assert/strict";
import { test } from "node:test";
import type { AccountId, Epoch, Shard } from "#base/brand.ts";
import { fromUtf8, utf8 } from "#base/bytes.ts";
import { seededRandom } from "#base/random.ts";
import {
  type Journal,
  type JournalEntry,
  type JournalEvents,
  type JournalPlace,
  type StoredEntry,
  comparePositions,
} from "./journal.ts";
import type { JournalLimits } from "./segmented-journal.ts";

export interface OpenJournal {
  readonly events?: JournalEvents;
  readonly limits?: Partial<JournalLimits>;
}

/** One place where journals are kept. */
export interface JournalWorld {
  open(options?: OpenJournal): Promise<Journal>;
  /** What the incarnations before this call left, after they are ended. */
  readBack(): Promise<StoredEntry[]>;
}

export const smallLimits: Partial<JournalLimits> = {
  batchBytesMax: 8 * 1024,
  segmentBytes: 32 * 1024,
  tailBytesMax: 1024 * 1024,
};

export function accountOf(number: number): AccountId {
  return `account${String(number)
    .padStart(9, "a")
    .replaceAll(/[0-9]/g, (d) => "bcdefghijk"[+d]!)}` as AccountId;
}

export function entryOf(account: number, text: string | Uint8Array): JournalEntry {
  const payload = typeof text === "string" ? utf8(text) : text;
  return {
    shard: (account % 1024) as Shard,
    epoch: 3 as Epoch,
    account: accountOf(account),
    payload,
  };
}

export async function collect(entries: AsyncIterable<StoredEntry>): Promise<StoredEntry[]> {
  const out: StoredEntry[] = [];
  for await (const entry of entries) out.push(entry);
  return out;
}

const texts = (entries: readonly StoredEntry[]): string[] =>
  entries.map(({ payload }) => fromUtf8(payload));

/** What every form of the journal must do over every driver. `make` gives an empty world. */
export function journalContract(form: string, make: () => Promise<JournalWorld>): void {
  const check = (name: string, run: (world: JournalWorld) => Promise<void>): void => {
    test(`${form}: ${name}`, async () => run(await make()));
  };

  check("appends, replays and reads back", async (world) => {
    const journal = await world.open();
    const places: JournalPlace[] = [];
    for (let i = 0; i < 10; i++) places.push(await journal.append(entryOf(i, `entry ${i}`)));
    for (let i = 1; i < 10; i++) assert.ok(comparePositions(places[i - 1]!, places[i]!) < 0);
    assert.ok(comparePositions(places[9]!, journal.next) < 0);
    const replayed = await collect(journal.replay());
    assert.deepEqual(
      replayed.map(({ place }) => place),
      places,
    );
    assert.deepEqual(
      replayed.map(({ account, shard, epoch }) => [account, shard, epoch]),
      places.map((_, i) => [accountOf(i), i, 3]),
    );
    assert.deepEqual(
      texts(replayed),
      places.map((_, i) => `entry ${i}`),
    );
    await journal.close();
    assert.deepEqual(
      texts(await world.readBack()),
      places.map((_, i) => `entry ${i}`),
    );
  });

  check("reads parts of payloads, small and large, in pieces or not", async (world) => {
    const journal = await world.open();
    const random = seededRandom(4);
    for (const size of [0, 1, 511, 2_048, 2_049, 5_000, 200_000]) {
      const bytes = random.bytes(size);
      const cut = random.below(size + 1);
      const [first, second] = await Promise.all([
        journal.append(entryOf(1, bytes)),
        journal.append({
          ...entryOf(1, ""),
          payload: [bytes.subarray(0, cut), bytes.subarray(cut)],
        }),
      ]);
      for (const place of [first, second]) {
        assert.equal(place.length, size);
        assert.deepEqual(new Uint8Array((await journal.read(place))!), bytes);
        const from = Math.floor(size / 3);
        assert.deepEqual(
          new Uint8Array((await journal.read(place, from, 100))!),
          bytes.slice(from, from + 100),
        );
        assert.equal((await journal.read(place, size, 10))!.length, 0);
        const target = new Uint8Array(64);
        const count = journal.readSync?.(place, from, target);
        if (count !== undefined)
          assert.deepEqual(target.slice(0, count), bytes.slice(from, from + 64));
      }
    }
    await journal.close();
  });

  check("replays from a position", async (world) => {
    const journal = await world.open({ limits: smallLimits });
    const work = Array.from({ length: 60 }, (_, i) =>
      journal.append(entryOf(i % 7, `${i} `.repeat(400))),
    );
    const places = (await Promise.all(work)).sort(comparePositions);
    const { segment, batch } = journal.next;
    assert.ok(segment > 1 && batch > 0);
    for (const [i, from] of places.entries()) {
      const replayed = await collect(journal.replay({ from }));
      assert.deepEqual(
        replayed.map(({ place }) => place),
        places.slice(i),
      );
    }
    assert.deepEqual(await collect(journal.replay({ from: journal.next })), []);
    await journal.close();
    assert.equal((await world.readBack()).length, 60);
  });

  check("keeps the order of each account", async (world) => {
    const journal = await world.open({ limits: smallLimits });
    const random = seededRandom(9);
    const work: Promise<unknown>[] = [];
    for (let i = 0; i < 400; i++) {
      work.push(journal.append(entryOf(random.below(5), `${i}:${"x".repeat(random.below(2000))}`)));
      if (random.below(10) === 0) await work.at(-1);
    }
    await Promise.all(work);
    await journal.close();
    const last = new Map<AccountId, number>();
    const entries = await world.readBack();
    assert.equal(entries.length, 400);
    for (const { account, payload } of entries) {
      const number = Number.parseInt(fromUtf8(payload), 10);
      assert.ok(number > (last.get(account) ?? -1));
      last.set(account, number);
    }
  });

  check("lets no account starve the others", async (world) => {
    const journal = await world.open({ limits: smallLimits });
    const heavy = Array.from({ length: 200 }, () => journal.append(entryOf(1, "h".repeat(4_000))));
    const light = await Promise.all([
      journal.append(entryOf(2, "light")),
      journal.append(entryOf(3, "l".repeat(6_000))),
    ]);
    const places = await Promise.all(heavy);
    for (const place of light) {
      const before = places.filter((other) => comparePositions(other, place) < 0).length;
      assert.ok(before <= 4, `${before} appends of the busy account came first`);
    }
    await journal.close();
  });

  check("writes what entries share once in a batch, and again in the next one", async (world) => {
    const journal = await world.open({ limits: smallLimits });
    const bytes = seededRandom(3).bytes(3_000);
    const shared = [bytes.subarray(0, 10), bytes.subarray(10, 10), bytes.subarray(10)];
    const other = [seededRandom(4).bytes(700)];
    const work: Promise<JournalPlace>[] = [];
    for (let i = 0; i < 90; i++) {
      const entry = entryOf(i, `${i}`.repeat(20));
      if (i % 3 === 2) work.push(journal.append(entry));
      else work.push(journal.append({ ...entry, shared: i % 3 === 0 ? shared : other }));
    }
    const places = await Promise.all(work);
    const batches = new Set(places.map(({ segment, batch }) => `${segment}.${batch}`));
    assert.equal(batches.size, 2, "8 KiB hold the bytes once, and about half of the entries");
    const all = [...places, ...(await collect(journal.replay())).map(({ place }) => place)];
    assert.equal(all.length, 180);
    for (const place of all) {
      const payload = fromUtf8((await journal.read(place))!);
      const number = Number.parseInt(payload.slice(0, payload.length / 20), 10);
      assert.equal(place.sharedAt === undefined, number % 3 === 2);
      if (place.sharedAt === undefined) continue;
      const expected = number % 3 === 0 ? bytes : other[0]!;
      const at = { ...place, offset: place.offset + place.sharedAt, length: expected.length + 1 };
      const found = await journal.read(at, 0, expected.length);
      assert.deepEqual(new Uint8Array(found!), new Uint8Array(expected));
    }
    await journal.close();
    assert.equal((await world.readBack()).length, 90);
  });

  check("collects what comes while a batch is written", async (world) => {
    const journal = await world.open();
    const places = await Promise.all(
      Array.from({ length: 100 }, (_, i) => journal.append(entryOf(i, `${i}`))),
    );
    assert.equal(new Set(places.map(({ segment, batch }) => `${segment}.${batch}`)).size, 1);
    await journal.close();
  });

  check("rotates and deletes what is settled, nothing else", async (world) => {
    const journal = await world.open({ limits: smallLimits });
    const first = await journal.append(entryOf(1, "first"));
    await journal.rotate();
    const second = await journal.append(entryOf(1, "second"));
    await journal.rotate();
    await journal.rotate();
    const third = await journal.append(entryOf(1, "third"));
    assert.deepEqual(
      [first.segment, second.segment, third.segment].map((s) => s - first.segment),
      [0, 1, 2],
    );
    assert.ok(journal.tail.batches >= 3);
    await journal.deleteSettled(second);
    assert.equal(await journal.read(first), null);
    if (journal.readSync !== undefined)
      assert.equal(journal.readSync(first, 0, new Uint8Array(5)), -1);
    assert.deepEqual(texts(await collect(journal.replay())), ["second", "third"]);
    await journal.deleteSettled(journal.next);
    assert.deepEqual(texts(await collect(journal.replay())), ["third"]);
    assert.equal(fromUtf8((await journal.read(third))!), "third");
    assert.equal(journal.tail.segments, 1);
    await journal.close();
    assert.deepEqual(texts(await world.readBack()), ["third"]);
  });

  check("waits when the tail is too long, until it is shorter", async (world) => {
    let pressure = 0;
    const limits = { ...smallLimits, tailBytesMax: 64 * 1024 };
    const journal = await world.open({ limits, events: { tailPressure: () => pressure++ } });
    let done = 0;
    const work = Array.from({ length: 100 }, async (_, i) => {
      await journal.append(entryOf(i, "x".repeat(4_000)));
      done++;
    });
    while (pressure === 0 || journal.tail.bytes < limits.tailBytesMax)
      await new Promise((resolve) => setImmediate(resolve));
    for (let i = 0; i < 50; i++) await new Promise((resolve) => setTimeout(resolve, 1));
    assert.ok(done < 40, `${done} appends went through`);
    const settle = async (): Promise<void> => {
      while (done < 100) {
        await journal.deleteSettled(journal.next);
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    await Promise.all([...work, settle()]);
    await journal.close();
  });

  check("waits for appends when it is closed, and takes none afterwards", async (world) => {
    const journal = await world.open();
    const work = journal.append(entryOf(1, "last"));
    await Promise.all([journal.close(), work]);
    assert.equal(journal.state, "closed");
    await assert.rejects(journal.append(entryOf(1, "late")), { name: "Refusal" });
    assert.deepEqual(texts(await world.readBack()), ["last"]);
  });

  check("refuses what fits no batch, and too long a queue", async (world) => {
    const limits = { ...smallLimits, queueEntriesMax: 10 };
    const journal = await world.open({ limits });
    await assert.rejects(journal.append(entryOf(1, "x".repeat(9_000))), { name: "Bug" });
    const work = Array.from({ length: 12 }, (_, i) => journal.append(entryOf(i, "x")));
    const outcomes = (await Promise.allSettled(work)).map(({ status }) => status);
    assert.deepEqual(outcomes.filter((status) => status === "rejected").length, 2);
    await journal.append(entryOf(1, "again"));
    await journal.close();
  });
}
