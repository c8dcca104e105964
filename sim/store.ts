import type { Clock } from "#base/clock.ts";
import type { Epoch } from "#base/brand.ts";
import type { Log } from "#base/log.ts";
import { Store } from "#store/index.ts";
import { StoredContents } from "../src/store/bodies/contents.ts";
import { LargeBodies } from "../src/store/bodies/large-bodies.ts";
import { AccountState } from "../src/store/index/account-state.ts";
import { openLocalJournal } from "../src/store/journal/local-journal.ts";
import type { SimMachine } from "./server.ts";

export interface SimStore {
  readonly store: Store;
  close(): Promise<void>;
}

export async function openSimStore(
  parts: Omit<SimMachine, "clock"> & { clock: Clock; log: Log },
): Promise<SimStore> {
  const { objects, files, storeId, random, clock, log } = parts;
  const epoch = 1 as Epoch;
  const journal = await openLocalJournal({
    files,
    storeId,
    random,
    limits: { segmentBytes: 512 * 1024, batchBytesMax: 128 * 1024 } as never,
    events: { rejected: (accounts, error) => store.rejected(accounts, error) },
  });
  const store: Store = new Store({
    journal,
    settled: { load: async (id) => ({ state: new AccountState(id), place: undefined }) },
    contents: new StoredContents({ journal, objects, clock, damaged: () => undefined }),
    largeBodies: new LargeBodies({ objects, storeId, epoch, random, clock }),
    clock,
    log,
    epoch,
    initialMailboxes: [{ name: "INBOX" }, { name: "Archive" }, { name: "Trash" }],
  });
  for await (const entry of journal.replay()) store.replay(entry);
  return { store, close: () => journal.close() };
}
