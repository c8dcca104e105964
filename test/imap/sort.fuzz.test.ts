/** SORT against a naive one that compares messages by their keys, one after the other. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Random, seededRandom } from "#base/random.ts";
import { TestMailbox, type TestMessage } from "./testing.ts";

const seed = 20261123;

interface Known {
  readonly uid: number;
  readonly keys: Readonly<Record<string, string | number>>;
}

const fold = (text: string): string => text.normalize("NFKD").toUpperCase();

function make(random: Random, uid: number): { known: Known; message: TestMessage } {
  const pick = (list: readonly string[]): string => list[random.below(list.length)]!;
  const person = (): string => pick(["alice", "Bob", "bob", "carol", "", "zoe"]);
  const from = person();
  const to = person();
  const cc = person();
  const base = pick(["apple", "Apple", "berry", "größe", "", `unique ${uid}`]);
  // A blob that nothing follows would be the subject itself.
  const prefix = pick(base === "" ? ["", "Re: ", "fw: "] : ["", "Re: ", "Fwd: [x] ", "[list] "]);
  const subject = prefix + base;
  const sent = random.below(4) === 0 ? undefined : random.below(40) * 1_000_000 - 20_000_000;
  const internalDate = random.below(20) * 5_000_000_000;
  const lines = [`Subject: =?utf-8?b?${Buffer.from(subject).toString("base64")}?=`];
  if (from !== "") lines.push(`From: <${from}@example.org>`);
  if (to !== "") lines.push(`To: X <${to}@example.org>, last@example.org`);
  if (cc !== "") lines.push(`Cc: ${cc}@example.org`);
  if (sent !== undefined) lines.push(`Date: ${new Date(sent * 1000).toUTCString()}`);
  else if (random.below(3) === 0) lines.push("Date: not at all");
  const text = `${lines.join("\r\n")}\r\n\r\n${"x".repeat(random.below(3))}`;
  const keys = {
    ARRIVAL: Math.floor(internalDate / 1000),
    CC: fold(cc),
    DATE: sent ?? Math.floor(internalDate / 1000),
    FROM: fold(from),
    SIZE: Buffer.byteLength(text),
    SUBJECT: fold(base),
    TO: fold(to),
  };
  return { known: { uid, keys }, message: { text, internalDate } };
}

function compare(a: Known, b: Known, criteria: readonly string[]): number {
  for (const criterion of criteria) {
    const key = criterion.split(" ").at(-1)!;
    const sign = criterion.startsWith("REVERSE") ? -1 : 1;
    const [left, right] = [a.keys[key]!, b.keys[key]!];
    if (left !== right) return left < right ? -sign : sign;
  }
  return a.uid - b.uid;
}

async function run(later: boolean, rounds: number): Promise<void> {
  const random = seededRandom(seed);
  const mailbox = await TestMailbox.open();
  if (later) mailbox.readLater();
  const client = await mailbox.select();
  const state: { known: Known[]; uid: number } = { known: [], uid: 0 };
  for (let round = 0; round < rounds; round++) {
    // Messages come and go between the commands, now and then many.
    const fresh = Array.from({ length: random.below(round % 10 === 0 ? 80 : 4) }, () =>
      make(random, ++state.uid),
    );
    await mailbox.add(fresh.map(({ message }) => message));
    state.known.push(...fresh.map((each) => each.known));
    const gone = state.known.filter(() => random.below(30) === 0).map((each) => each.uid);
    await mailbox.expunge(gone);
    const known = state.known.filter((each) => !gone.includes(each.uid));
    state.known = known;
    await client.command("NOOP");
    const criteria = Array.from({ length: 1 + random.below(4) }, () => {
      const key = ["ARRIVAL", "CC", "DATE", "FROM", "SIZE", "SUBJECT", "TO"][random.below(7)]!;
      return random.below(3) === 0 ? `REVERSE ${key}` : key;
    });
    const low = random.below(3) === 0 ? 1 + random.below(state.uid + 1) : 1;
    const high = random.below(3) === 0 ? low + random.below(6) : 0xffff_ffff;
    const command = `(${criteria.join(" ")}) UTF-8 UID ${low}:${high}`;
    const sorted = known
      .filter((each) => each.uid >= low && each.uid <= high)
      .toSorted((a, b) => compare(a, b, criteria));
    const context = `seed ${seed}, round ${round}: ${command}`;
    const uids = sorted.map((each) => each.uid);
    assert.deepEqual(await client.numbers("SORT", `UID SORT ${command}`), uids, context);
    const seqs = sorted.map((each) => known.indexOf(each) + 1);
    assert.deepEqual(await client.numbers("SORT", `SORT ${command}`), seqs, context);
  }
}

test("SORT orders as a naive comparison does", () => run(false, 150));
test("SORT orders the same when contents come later", () => run(true, 30));

test("sessions that sort one mailbox at the same time do not disturb each other", async () => {
  const random = seededRandom(seed + 1);
  const mailbox = await TestMailbox.open();
  mailbox.readLater();
  const clients = [await mailbox.select(), await mailbox.select(), await mailbox.select()];
  const known: Known[] = [];
  for (let round = 0; round < 6; round++) {
    const fresh = Array.from({ length: 60 }, (_, i) => make(random, known.length + i + 1));
    known.push(...fresh.map((each) => each.known));
    await mailbox.add(fresh.map(({ message }) => message));
    const criteria = [["SUBJECT", "FROM"], ["FROM", "CC"], ["REVERSE SUBJECT"]];
    const answers = clients.map(async (client, index) => {
      await client.command("NOOP");
      return client.numbers("SORT", `SORT (${criteria[index]!.join(" ")}) UTF-8 ALL`);
    });
    for (const [index, answer] of (await Promise.all(answers)).entries()) {
      const sorted = known.toSorted((a, b) => compare(a, b, criteria[index]!));
      assert.deepEqual(
        answer,
        sorted.map(({ uid }) => uid),
        `seed ${seed + 1}, round ${round}, client ${index}`,
      );
    }
  }
});
