import { join } from "node:path";
import type { Epoch } from "#base/brand.ts";
import { Delivery } from "#delivery/index.ts";
import { openFilesystemObjectStore, openLocalSegmentFiles } from "#objects/index.ts";
import { ArrivingBytes, capabilities, serveImap } from "#protocols/imap/index.ts";
import { serveLmtp } from "#protocols/lmtp/index.ts";
import { prepareMessage, Store } from "#store/index.ts";
import { ByteBudget } from "#base/byte-budget.ts";
import { limits } from "#base/limits.ts";
import { hostname } from "node:os";
import { openLocalJournal } from "../store/journal/local-journal.ts";
import { StoredContents } from "../store/bodies/contents.ts";
import { LargeBodies } from "../store/bodies/large-bodies.ts";
import { AccountState } from "../store/index/account-state.ts";
import type { MailService, MailServiceParts } from "./mail-service.ts";

/**
 * Builds journal, store, delivery and the protocols over them. This is the one place where they
 * are plugged in; nothing else in `roles` knows how mail is kept.
 */
export async function openMailService(parts: MailServiceParts): Promise<MailService> {
  const { settings, clock, random, log, directory, shutdown } = parts;
  const objects = await openFilesystemObjectStore({
    root: join(settings.dataDir, "objects"),
    random,
  });
  const files = await openLocalSegmentFiles({ directory: join(settings.dataDir, "journal") });
  const storeId = new Uint8Array(16);
  const journal = await openLocalJournal({
    files,
    storeId,
    random,
    events: { rejected: (accounts, error) => store.rejected(accounts, error) },
  });
  const epoch = 1 as Epoch;
  const store = new Store({
    journal,
    settled: { load: async (id) => ({ state: new AccountState(id), place: undefined }) },
    contents: new StoredContents({ journal, objects, clock, damaged: () => undefined }),
    largeBodies: new LargeBodies({ objects, storeId, epoch, random, clock }),
    clock,
    log,
    epoch,
    initialMailboxes: [
      { name: "INBOX" },
      { name: "Drafts", specialUse: "\\Drafts" },
      { name: "Sent", specialUse: "\\Sent" },
      { name: "Junk", specialUse: "\\Junk" },
      { name: "Trash", specialUse: "\\Trash" },
      { name: "Archive", specialUse: "\\Archive" },
    ],
  });
  for await (const entry of journal.replay()) store.replay(entry);
  const delivery = new Delivery({
    store,
    directory,
    clock,
    hooks: { onRecipient: undefined, onDeliver: undefined },
    prepare: prepareMessage,
  });
  const arrivingBytes = new ArrivingBytes();
  const arriving = new ByteBudget(limits.arrivingBytesMax);
  return {
    imapGreetingCapabilities: ["IMAP4rev1", "IMAP4rev2", "SASL-IR", "LITERAL+", "ID"],
    startImap: (arrival) =>
      serveImap(arrival, { store, clock, log, shutdown, prepareMessage, arrivingBytes }),
    serveLmtp: (connection) =>
      serveLmtp(connection, {
        deliver: delivery,
        clock,
        log,
        arriving,
        hostname: hostname(),
        messageBytesMax: limits.messageBytesMax,
      } as never),
    desk: { store, delivery },
    health: () => undefined,
    close: () => journal.close(),
  };
}
void capabilities;
