import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Random } from "#base/random.ts";
import { seededRandom, systemRandom } from "#base/random.ts";
import { limits } from "#base/limits.ts";
import { decodeRows, encodeRows } from "./exported-rows.ts";
import { ParkedTable } from "./parked-table.ts";
import type { ParkedSession, WakeCause } from "./parked-table.ts";
import { FakeReadiness, SteppedClock } from "./testing.ts";
import type { MailboxWait } from "./waits.ts";

interface ModelSession {
  session: ParkedSession;
  state: "parked" | "woken" | "leaving";
  deadlineMs: number;
}

/** The table, and beside it the plainest thing that could do the same. */
class World {
  readonly clock = new SteppedClock();
  readonly readiness = new FakeReadiness();
  readonly random: Random;
  readonly seed: number;
  readonly table: ParkedTable;
  readonly model = new Map<number, ModelSession>();
  readonly woken: { row: number; cause: WakeCause }[] = [];
  readonly watchedMailboxes = new Set<string>();
  readonly latest = new Map<string, number>();
  modseq = 1;
  nextDescriptor = 10;

  constructor(seed: number) {
    this.seed = seed;
    this.random = seededRandom(seed);
    this.table = new ParkedTable({
      clock: this.clock,
      random: this.random,
      readiness: this.readiness,
      sessionsMax: 200,
      bytesMax: 16 * 1024 * 1024,
      woken: (rows, cause) => {
        for (const row of rows) this.woken.push({ row, cause });
      },
      mailboxWatched: (account, mailbox, watched) => {
        const key = `${account}/${mailbox}`;
        assert.notEqual(this.watchedMailboxes.has(key), watched, `seed ${this.seed}`);
        if (watched) this.watchedMailboxes.add(key);
        else {
          this.watchedMailboxes.delete(key);
          this.latest.delete(key);
        }
      },
    });
  }

  account(): string {
    return `account${this.random.below(6)}`;
  }

  waits(): MailboxWait[] {
    return Array.from({ length: Math.max(0, this.random.below(5) - 1) }, () => ({
      account: this.account(),
      mailbox: this.random.below(4),
      told: Math.max(0, this.modseq - this.random.below(3)),
    }));
  }

  someSession(): ParkedSession {
    const { random } = this;
    const tiny = random.below(10) > 0;
    return {
      descriptor: this.nextDescriptor++,
      kind: random.below(256),
      account: this.account(),
      address: `192.0.2.${random.below(8)}`,
      waits: this.waits(),
      deadlineMs:
        random.below(3) === 0 ? Infinity : this.clock.monotonic() + 1 + random.below(8_000_000),
      tag: random.bytes(random.below(12)),
      transport: random.bytes(random.below(3) * 75),
      frozen: random.bytes(tiny ? random.below(300) : random.below(20_000)),
    };
  }

  someRow(): number {
    const rows = [...this.model.keys()];
    return rows.length === 0 ? 0 : rows[this.random.below(rows.length)]!;
  }

  /** What the table woke since the last look is what it had to wake. */
  expect(rows: readonly number[], cause: WakeCause): void {
    const seen = this.woken.splice(0);
    assert.deepEqual(
      seen.map((w) => `${w.row} ${w.cause}`).sort(),
      rows.map((row) => `${row} ${cause}`).sort(),
      `seed ${this.seed}`,
    );
    for (const row of rows) this.model.get(row)!.state = "woken";
  }

  missed(session: ParkedSession): boolean {
    return session.waits.some((w) => (this.latest.get(`${w.account}/${w.mailbox}`) ?? 0) > w.told);
  }

  add(): void {
    const session = this.someSession();
    const row = this.table.add(session);
    if (row === 0) {
      assert.equal(this.table.count, 200, `seed ${this.seed}`);
      return;
    }
    assert.ok(!this.model.has(row), `seed ${this.seed}: row ${row} is in use`);
    this.model.set(row, { session, state: "parked", deadlineMs: session.deadlineMs });
    this.settle(row);
  }

