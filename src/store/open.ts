import { limits } from "#base/limits.ts";
import { errorText } from "#base/assert.ts";
import type { AccountId, Epoch } from "#base/brand.ts";
import type { Clock } from "#base/clock.ts";
import type { Log } from "#base/log.ts";
import type { Random } from "#base/random.ts";
import type { ObjectStore } from "#objects/index.ts";
import { StoredContents } from "./bodies/contents.ts";
import { LargeBodies } from "./bodies/large-bodies.ts";
import { findIdentity, requireStore, takeEpoch } from "./identity.ts";
import type { Journal, JournalEvents } from "./journal/journal.ts";
import { type Damage, Damages } from "./settled/damage.ts";
import { loadAccount } from "./settled/load.ts";
import { type SettleOptions, settleAccount } from "./settled/settle-account.ts";
import { KeysObject } from "./settled/stored-keys.ts";
import type { SettleContext } from "./settled/write-packs.ts";
import { Settler } from "./settle.ts";
import { usualMailboxes } from "./settings.ts";
import { type InitialMailbox, Store } from "./store.ts";
import { type VerifyOptions, type VerifyReport, verifyAccounts } from "./verify.ts";

/** What the store gives to whoever opens its journal. */
export interface JournalStart {
  /** All that is stored carries it; a journal with another one is refused. */
  readonly storeId: Uint8Array;
  readonly events: JournalEvents;
}

export interface OpenStoreOptions {
  readonly objects: ObjectStore;
  /** Opens the journal beside the objects: `openLocalJournal` or `openObjectJournal`. */
  readonly openJournal: (start: JournalStart) => Promise<Journal>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Refuses any other store than this one. */
  readonly storeId?: Uint8Array;
  readonly initialMailboxes?: readonly InitialMailbox[];
  readonly accountMemoryBytes?: number;
  /** See `limits.storedKeysMessagesMin`, which it is unless a test wants fewer. */
  readonly storedKeysMessagesMin?: number;
}

/** A store with its journal open and its background work running. */
export interface OpenedStore {
  readonly store: Store;
  readonly journal: Journal;
  readonly storeId: Uint8Array;
  readonly epoch: Epoch;
  /** Damages that were met since the store was opened. */
  readonly damages: readonly Damage[];
  /** Settles an account now. Errors: `Refusal` UNAVAILABLE, and what the objects throw. */
  settle(id: AccountId, options?: SettleOptions): Promise<void>;
  /** Settles all accounts; what fails is logged and stays in the journal. */
  settleAll(): Promise<void>;
  /** Checks everything that is stored, or one account. */
  verify(options?: VerifyOptions): Promise<VerifyReport>;
}

const closings = new WeakMap<OpenedStore, (options: CloseStoreOptions) => Promise<void>>();

/**
 * Opens a store, or makes one where there is none: identity, journal (its lock keeps others out),
 * a new epoch, then the records that are not settled. `closeStore` must follow.
 *
 * Errors: `DirectoryLocked`, `JournalCorruption`, `EnvelopeError` (another store's, or a newer
 * Roost's), `Refusal`; whatever the disk throws.
 */
export async function openStore(options: OpenStoreOptions): Promise<OpenedStore> {
  const { objects, clock, random, log } = options;
  const identity = await findIdentity(options);
  requireStore(identity, options.storeId);
  const { storeId } = identity;
  // The journal speaks up only once it has been written to, which takes a store.
  let store: Store | undefined;
  let settler: Settler | undefined;
  const events: JournalEvents = {
    tailPressure: () => settler?.relieve(),
    rejected: (accounts, error) => store?.rejected(accounts, error),
  };
  const journal = await options.openJournal({ storeId, events });
  try {
    const epoch = await takeEpoch(options, storeId);
    const damages = new Damages(log);
    const report = (damage: Damage): void => damages.report(damage);
    const { storedKeysMessagesMin = limits.storedKeysMessagesMin } = options;
    const context: SettleContext = {
      objects,
      storeId,
      clock,
      random,
      epoch,
      journal,
      report,
      storedKeysMessagesMin,
    };
    store = createStore(options, { context, damages });
    settler = new Settler({ store, context, journal, clock, log });
    connect(store, settler, context);
    const opened = openedStore({ store, settler, context, damages, log });
    await replayJournal(journal, store, report);
    settler.begin();
    return opened;
  } catch (error) {
    await journal.close();
    throw error;
  }
}

