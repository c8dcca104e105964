import type { Clock } from "#base/clock.ts";
import type { Log } from "#base/log.ts";
import { FaultyObjectStore } from "#objects/index.ts";
import { type OpenedStore, openLocalJournal, openStore } from "#store/index.ts";
import type { SimMachine } from "./server.ts";

/** Segments so small that a short life fills several. */
const journalLimits = {
  segmentBytes: 256 * 1024,
  batchBytesMax: 64 * 1024,
  tailBytesMax: 1024 * 1024,
};

/** Opens the store on the disk of the simulated machine. */
export function openSimStore(
  machine: SimMachine,
  parts: { clock: Clock; log: Log },
): Promise<OpenedStore> {
  const { disk, random } = machine;
  const { clock, log } = parts;
  // Calls of a process that has died never come to their end.
  const rates = machine.objectFaults;
  const objects = new FaultyObjectStore(machine.objects, { random, clock, delayMsMax: 3, rates });
  const files = disk.mount();
  return openStore({
    objects,
    openJournal: (start) => openLocalJournal({ files, random, limits: journalLimits, ...start }),
    clock,
    random,
    log,
    initialMailboxes: [{ name: "INBOX" }, { name: "Archive" }, { name: "Trash" }],
    accountMemoryBytes: 0,
    storedKeysMessagesMin: 8,
  });
}
