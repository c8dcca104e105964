/**
 * The journal alone: appends that are durable, by the number of appenders, on the local form (real
 * files, one fdatasync per batch) and the object form over files.
 *
 *     node bench/journal.bench.ts [directory] [seconds per row]
 */
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import type { AccountId, Epoch, Shard } from "#base/brand.ts";
import { systemRandom } from "#base/random.ts";
import { openFilesystemObjectStore, openLocalSegmentFiles } from "#objects/index.ts";
import type { Journal } from "../src/store/journal/journal.ts";
import { openLocalJournal } from "../src/store/journal/local-journal.ts";
import { openObjectJournal } from "../src/store/journal/object-journal.ts";

const root = fs.mkdtempSync(path.join(process.argv[2] ?? os.tmpdir(), "roost-bench-"));
const seconds = Number(process.argv[3] ?? 2);
const storeId = systemRandom.bytes(16);
const random = systemRandom;

async function openLocal(name: string): Promise<Journal> {
  const files = await openLocalSegmentFiles({ directory: path.join(root, name) });
  return openLocalJournal({ files, storeId, random });
}

async function openObjects(name: string): Promise<Journal> {
  const store = await openFilesystemObjectStore({ root: path.join(root, name), random });
  return openObjectJournal({ store, storeId, random, prefix: "journal/bench" });
}

interface Row {
  readonly form: "local" | "object";
  readonly appenders: number;
  readonly bytes: number;
}

async function measure({ form, appenders, bytes }: Row): Promise<string> {
  const name = `${form}-${appenders}-${bytes}`;
  const journal = await (form === "local" ? openLocal(name) : openObjects(name));
  const payload = random.bytes(bytes);
  let appends = 0;
  let worstMs = 0;
  const cpu = process.cpuUsage();
  const start = performance.now();
  const end = start + seconds * 1000;
  const appender = async (number: number): Promise<void> => {
    const account = `bench${String(number).padStart(11, "a")}` as AccountId;
    const entry = { shard: (number % 1024) as Shard, epoch: 1 as Epoch, account, payload };
    while (performance.now() < end) {
      const before = performance.now();
      await journal.append(entry);
      worstMs = Math.max(worstMs, performance.now() - before);
      appends++;
    }
  };
  let batches = 0;
  const settler = setInterval(() => {
    const { batches: before } = journal.tail;
    void journal.deleteSettled(journal.next).then(() => (batches += before - journal.tail.batches));
  }, 100);
  await Promise.all(Array.from({ length: appenders }, (_, i) => appender(i)));
  const ms = performance.now() - start;
  clearInterval(settler);
  const { user, system } = process.cpuUsage(cpu);
  batches += journal.tail.batches;
  await journal.close();
  fs.rmSync(path.join(root, name), { recursive: true });
  return [
    form.padEnd(6),
    `${appenders} appenders`.padStart(14),
    `${bytes} B`.padStart(9),
    `${Math.round((appends / ms) * 1000).toLocaleString("en")}/s`.padStart(11),
    `${(appends / batches).toFixed(1)} per batch`.padStart(16),
    `${((user + system) / appends).toFixed(1)} µs CPU each`.padStart(18),
    `worst ${worstMs.toFixed(1)} ms`.padStart(16),
  ].join(" ");
}

const rows: Row[] = [];
for (const appenders of [1, 16, 256])
  for (const bytes of [100, 5_000]) rows.push({ form: "local", appenders, bytes });
rows.push({ form: "object", appenders: 16, bytes: 5_000 });

try {
  for (const row of rows) console.log(await measure(row));
} finally {
  fs.rmSync(root, { recursive: true });
}
