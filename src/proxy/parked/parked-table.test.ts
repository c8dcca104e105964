import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { utf8 } from "#base/bytes.ts";
import { limits } from "#base/limits.ts";
import { seededRandom } from "#base/random.ts";
import { ParkedTable } from "./parked-table.ts";
import type { ParkedTableParts, WakeCause } from "./parked-table.ts";
import { FakeReadiness, SteppedClock, sessionOf } from "./testing.ts";

function setUp(parts: Partial<ParkedTableParts> = {}) {
  const clock = new SteppedClock();
  const readiness = new FakeReadiness();
  const woken: { rows: readonly number[]; cause: WakeCause }[] = [];
  const table = new ParkedTable({
    clock,
    random: seededRandom(1),
    readiness,
    woken: (rows, cause) => void woken.push({ rows, cause }),
    ...parts,
  });
  const ready = (row: number, ended = 0): void =>
    table.ready({
      count: 1,
      rows: Uint32Array.of(row),
      generations: Uint32Array.of(
        [...readiness.watched.values()].find((w) => w.row === row)!.generation,
      ),
      ended: Uint8Array.of(ended),
    });
  return { clock, readiness, woken, table, ready };
}

describe("parked table", () => {
  test("gives back what was put in", () => {
    const { table, readiness } = setUp();
    const session = sessionOf({
      descriptor: 7,
      kind: 2,
      address: "2001:db8::1",
      waits: [
        { account: "alice", mailbox: 3, told: 2 ** 53 - 1 },
        { account: "bob", mailbox: 0, told: 0 },
      ],
      tag: utf8("a1"),
      transport: utf8("keys"),
      frozen: utf8("state"),
    });
    const row = table.add(session);
    assert.deepEqual(table.summary(row), {
      row,
      account: "alice",
      address: "2001:db8::1",
      kind: 2,
      waits: session.waits,
      parkedAtMs: 10_000,
    });
    table.replaceTransport(row, utf8("next"));
    assert.deepEqual(table.take(row), { ...session, transport: utf8("next") });
    assert.equal(table.count, 0);
    assert.equal(readiness.watched.size, 0);
    assert.throws(() => table.session(row), { name: "Bug" });
  });

  test("a change wakes those that were told less, each once, and no other mailbox's", () => {
    const { table, woken } = setUp();
    const wait = (descriptor: number, mailbox: number, told: number): number =>
      table.add(sessionOf({ descriptor, waits: [{ account: "alice", mailbox, told }] }));
    const behind = wait(10, 5, 8);
    wait(11, 5, 9);
    wait(12, 6, 1);
    const any = wait(13, 0, 8);
    table.add(sessionOf({ descriptor: 14, waits: [{ account: "bob", mailbox: 5, told: 1 }] }));
    table.changed("alice", 5, 9);
    assert.deepEqual(woken, [{ rows: [behind, any], cause: "changed" }]);
    table.changed("alice", 5, 10);
    assert.equal(woken[1]!.rows.length, 1, "those that are awake are left alone");
    table.changed("carol", 5, 10);
    assert.equal(woken.length, 2);
  });

  test("a change that comes while a session is awake is told when it is rearmed", () => {
    const { table, woken, ready, clock } = setUp();
    const row = table.add(
      sessionOf({ descriptor: 10, waits: [{ account: "alice", mailbox: 5, told: 8 }] }),
    );
    ready(row);
    table.changed("alice", 5, 9);
    assert.deepEqual(woken.splice(0), [{ rows: [row], cause: "readable" }]);
    table.rearm(row, Infinity);
    assert.deepEqual(woken, [], "not within the call");
    clock.advance(1);
    assert.deepEqual(woken, [{ rows: [row], cause: "changed" }]);
  });

  test("the peer's end is told after its last bytes were read", () => {
    const { table, woken, ready, readiness } = setUp();
    const row = table.add(sessionOf({ descriptor: 10 }));
    ready(row, 1);
    table.rearm(row, Infinity);
    readiness.ended.add(10);
    ready(row, 1);
    assert.deepEqual(
      woken.map((w) => w.cause),
      ["readable", "hang-up"],
    );
  });

  test("a row that is removed within a wake-up is not used again in it", () => {
    const rows: number[] = [];
    let added = 0;
    const { table } = setUp({
      woken: (woken) => {
        for (const row of woken) table.remove(row);
        added = table.add(sessionOf({ descriptor: 99 }));
        assert.ok(!woken.includes(added));
      },
    });
    for (let i = 0; i < 3; i++)
      rows.push(
        table.add(
          sessionOf({ descriptor: 10 + i, waits: [{ account: "a", mailbox: 1, told: 1 }] }),
        ),
      );
    table.changed("a", 1, 2);
    assert.ok(added > 0);
    assert.ok(rows.includes(table.add(sessionOf({ descriptor: 100 }))), "afterwards it is");
  });

  test("deadlines of one step come together, up to a step late and never early", () => {
    const { table, woken, clock } = setUp();
    const at = (deadlineMs: number): number =>
      table.add(sessionOf({ descriptor: deadlineMs, deadlineMs }));
    const [a, b] = [at(70_001), at(70_999)];
    const c = at(71_001);
    clock.advance(60_999);
    assert.deepEqual(woken, []);
    clock.advance(1);
    assert.deepEqual(
      woken.splice(0).map(({ rows, cause }) => [new Set(rows), cause]),
      [[new Set([a, b]), "deadline"]],
    );
    assert.equal(table.deadline(a), Infinity);
    clock.advance(1_000);
    assert.deepEqual(woken, [{ rows: [c], cause: "deadline" }]);
    assert.equal(clock.timers, 0, "no timer without deadlines");
  });

  test("a session that cannot be watched again after it did not leave is over", () => {
    const { table, readiness, woken } = setUp();
    const [stays, ends] = [10, 11].map((descriptor) => table.add(sessionOf({ descriptor })));
    table.startLeaving(stays!);
    table.startLeaving(ends!);
    table.cancelLeaving(stays!);
    readiness.watchedMax = 1;
    assert.deepEqual(woken, []);
    table.cancelLeaving(ends!);
    assert.deepEqual(woken, [{ rows: [ends], cause: "hang-up" }]);
    assert.equal(table.remove(ends!), 11);
    assert.ok(table.isParked(stays!));
  });

  test("thousands of accounts, addresses and mailboxes are kept apart", () => {
    const { table, woken } = setUp();
    const count = 9_000;
    const rows = Array.from({ length: count }, (_, i) =>
      table.add(
        sessionOf({
          descriptor: i,
          account: `account${i >> 1}`,
          address: `2001:db8::${i.toString(16)}`,
          waits: [{ account: `account${i >> 1}`, mailbox: 1 + (i % 2), told: i }],
          frozen: utf8(`state${i}`),
        }),
      ),
    );
    assert.equal(new Set(rows).size, count);
    assert.equal(table.mailboxes, count);
    for (let i = 0; i < count; i += 3) table.remove(rows[i]!);
    for (let i = 0; i < count; i++) {
      const here = i % 3 === 0 ? 0 : 1;
      assert.equal(table.countOfAddress(`2001:db8::${i.toString(16)}`), here);
      table.changed(`account${i >> 1}`, 1 + (i % 2), i);
      assert.equal(woken.length, 0);
      table.changed(`account${i >> 1}`, 1 + (i % 2), i + 1);
      assert.deepEqual(woken.splice(0), here === 0 ? [] : [{ rows: [rows[i]], cause: "changed" }]);
      if (here === 1) assert.equal(String(Buffer.from(table.take(rows[i]!).frozen)), `state${i}`);
    }
    assert.equal(table.count, 0);
    assert.equal(table.bytes.strings, 0);
  });

  test("what is beyond a limit changes nothing", () => {
    const { table, readiness } = setUp({ sessionsMax: 4, bytesMax: 3 * 65_536 });
    const refused = [
      { tag: new Uint8Array(limits.parkedTagBytesMax + 1) },
      { frozen: new Uint8Array(limits.parkedBytesOfRowMax + 1) },
      { account: "a".repeat(limits.internedTextBytesMax + 1) },
      { address: "a\u{100}" },
      {
        waits: Array.from({ length: limits.parkedWaitsMax + 1 }, (_, mailbox) => ({
          account: "a",
          mailbox,
          told: 1,
        })),
      },
      { waits: [{ account: "b".repeat(100), mailbox: 1, told: 1 }] },
    ];
    for (const parts of refused) assert.equal(table.add(sessionOf({ descriptor: 5, ...parts })), 0);
    readiness.watchedMax = 0;
    assert.equal(table.add(sessionOf({ descriptor: 5 })), 0, "the kernel has no room");
    readiness.watchedMax = Infinity;
    const large = { frozen: new Uint8Array(60_000) };
    assert.notEqual(table.add(sessionOf({ descriptor: 6, ...large })), 0);
    assert.notEqual(table.add(sessionOf({ descriptor: 7, ...large })), 0);
    assert.equal(table.add(sessionOf({ descriptor: 8, ...large })), 0, "no more bytes");
    assert.notEqual(table.add(sessionOf({ descriptor: 9 })), 0);
    assert.notEqual(table.add(sessionOf({ descriptor: 10 })), 0);
    assert.equal(table.add(sessionOf({ descriptor: 11 })), 0, "no more rows");
    assert.equal(table.count, 4);
    assert.equal(table.countOfAccount("alice"), 4);
    assert.equal(readiness.watched.size, 4);
    assert.deepEqual([...table.watched()], []);
  });
});
