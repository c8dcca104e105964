import type { Epoch } from "#base/brand.ts";
import type { AccountState, JournaledContent } from "../index/account-state.ts";
import type { NamedObject } from "./head-codec.ts";
import type { LoadedAccount } from "./load.ts";
import { parseObjectName } from "./names.ts";

/** A snapshot with the deltas upon it. */
export interface SnapshotChain {
  readonly snapshot: NamedObject;
  readonly deltas: NamedObject[];
}

/** An object with sort keys. */
export interface StoredKeysName {
  readonly name: string;
  readonly messages: number;
}

/** Which objects an account consists of; what settling knows of one that is in memory. */
export interface SettledObjects {
  /** The account's modseq in the newest head. */
  modseq: number;
  /** Names of the newest heads, the last one counts. */
  heads: string[];
  current: SnapshotChain | undefined;
  /** Kept in case the current one turns out to be damaged. */
  previous: SnapshotChain | undefined;
  /** Sort keys, and the number of the account's next content when they were made. */
  keys: StoredKeysName | undefined;
  /** Nothing refers to these; the next settling declares them dropped. */
  obsolete: string[];
  /** Deleted; the next settling says so. */
  deleted: string[];
  /** Damaged; the next settling keeps copies of them and drops them. */
  unsound: string[];
  /** All that were ever found damaged: nothing is to rely on them. */
  readonly damaged: Set<string>;
  needsSnapshot: boolean;
  /** Contents and packs that cannot be read: settling passes them over. */
  readonly unreadable: Set<JournaledContent | string>;
}

/**
 * What the objects of a loaded account are good for. Packs of earlier epochs to which nothing
 * refers were left by a crash.
 */
export function settledObjects(loaded: LoadedAccount, epoch: Epoch): SettledObjects {
  const { head, headName, state, names } = loaded;
  const settled: SettledObjects = {
    modseq: head?.modseq ?? 0,
    heads: headName === undefined ? [] : [headName],
    current: head === undefined ? undefined : { snapshot: head.snapshot, deltas: [...head.deltas] },
    previous: undefined,
    keys: newestKeys(loaded),
    obsolete: [],
    deleted: [],
    unsound: [...loaded.unsound],
    damaged: new Set(loaded.unsound),
    needsSnapshot: head === undefined || loaded.patched,
    unreadable: new Set(),
  };
  settled.previous = previousChain(loaded);
  const kept = new Set<string>([...settled.heads, ...settled.unsound, ...state.dropped.keys()]);
  for (const chain of [settled.current, settled.previous])
    for (const { name } of chain === undefined ? [] : [chain.snapshot, ...chain.deltas])
      kept.add(name);
  for (const pack of state.packs.values()) kept.add(pack.name);
  if (settled.keys !== undefined) kept.add(settled.keys.name);
  for (const name of names) {
    const parsed = parseObjectName(name);
    if (parsed === undefined || kept.has(name)) continue;
    const holdsMail = parsed.kind === "pack" || parsed.kind === "body";
    // What was put under this epoch may be about to be named by a record.
    if (!holdsMail || parsed.epoch < epoch) settled.obsolete.push(name);
  }
  return settled;
}

/** The newest snapshot before the current one, and the deltas between them. */
function previousChain(loaded: LoadedAccount): SnapshotChain | undefined {
  const { head, names, state, unsound } = loaded;
  const used = new Set([head?.snapshot.name, ...(head?.deltas ?? []).map(({ name }) => name)]);
  const left = names.filter(
    (name) => !used.has(name) && !state.dropped.has(name) && !unsound.includes(name),
  );
  const snapshots = left.filter((name) => name.startsWith("snapshot-"));
  const newest = snapshots.sort((a, b) => modseqOf(a) - modseqOf(b)).at(-1);
  if (newest === undefined) return undefined;
  const deltas = left.filter(
    (name) => name.startsWith("delta-") && modseqOf(name) > modseqOf(newest),
  );
  return { snapshot: sized(newest), deltas: deltas.map(sized) };
}

/** A state that is no sum of records may give the numbers of its contents a second time. */
function newestKeys({
  names,
  restored,
  state,
  unsound,
}: LoadedAccount): StoredKeysName | undefined {
  if (restored) return undefined;
  const newest = names
    .filter((name) => name.startsWith("keys-"))
    .filter((name) => !state.dropped.has(name) && !unsound.includes(name))
    .sort()
    .at(-1);
  const parsed = newest === undefined ? undefined : parseObjectName(newest);
  return parsed?.kind === "keys" ? { name: newest!, messages: parsed.messages } : undefined;
}

function sized(name: string): NamedObject {
  return { name, bytes: 0 };
}

function modseqOf(name: string): number {
  const parsed = parseObjectName(name);
  return parsed?.kind === "snapshot" || parsed?.kind === "delta" ? parsed.modseq : 0;
}

/** Marks an object as damaged: it is kept aside and replaced. */
export function noteDamaged(settled: SettledObjects, name: string): void {
  if (settled.damaged.has(name)) return;
  settled.damaged.add(name);
  if (settled.keys?.name === name) settled.keys = undefined;
  settled.unsound.push(name);
}

/** Notes a new snapshot; the one before the previous becomes obsolete. */
export function noteSnapshot(settled: SettledObjects, snapshot: NamedObject): void {
  const { previous, current, damaged } = settled;
  if (current !== undefined && damaged.has(current.snapshot.name)) {
    // The deltas upon it still follow upon those before it.
    previous?.deltas.push(...current.deltas);
  } else {
    if (previous !== undefined)
      for (const { name } of [previous.snapshot, ...previous.deltas]) settled.obsolete.push(name);
    settled.previous = current;
  }
  settled.current = { snapshot, deltas: [] };
  settled.needsSnapshot = false;
}

/** Notes new sort keys; those before them become obsolete. */
export function noteKeys(settled: SettledObjects, keys: StoredKeysName): void {
  if (settled.keys !== undefined) settled.obsolete.push(settled.keys.name);
  settled.keys = keys;
}

/** Notes a new head; the one before it is kept, older ones become obsolete. */
export function noteHead(settled: SettledObjects, name: string, modseq: number): void {
  settled.heads.push(name);
  settled.obsolete.push(...settled.heads.splice(0, settled.heads.length - 2));
  settled.modseq = modseq;
}

/** Names of all sound objects that are in use. */
export function usedNames(settled: SettledObjects, state: AccountState): Set<string> {
  const used = new Set<string>(settled.heads);
  for (const chain of [settled.current, settled.previous])
    for (const { name } of chain === undefined ? [] : [chain.snapshot, ...chain.deltas])
      used.add(name);
  if (settled.keys !== undefined) used.add(settled.keys.name);
  for (const name of settled.damaged) used.delete(name);
  // A damaged pack has messages that are sound until they lie elsewhere.
  for (const pack of state.packs.values()) used.add(pack.name);
  return used;
}
