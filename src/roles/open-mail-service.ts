import { hostname } from "node:os";
import { join } from "node:path";
import { Refusal } from "#base/assert.ts";
import { limits } from "#base/limits.ts";
import { Delivery } from "#delivery/index.ts";
import {
  DirectoryLocked,
  openFilesystemObjectStore,
  openLocalSegmentFiles,
} from "#objects/index.ts";
import { ArrivingBytes, capabilities } from "#protocols/imap/index.ts";
import { DeliveryLog, serveLmtp } from "#protocols/lmtp/index.ts";
import { capabilities as pop3Capabilities } from "#protocols/pop3/index.ts";
import { MaildropLocks, servePop3 } from "#protocols/pop3/index.ts";
import {
  closeStore,
  type Damage,
  JournalCorruption,
  type OpenedStore,
  openLocalJournal,
  openStore,
  prepareInSlices,
} from "#store/index.ts";
import { imapSessions } from "./imap-session.ts";
import type { MailService, MailServiceParts } from "./mail-service.ts";

/**
 * Builds journal, store, delivery and the protocols over them. This is the one place where they
 * are plugged in; nothing else in `roles` knows how mail is kept.
 */
export async function openMailService(parts: MailServiceParts): Promise<MailService> {
  const { settings, clock, log, directory, shutdown } = parts;
  const opened = await openLocalStore(parts);
  const { store, journal } = opened;
  const { onRecipient, onDeliver } = settings;
  const delivery = new Delivery({
    store,
    directory,
    clock,
    hooks: { onRecipient, onDeliver },
    prepare: prepareInSlices,
  });
  const arrivingBytes = new ArrivingBytes();
  const imap = {
    ...{ store, clock, log, shutdown, arrivingBytes },
    freezeAfterMs: settings.parkAfterMs === false ? undefined : settings.parkAfterMs,
    prepareMessage: (message: Uint8Array, options: { readonly binary: boolean }) =>
      prepareInSlices(message, { ...options, clock }),
  };
  const pop3 = { store, clock, log, shutdown, locks: new MaildropLocks() };
  const lmtp = {
    deliver: delivery,
    clock,
    log,
    arriving: arrivingBytes.allowanceOf("LMTP"),
    hostname: settings.hostname ?? hostname(),
    messageBytesMax: limits.messageBytesMax,
    deliveryLog: new DeliveryLog({ clock, log, metrics: parts.metrics }),
  };
  return {
    imapGreetingCapabilities: capabilities.filter((name) => greeted.has(name)),
    imap: imapSessions(imap),
    whenChanged: (listener) => store.changes.listen(listener),
    pop3Capabilities,
    startPop3: (arrival) => servePop3(arrival, { ...pop3, shutdown: arrival.shutdown }),
    serveLmtp: (connection) => serveLmtp(connection, lmtp),
    desk: { store, delivery, verify: (options) => verify(opened, options) },
    health: () => (journal.state === "open" ? undefined : "The journal does not take records"),
    close: () => closeStore(opened),
  };
}

/** What a client may want to know before it logs in. */
const greeted = new Set(["IMAP4rev1", "IMAP4rev2", "LITERAL+", "SASL-IR", "ID", "ENABLE"]);

/** Opens the store in the data folder. Errors: `Refusal` INUSE, CORRUPTION. */
async function openLocalStore(parts: MailServiceParts): Promise<OpenedStore> {
  const { settings, clock, random, log, repairJournal } = parts;
  const root = join(settings.dataDir, "objects");
  const objects = await openFilesystemObjectStore({ root, random });
  const files = await openLocalSegmentFiles({ directory: join(settings.dataDir, "journal") });
  const repair = repairJournal === true ? { repair: true } : {};
  try {
    return await openStore({
      objects,
      openJournal: (start) => openLocalJournal({ files, random, ...start, ...repair }),
      clock,
      random,
      log,
      ...settings.store,
    });
  } catch (cause) {
    if (cause instanceof DirectoryLocked) throw new Refusal("INUSE", cause.message, { cause });
    if (cause instanceof JournalCorruption) {
      const text = `${cause.message}. "roost verify --repair" goes on without what is damaged`;
      throw new Refusal("CORRUPTION", text, { cause });
    }
    throw cause;
  }
}

type Verify = NonNullable<MailService["desk"]["verify"]>;

async function verify(opened: OpenedStore, options: Parameters<Verify>[0]): ReturnType<Verify> {
  const { objects, bytes, damages, repaired } = await opened.verify(options);
  return { objects, bytes, repaired, problems: damages.map(sentence) };
}

function sentence({ account, object, text, outcome }: Damage): string {
  const where = account === undefined ? object : `account ${account}, ${object}`;
  const ends = { recovered: "made good", lost: "what it held is lost", found: "not repaired" };
  return `${where}: ${text} (${ends[outcome]})`;
}