  /** A session that has missed a change is told in the next turn. */
  settle(row: number): void {
    const missed = this.missed(this.model.get(row)!.session);
    this.expect([], "changed");
    const due = this.due(1);
    this.clock.advance(1);
    if (missed && !due.includes(row)) {
      const [mine, others] = [
        this.woken.filter((w) => w.row === row),
        this.woken.filter((w) => w.row !== row),
      ];
      assert.deepEqual(mine, [{ row, cause: "changed" }], `seed ${this.seed}`);
      this.model.get(row)!.state = "woken";
      this.woken.splice(0, Infinity, ...others);
    }
    this.noteDue(due);
  }

  /** Rows that the wheel has to give when `ms` pass. */
  due(ms: number): number[] {
    const end = this.clock.monotonic() + ms;
    const tick = limits.parkedTickMs;
    return [...this.model]
      .filter(([, m]) => Math.ceil(m.deadlineMs / tick) * tick <= end)
      .map(([row]) => row);
  }

  noteDue(due: readonly number[]): void {
    const woken = due.filter((row) => this.model.get(row)!.state === "parked");
    for (const row of due)
      if (this.model.get(row)!.state !== "leaving") this.model.get(row)!.deadlineMs = Infinity;
    this.expect(woken, "deadline");
  }

  remove(row: number): void {
    const { session } = this.model.get(row)!;
    const taken = this.table.session(row);
    assert.deepEqual(
      { ...taken, deadlineMs: 0 },
      { ...session, deadlineMs: 0 },
      `seed ${this.seed}`,
    );
    assert.equal(this.table.remove(row), session.descriptor);
    this.model.delete(row);
    assert.ok(!this.readiness.watched.has(session.descriptor));
  }

  changed(): void {
    const [account, mailbox] = [this.account(), this.random.below(4)];
    this.modseq += this.random.below(3);
    const modseq = Math.max(1, this.modseq - this.random.below(2));
    this.table.changed(account, mailbox, modseq);
    for (const number of new Set([mailbox, 0])) {
      const key = `${account}/${number}`;
      if (this.watchedMailboxes.has(key))
        this.latest.set(key, Math.max(this.latest.get(key) ?? 0, modseq));
    }
    const rows = [...this.model].filter(
      ([, m]) =>
        m.state === "parked" &&
        m.session.waits.some(
          (w) =>
            w.account === account && (w.mailbox === mailbox || w.mailbox === 0) && w.told < modseq,
        ),
    );
    this.expect(
      rows.map(([row]) => row),
      "changed",
    );
  }

  /** Events of the set, some of them of sessions that are not there any more. */
  ready(): void {
    const events: { row: number; generation: number; ended: number }[] = [];
    const [readable, ended]: [number[], number[]] = [[], []];
    for (let i = this.random.below(4); i >= 0; i--) {
      const row = this.someRow();
      const model = this.model.get(row);
      const stale = this.random.below(4) === 0;
      if (model === undefined || events.some((e) => e.row === row)) continue;
      const watch = this.readiness.watched.get(model.session.descriptor);
      if (watch === undefined || !watch.armed) continue;
      watch.armed = false;
      const over = this.random.below(2);
      const empty = this.random.below(2) === 1;
      if (empty) this.readiness.ended.add(model.session.descriptor);
      else this.readiness.ended.delete(model.session.descriptor);
      events.push({ row, generation: watch.generation - (stale ? 1 : 0), ended: over });
      if (stale) watch.armed = true;
      else if (model.state === "parked") (over === 1 && empty ? ended : readable).push(row);
    }
    this.table.ready({
      count: events.length,
      rows: Uint32Array.from(events, (e) => e.row),
      generations: Uint32Array.from(events, (e) => e.generation),
      ended: Uint8Array.from(events, (e) => e.ended),
    });
    const hungUp = this.woken.filter((w) => w.cause === "hang-up").map((w) => w.row);
    assert.deepEqual(new Set(hungUp), new Set(ended), `seed ${this.seed}`);
    for (const row of ended) this.model.get(row)!.state = "woken";
    this.woken.splice(0, Infinity, ...this.woken.filter((w) => w.cause !== "hang-up"));
    this.expect(readable, "readable");
  }

  rearm(): void {
    const row = this.someRow();
    const model = this.model.get(row);
    if (model === undefined || model.state !== "woken") return;
    model.deadlineMs = this.clock.monotonic() + 1 + this.random.below(100_000);
    model.state = "parked";
    this.table.rearm(row, model.deadlineMs);
    assert.ok(this.readiness.watched.get(model.session.descriptor)!.armed);
    this.settle(row);
  }

