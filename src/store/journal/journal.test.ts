import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { after, test } from "node:test";
import { seededRandom, systemRandom } from "#base/random.ts";
import {
  MemoryObjectStore,
  type ObjectStore,
  type SegmentFiles,
  SimulatedDisk,
  openFilesystemObjectStore,
  openLocalSegmentFiles,
} from "#objects/index.ts";
import { type JournalWorld, collect, journalContract } from "./journal.contract.ts";
import { comparePositions, journalStart, parsePosition, positionText } from "./journal.ts";
import { openLocalJournal } from "./local-journal.ts";
import { fence, openObjectJournal, readObjectJournal } from "./object-journal.ts";

const directory = fs.mkdtempSync(path.join(os.tmpdir(), "roost-journal-"));
after(() => fs.rmSync(directory, { recursive: true }));
let count = 0;
const storeId = systemRandom.bytes(16);
const random = systemRandom;

function localWorld(files: SegmentFiles): JournalWorld {
  return {
    open: (options = {}) => openLocalJournal({ files, storeId, random, ...options }),
    async readBack() {
      const journal = await openLocalJournal({ files, storeId, random });
      const entries = await collect(journal.replay());
      await journal.close();
      return entries;
    },
  };
}

function objectWorld(store: ObjectStore): JournalWorld {
  let incarnation = 0;
  return {
    open: async (options = {}) =>
      openObjectJournal({ store, storeId, random, prefix: `journal/${++incarnation}`, ...options }),
    async readBack() {
      const source = { store, storeId, prefix: `journal/${incarnation}` };
      const from = { segment: 1, batch: 1 };
      await fence({ ...source, random, by: "test", from });
      return collect(readObjectJournal(source));
    },
  };
}

journalContract("local form, simulated disk", async () =>
  localWorld(new SimulatedDisk({ random: seededRandom(count++) }).mount()),
);
journalContract("local form, real files", async () =>
  localWorld(await openLocalSegmentFiles({ directory: path.join(directory, `${count++}`) })),
);
journalContract("object form, memory", async () => objectWorld(new MemoryObjectStore()));
journalContract("object form, filesystem", async () =>
  objectWorld(
    await openFilesystemObjectStore({ root: path.join(directory, `${count++}`), random }),
  ),
);

test("positions have a text in their order", () => {
  const positions = [
    journalStart,
    { segment: 1, batch: 1, index: 0 },
    { segment: 1, batch: 1, index: 16_383 },
    { segment: 1, batch: 2, index: 0 },
    { segment: 0x1_0000, batch: 1, index: 0 },
    { segment: 0xffff_ffff, batch: 0xffff_ffff, index: 0xffff },
  ];
  for (const [i, position] of positions.entries()) {
    assert.deepEqual(parsePosition(positionText(position)), position);
    if (i === 0) continue;
    assert.ok(comparePositions(positions[i - 1]!, position) < 0);
    assert.ok(positionText(positions[i - 1]!) < positionText(position));
  }
  assert.throws(() => parsePosition("1.2.3"), { name: "FormatError" });
});
