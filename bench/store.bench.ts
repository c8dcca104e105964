/**
 * The store alone, over real files: delivering, settling and loading an account of 100,000 messages.
 *
 *   node --expose-gc bench/store.bench.ts [messages]
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AccountId, MailboxNumber } from "#base/brand.ts";
import { systemClock } from "#base/clock.ts";
import { silentLog } from "#base/log.ts";
import { systemRandom } from "#base/random.ts";
import { openFilesystemObjectStore, openLocalSegmentFiles } from "#objects/index.ts";
import {
  closeStore,
  type OpenedStore,
  openLocalJournal,
  openStore,
  prepareMessage,
} from "#store/index.ts";

const count = Number(process.argv[2] ?? 100_000);
const id = "bencheeeeeeeeeee" as AccountId;
const inbox = 1 as MailboxNumber;
const root = mkdtempSync(join(tmpdir(), "roost-store-"));

async function open(): Promise<OpenedStore> {
  const random = systemRandom;
  const objects = await openFilesystemObjectStore({ root: join(root, "objects"), random });
  const files = await openLocalSegmentFiles({ directory: join(root, "journal") });
  return openStore({
    objects,
    openJournal: (start) => openLocalJournal({ ...start, files, random }),
    clock: systemClock,
    random,
    log: silentLog,
  });
}

async function timed<T>(what: string, run: () => T | Promise<T>): Promise<T> {
  const start = performance.now();
  const result = await run();
  console.log(`${(performance.now() - start).toFixed(1).padStart(10)} ms  ${what}`);
  return result;
}

/** Bytes in use, after all garbage was collected. */
async function memory(): Promise<number> {
  for (let i = 0; i < 5; i++) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** The longest time during which nothing else could run. */
async function longestPause<T>(run: () => Promise<T>): Promise<T> {
  let longest = 0;
  let last = performance.now();
  let on = true;
  const tick = (): void => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
    if (on) setImmediate(tick);
  };
  setImmediate(tick);
  const result = await run();
  on = false;
  console.log(`${longest.toFixed(1).padStart(10)} ms  longest pause meanwhile`);
  return result;
}

function message(number: number): Uint8Array {
  const head =
    `Received: from a.example.org by b.example.org with ESMTP id ${number}\r\n` +
    `Message-ID: <${number}@example.org>\r\nReferences: <${number >> 3}@example.org>\r\n` +
    `Date: Sat, 22 Nov 2025 15:00:00 +0100\r\nSubject: Message ${number}\r\n` +
    `From: Alice <alice@example.org>\r\nTo: Bob <bob@example.org>\r\n\r\n`;
  const line = `Line of message ${number} with words that repeat themselves\r\n`;
  return Buffer.from(head + line.repeat(30));
}

try {
  let opened = await timed("open an empty store", open);
  let account = await opened.store.open(id, { accountId: id });
  await timed(`deliver ${count} messages of 2 KB, parsed and durable`, async () => {
    for (let i = 0; i < count; i += 100) {
      for (let k = 0; k < 100; k++)
        void account.addMessages(inbox, [
          {
            prepared: prepareMessage(message(i + k)),
            flags: { bits: k & 1, keywords: [] },
            internalDate: i,
          },
        ]);
      await account.durable();
    }
  });
  await longestPause(() => timed("settle what is left", () => opened.settle(id)));
  await longestPause(() =>
    timed("settle with a snapshot", () => opened.settle(id, { snapshot: true })),
  );
  account.changeFlags(inbox, Uint32Array.of(5, 5), {
    mode: "add",
    flags: { bits: 2, keywords: [] },
  });
  await timed("settle one changed flag", () => opened.settle(id));
  opened.store.close(account);
  await timed("close the store", () => closeStore(opened));

  opened = await timed("open the store", open);
  account = await timed(`load an account of ${count} messages`, () =>
    opened.store.open(id, { accountId: id }),
  );
  const loaded = account;
  const { message: contents } = loaded.state.mailboxes.get(inbox)!.rows.arrays;
  for (const round of ["first", "second"])
    await timed(`cached fields of all, ${round} time`, async () => {
      let sum = 0;
      for (let row = 0; row < count; row++) {
        const fields = loaded.fields(contents[row]!);
        sum += (fields instanceof Uint8Array ? fields : await fields).length;
      }
      return sum;
    });
  await timed("bodies of 10,000", async () => {
    for (let row = 0; row < Math.min(count, 10_000); row++) {
      const body = loaded.body(contents[row]!);
      if (!(body instanceof Uint8Array)) await body;
    }
  });
  opened.store.close(account);
  opened.store.evict(0);
  const before = await memory();
  account = await timed("load it again, warm", () => opened.store.open(id, { accountId: id }));
  const megabytes = (((await memory()) - before) / 1e6).toFixed(1);
  const estimate = (account.state.memoryBytes / 1e6).toFixed(1);
  console.log(`${megabytes.padStart(10)} MB  memory of it (its own estimate ${estimate} MB)`);
  const report = await timed("verify everything", () => opened.verify());
  console.log(
    `${String(report.objects).padStart(10)} objects, ${(report.bytes / 1e6).toFixed(1)} MB, ${report.damages.length} damages`,
  );
  console.log(`${String(account.state.packs.size).padStart(10)} packs`);
  opened.store.close(account);
  await closeStore(opened);
} finally {
  if (process.env["KEEP"]) console.log(root);
  else rmSync(root, { recursive: true });
}