  leave(): void {
    const row = this.someRow();
    const model = this.model.get(row);
    if (model === undefined) return;
    if (model.state === "parked") {
      this.table.startLeaving(row);
      model.state = "leaving";
      assert.ok(!this.readiness.watched.has(model.session.descriptor));
    } else if (model.state === "leaving") {
      if (this.random.below(2) === 0) return this.remove(row);
      model.state = "parked";
      model.deadlineMs = this.table.deadline(row);
      this.table.cancelLeaving(row);
      this.settle(row);
    }
  }

  advance(): void {
    const ms =
      this.random.below(10) === 0 ? this.random.below(6_000_000) : this.random.below(3_000);
    // While one is leaving its deadline moves on, so it is not expected at a certain time.
    const due = this.due(ms);
    this.clock.advance(ms);
    this.noteDue(due);
  }

  transport(): void {
    const row = this.someRow();
    const model = this.model.get(row);
    if (model === undefined) return;
    const transport = this.random.bytes(model.session.transport.length);
    this.table.replaceTransport(row, transport);
    model.session = { ...model.session, transport };
  }

  check(): void {
    const { table, model, seed } = this;
    assert.equal(table.count, model.size, `seed ${seed}`);
    const rows: number[] = [];
    for (let row = table.next(0); row !== 0; row = table.next(row)) rows.push(row);
    assert.deepEqual(
      rows,
      [...model.keys()].sort((a, b) => a - b),
      `seed ${seed}`,
    );
    for (let i = 0; i < 7; i++) {
      const of = [...model.values()].filter((m) => m.session.account === `account${i}`);
      assert.equal(table.countOfAccount(`account${i}`), of.length, `seed ${seed}`);
      const at = [...model.values()].filter((m) => m.session.address === `192.0.2.${i}`);
      assert.equal(table.countOfAddress(`192.0.2.${i}`), at.length, `seed ${seed}`);
    }
    const least = new Map<string, number>();
    for (const m of model.values())
      for (const w of m.session.waits) {
        const key = `${w.account}/${w.mailbox}`;
        least.set(key, Math.min(least.get(key) ?? Infinity, w.told));
      }
    const watched = [...table.watched()].map((w) => [`${w.account}/${w.mailbox}`, w.told] as const);
    assert.deepEqual(new Map(watched), least, `seed ${seed}`);
    assert.deepEqual([...this.watchedMailboxes].sort(), [...least.keys()].sort(), `seed ${seed}`);
    assert.equal(table.mailboxes, least.size);
  }
}

describe("the parked table and a model of it", () => {
  test("do the same, whatever happens", () => {
    const first = systemRandom.below(0x1_0000_0000);
    const until = performance.now() + 2_000;
    for (let i = 0; i < 40 && performance.now() < until; i++) {
      const world = new World((first + i) >>> 0);
      try {
        run(world);
      } catch (error) {
        throw new Error(`seed ${world.seed}`, { cause: error });
      }
    }
  });
});

function run(world: World): void {
  const { random } = world;
  for (let step = 0; step < 600; step++) {
    const what = random.below(100);
    if (what < (step % 200 < 120 ? 40 : 10)) world.add();
    else if (what < 50) {
      const row = world.someRow();
      if (row !== 0) world.remove(row);
    } else if (what < 60) world.changed();
    else if (what < 72) world.ready();
    else if (what < 84) world.rearm();
    else if (what < 90) world.leave();
    else if (what < 94) world.transport();
    else world.advance();
    if (step % 20 === 0) world.check();
  }
  const sessions = [...world.model.keys()].map((row) => world.table.session(row));
  const copied = decodeRows(encodeRows(sessions, 500), 500);
  const rounded = (list: readonly ParkedSession[]): unknown =>
    list.map((s) => ({
      ...s,
      deadlineMs: Math.round(s.deadlineMs),
      tag: Buffer.from(s.tag).toString("hex"),
      transport: Buffer.from(s.transport).toString("hex"),
      frozen: Buffer.from(s.frozen).toString("hex"),
    }));
  assert.deepEqual(rounded(copied), rounded(sessions));
  for (const row of world.model.keys()) world.remove(row);
  world.check();
  assert.equal(world.table.bytes.strings, 0);
  assert.equal(world.watchedMailboxes.size, 0);
}
