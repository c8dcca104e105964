import assert from "node:assert/strict";
import { test } from "node:test";
import { fromUtf8, utf8 } from "#base/bytes.ts";
import { type Random, seededRandom } from "#base/random.ts";
import { FaultyObjectStore, MemoryObjectStore, SimulatedDisk } from "#objects/index.ts";
import { entryOf } from "./journal.contract.ts";
import type { Journal, JournalEvents, JournalPlace, StoredEntry } from "./journal.ts";
import { openLocalJournal } from "./local-journal.ts";
import { SegmentGone, fence, openObjectJournal, readObjectJournal } from "./object-journal.ts";

const accounts = 6;
const limits = {
  batchBytesMax: 4 * 1024,
  segmentBytes: 12 * 1024,
  tailBytesMax: 512 * 1024,
  tailBatchesMax: 256,
};
const storeId = seededRandom(1).bytes(16);

/** Lets `count` turns of the microtask queue pass: all that happens here happens in them. */
async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await Promise.resolve();
}

function idOf(payload: Uint8Array): string {
  return fromUtf8(payload).split(":", 2).join(":");
}

/** What must be in the journal, and what must not. Ids are `<account>:<number>`. */
class Ledger {
  readonly must = new Map<string, JournalPlace>();
  readonly mustNot = new Set<string>();
  /** Settled: may be there until the segment is deleted. */
  readonly may = new Set<string>();
  readonly open = new Set<string>();
  readonly #random: Random;
  #lastShared: readonly Uint8Array[] = [];
  readonly #next = Array.from({ length: accounts }, () => 0);

  constructor(random: Random) {
    this.#random = random;
  }

  /** Appends for one account, one after the other or several at once, until the journal stops. */
  async work(journal: Journal, account: number, rounds: number): Promise<void> {
    for (let i = 0; i < rounds && journal.state === "open"; i++) {
      const burst = 1 + this.#random.below(3);
      await Promise.all(Array.from({ length: burst }, () => this.#append(journal, account)));
      await turns(this.#random.below(20));
    }
  }

  /** Mostly what the append before shared. */
  #shared(): readonly Uint8Array[] {
    if (this.#random.below(4) === 0)
      this.#lastShared = [utf8("s".repeat(this.#random.below(1_000)))];
    return this.#lastShared;
  }

  async #append(journal: Journal, account: number): Promise<void> {
    const id = `${account}:${this.#next[account]!++}`;
    const pad = this.#random.below(8) === 0 ? 3_000 : 200;
    this.open.add(id);
    try {
      const entry = entryOf(account, `${id}:${"x".repeat(this.#random.below(pad))}`);
      const shared = this.#random.below(3) === 0 ? this.#shared() : undefined;
      const place = await journal.append(shared === undefined ? entry : { ...entry, shared });
      this.must.set(id, place);
      this.open.delete(id);
    } catch {
      // Refused by a journal that goes on: it will never be there.
      if (journal.state === "open" && this.open.delete(id)) this.mustNot.add(id);
    }
  }

  /** Compares with what the journal says after a restart; from then on that is the truth. */
  check(entries: readonly StoredEntry[], label: string): void {
    const seen = new Set<string>();
    const last = new Map<string, number>();
    for (const { payload, place } of entries) {
      const id = idOf(payload);
      const [account, number] = id.split(":") as [string, string];
      assert.ok(!seen.has(id), `${label}: ${id} is there twice`);
      assert.ok(!this.mustNot.has(id), `${label}: ${id} was refused, and is there`);
      const ours = this.must.has(id) || this.open.has(id) || this.may.has(id);
      assert.ok(ours, `${label}: ${id} is not ours`);
      assert.ok(Number(number) > (last.get(account) ?? -1), `${label}: ${id} out of order`);
      last.set(account, Number(number));
      seen.add(id);
      const known = this.must.get(id);
      if (known !== undefined) assert.deepEqual(place, known, `${label}: ${id} has moved`);
      if (!this.may.has(id)) this.must.set(id, place);
    }
    for (const id of this.must.keys())
      assert.ok(seen.has(id), `${label}: ${id} was acknowledged or served, and is lost`);
    for (const id of this.open) if (!seen.has(id)) this.mustNot.add(id);
    this.open.clear();
  }

  /** Everything in segments before `segment` is settled and may be gone. */
  settled(segment: number): void {
    for (const [id, place] of this.must)
      if (place.segment < segment && this.must.delete(id)) this.may.add(id);
  }
}

async function collect(entries: AsyncIterable<StoredEntry>): Promise<StoredEntry[]> {
  const out: StoredEntry[] = [];
  for await (const entry of entries) out.push(entry);
  return out;
}

/** Reopens until it works; the faults are chance, so it will. */
async function reopen(journal: Journal): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++)
    try {
      return await journal.reopen();
    } catch (error) {
      assert.equal(journal.state, "failed", String(error));
    }
  assert.fail("the journal does not reopen");
}

function faultsOf(disk: SimulatedDisk, random: Random, faulty: boolean): void {
  const rate = (): number => (faulty && random.below(2) === 0 ? 0.04 : 0);
  Object.assign(disk.faults, { write: rate(), writeFull: rate(), sync: rate(), create: rate() });
}