function createStore(
  options: OpenStoreOptions,
  parts: { readonly context: SettleContext; readonly damages: Damages },
): Store {
  const { clock, log, initialMailboxes = usualMailboxes, accountMemoryBytes } = options;
  const { context, damages } = parts;
  const { objects, journal, epoch } = context;
  const damaged = (account: AccountId, object: string, text: string): void =>
    damages.report({ account, object, text, outcome: "found" });
  return new Store({
    journal,
    clock,
    log,
    epoch,
    initialMailboxes,
    ...(accountMemoryBytes === undefined ? {} : { accountMemoryBytes }),
    contents: new StoredContents({ journal, objects, clock, damaged }),
    largeBodies: new LargeBodies(context),
    settled: {
      async load(id, tail, settledModseq) {
        const loaded = await loadAccount(context, { id, tail, settledModseq });
        return { state: loaded.state, loaded };
      },
      keys(id, name, noted) {
        return new KeysObject(context, { id, name }, (text) => {
          const consequence = `${text}; sort keys are made anew of the messages`;
          damages.report({ account: id, object: name, text: consequence, outcome: "recovered" });
          noted(text);
        });
      },
    },
  });
}

function connect(store: Store, settler: Settler, context: SettleContext): void {
  store.events = {
    changed: (id, tail) => settler.noteChange(id, tail),
    restored: (target) => settleAccount(context, target, { snapshot: true }),
  };
}

async function replayJournal(
  journal: Journal,
  store: Store,
  report: (damage: Damage) => void,
): Promise<void> {
  const entries = journal.replay({
    lost({ segment, offset, bytes, entries }) {
      const accounts = new Set((entries ?? []).map(({ account }) => account));
      const text = `segment ${segment}, ${bytes} bytes from ${offset} on are lost`;
      report({ account: undefined, object: "journal", text, outcome: "lost" });
      for (const account of accounts) report({ account, object: "journal", text, outcome: "lost" });
    },
  });
  for await (const entry of entries) store.replay(entry);
}

function openedStore(parts: {
  store: Store;
  settler: Settler;
  context: SettleContext;
  damages: Damages;
  log: Log;
}): OpenedStore {
  const { store, settler, context, damages, log } = parts;
  const { journal, storeId, epoch } = context;
  const opened: OpenedStore = {
    store,
    journal,
    storeId,
    epoch,
    get damages() {
      return damages.list;
    },
    settle: (id, options) => settler.settle(id, options),
    settleAll: () => settler.settleAll(),
    verify: (options = {}) => verifyAccounts({ store, settler, context, damages }, options),
  };
  closings.set(opened, async ({ settle = true }) => {
    await settler.stop();
    if (settle)
      await settler.settleAll().catch((error: unknown) => {
        log.warn({ error: errorText(error) }, "Not everything could be settled");
      });
    store.stop();
    await journal.close();
  });
  return opened;
}

export interface CloseStoreOptions {
  /** False leaves what is not settled in the journal, which is quicker. */
  readonly settle?: boolean;
}

/**
 * Settles everything, ends the journal and gives up its lock. Sessions and deliveries must have
 * ended before. Nothing is lost by not calling it.
 */
export async function closeStore(
  opened: OpenedStore,
  options: CloseStoreOptions = {},
): Promise<void> {
  const close = closings.get(opened);
  closings.delete(opened);
  await close?.(options);
}