function noFaults(disk: SimulatedDisk): void {
  Object.assign(disk.faults, { write: 0, writeFull: 0, sync: 0, create: 0 });
}

/** One life of the process: work, failures, settling, and at last a crash or a clean end. */
async function live(
  disk: SimulatedDisk,
  journal: Journal,
  ledger: Ledger,
  random: Random,
): Promise<void> {
  let crashed = false;
  const crash = turns(random.below(1_500)).then(() => {
    crashed = true;
    disk.crash(random.below(3) === 0 ? "process" : "power");
  });
  const clean = random.below(5) === 0;
  const lives = async (): Promise<void> => {
    for (let round = 0; round < 4 && !crashed; round++) {
      const work = Array.from({ length: accounts }, (_, i) => ledger.work(journal, i, 6));
      await Promise.all(work);
      if (crashed) return;
      if (journal.state === "failed") {
        await reopen(journal);
        ledger.check(await collect(journal.replay()), "reopened");
      } else if (random.below(2) === 0) {
        const { next } = journal;
        ledger.settled(next.segment);
        await journal.deleteSettled(next);
      }
    }
  };
  const ends = async (): Promise<void> => {
    await lives();
    if (!clean || crashed) return;
    noFaults(disk);
    if (journal.state === "failed") await reopen(journal);
    await journal.close();
  };
  // A process that is dead may fail as it likes.
  const end = ends().catch((error: unknown) => assert.ok(crashed, String((error as Error).stack)));
  await Promise.all([end, crash]);
}

test("local form: acknowledged entries survive crashes and faults, refused ones never appear", async () => {
  const seeds = Number(process.env["JOURNAL_SEEDS"] ?? 90);
  for (let seed = 0; seed < seeds; seed++) {
    const random = seededRandom(seed);
    const disk = new SimulatedDisk({ random });
    const ledger = new Ledger(random);
    const open = (events: JournalEvents = {}): Promise<Journal> =>
      openLocalJournal({ files: disk.mount(), storeId, random, limits, events });
    try {
      for (let life = 0; life < 4; life++) {
        noFaults(disk);
        // A start may be interrupted by a crash too.
        for (let i = random.below(3); i > 0; i--) {
          const start = open().catch(() => {});
          await turns(random.below(120));
          disk.crash("power");
          await start;
        }
        const journal = await open();
        ledger.check(await collect(journal.replay()), `life ${life}`);
        faultsOf(disk, random, seed % 2 === 1);
        await live(disk, journal, ledger, random);
      }
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
  }
});

test("object form: whoever is fenced acknowledges nothing more, whatever the store answers", async () => {
  const seeds = Number(process.env["JOURNAL_SEEDS"] ?? 200);
  const ends = { gone: 0, sealed: 0 };
  for (let seed = 0; seed < seeds; seed++) {
    const random = seededRandom(seed);
    const rates = { fail: 0.03, full: 0.01, unknown: 0.03, unknownDone: 0.03, errorDone: 0.03 };
    const memory = new MemoryObjectStore();
    const store = new FaultyObjectStore(memory, { random, rates: seed % 3 === 0 ? {} : rates });
    const ledger = new Ledger(random);
    const prefix = "journal/one";
    const journal = openObjectJournal({ store, storeId, random, prefix, limits });
    let over = false;
    const lives = async (): Promise<void> => {
      while (!over && journal.state !== "fenced") {
        await Promise.all(Array.from({ length: accounts }, (_, i) => ledger.work(journal, i, 3)));
        if (journal.state === "failed") await journal.reopen().catch(() => {});
        if (journal.state === "open" && random.below(3) === 0) {
          const { next } = journal;
          ledger.settled(next.segment);
          await journal.deleteSettled(next).catch(() => {});
        }
      }
    };
    const source = { store: memory, storeId, prefix };
    const readAll = async (): Promise<StoredEntry[]> => {
      for (;;)
        try {
          return await collect(readObjectJournal(source));
        } catch (error) {
          if (!(error instanceof SegmentGone)) throw error;
        }
    };
    const rival = async (): Promise<void> => {
      await turns(random.below(2_000));
      for (let attempt = 0; ; attempt++) {
        assert.ok(attempt < 100);
        // The heads would say where to begin; here what is left of the journal does.
        const from = { segment: Math.max(1, journal.next.segment - random.below(2)), batch: 1 };
        const end = await fence({ ...source, random, by: "rival", from });
        ends[end.outcome]++;
        if (end.outcome === "sealed") break;
      }
      const found = (await readAll()).map(({ payload }) => idOf(payload));
      const known = new Set([...found, ...ledger.must.keys(), ...ledger.may]);
      await turns(1_000);
      over = true;
      // What the rival serves is all that was ever acknowledged.
      for (const id of ledger.must.keys()) assert.ok(known.has(id), `${id} after the fence`);
    };
    try {
      await Promise.all([lives(), rival()]);
      ledger.check(await readAll(), "after the fence");
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
  }
  assert.equal(ends.sealed, seeds);
});
