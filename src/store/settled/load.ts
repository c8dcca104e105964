/**
 * Loading an account: its newest head with snapshot and deltas, then the records of the journal.
 * Where one of them is damaged, the next source: older snapshots with all deltas, then packs.
 */
import type { AccountId } from "#base/brand.ts";
import { AccountState } from "../index/account-state.ts";
import { Slices } from "../slices.ts";
import { type Delta, type TailUnit, decodeDelta } from "./delta-codec.ts";
import { type Head, decodeHead } from "./head-codec.ts";
import { accountFolder, parseObjectName } from "./names.ts";
import { type SettledContext, Unsound, listNames, readSound } from "./read-sound.ts";
import { restoreFromPacks } from "./restore.ts";
import { rollForward } from "./roll-forward.ts";
import { decodeSnapshot } from "./snapshot-codec.ts";

export interface LoadedAccount {
  readonly state: AccountState;
  /** Records of the journal that no head includes. */
  readonly tail: TailUnit[];
  readonly head: Head | undefined;
  readonly headName: string | undefined;
  /** All objects in the account's folder. */
  readonly names: readonly string[];
  /** The settled objects are not what the state was made of: it needs a snapshot of its own. */
  readonly patched: boolean;
  /** The state is not a sum of records: it must be settled before anything is built on it. */
  readonly restored: boolean;
  /** Objects that could not be read. */
  readonly unsound: readonly string[];
}

export interface LoadRequest {
  readonly id: AccountId;
  /** Records of the journal, in order. */
  readonly tail: readonly TailUnit[];
  /** The account had this modseq when it was settled last; where that is known. */
  readonly settledModseq?: number | undefined;
}

/** Reads an account; a new one where nothing is there. Errors: `Refusal` UNAVAILABLE. */
export async function loadAccount(
  context: SettledContext,
  request: LoadRequest,
): Promise<LoadedAccount> {
  const names = await listNames(context.objects, accountFolder(request.id));
  const loading = new Loading(context, request, names);
  return (await loading.fromHead()) ?? (await loading.fromAll());
}

class Loading {
  readonly #context: SettledContext;
  readonly #request: LoadRequest;
  readonly #names: readonly string[];
  readonly #slices: Slices;
  readonly #unsound = new Map<string, string>();
  #head: Head | undefined;
  #headName: string | undefined;

  constructor(context: SettledContext, request: LoadRequest, names: readonly string[]) {
    this.#context = context;
    this.#request = request;
    this.#names = names;
    this.#slices = new Slices(context.clock);
  }

  /** The usual way; undefined where anything is not as it should be. */
  async fromHead(): Promise<LoadedAccount | undefined> {
    const head = await this.#newestHead();
    if (this.#unsound.size > 0) return undefined;
    let state: AccountState | undefined = new AccountState(this.#request.id);
    if (head !== undefined) {
      state = await this.#snapshot(head.snapshot.name);
      if (state === undefined) return undefined;
      for (const { name } of head.deltas) {
        const delta = await this.#delta(name);
        if (delta === undefined || delta.damage !== undefined) return undefined;
        const applied = await rollForward(state, delta.units, this.#slices);
        if (applied < delta.units.length) return undefined;
      }
      if (state.modseq !== head.modseq) return undefined;
    }
    const tail = this.#request.tail.filter(({ modseq }) => modseq > (head?.modseq ?? 0));
    const applied = await rollForward(state, tail, this.#slices);
    if (applied < tail.length || state.modseq < this.#expectedModseq()) return undefined;
    if (head === undefined && !state.exists && this.#ofKinds("pack", "body").length > 0)
      return undefined;
    return this.#loaded({ state, tail });
  }

  /** Everything that is left, in the best order. */
  async fromAll(): Promise<LoadedAccount> {
    let state = await this.#newestSnapshot();
    const hadSnapshot = state !== undefined;
    state ??= new AccountState(this.#request.id);
    const base = state.modseq;
    const units = await this.#allUnits(base);
    const applied = await rollForward(state, units, this.#slices);
    const expected = this.#expectedModseq();
    const whole = applied === units.length && state.modseq >= expected && state.exists;
    if (whole) {
      this.#reportAll("recovered", "the account was read from other objects");
      const tail = this.#request.tail.filter(({ modseq }) => modseq > base);
      return this.#loaded({ state, tail, patched: true });
    }
    const lost = `changes ${state.modseq + 1} to ${Math.max(expected, state.modseq + 1)}`;
    const text = hadSnapshot
      ? `${lost} are missing: flags and expunges among them are lost, mail was searched in packs`
      : "no snapshot can be read: the account was rebuilt from packs, with new UIDVALIDITY";
    this.#reportAll("lost", text);
    const { id } = this.#request;
    this.#context.report({ account: id, object: "account", text, outcome: "lost" });
    await restoreFromPacks(this.#context, state, {
      names: this.#names,
      head: this.#head,
      units: units.slice(applied),
      expectedModseq: expected,
    });
    return this.#loaded({ state, tail: [], patched: true, restored: true });
  }

  #loaded(result: {
    state: AccountState;
    tail: TailUnit[];
    patched?: boolean;
    restored?: boolean;
  }): LoadedAccount {
    return {
      patched: false,
      restored: false,
      ...result,
      head: this.#head,
      headName: this.#headName,
      names: this.#names,
      unsound: [...this.#unsound.keys()],
    };
  }

  /** Names of those kinds, the oldest first. */
  #ofKinds(...kinds: string[]): string[] {
    return this.#names.filter((name) => kinds.includes(parseObjectName(name)?.kind ?? ""));
  }

  /** What the account's modseq must at least be, by all that is known without its state. */
  #expectedModseq(): number {
    const { settledModseq = 0, tail } = this.#request;
    let expected = Math.max(settledModseq, this.#head?.modseq ?? 0, tail.at(-1)?.modseq ?? 0);
    for (const name of this.#names) {
      const parsed = parseObjectName(name);
      if (parsed?.kind === "snapshot" || parsed?.kind === "delta")
        expected = Math.max(expected, parsed.modseq);
    }
    return expected;
  }

  async #newestHead(): Promise<Head | undefined> {
    const { id } = this.#request;
    const { storeId } = this.#context;
    for (const name of this.#ofKinds("head").reverse()) {
      const head = await this.#read(name, (bytes) => decodeHead(bytes, { id, storeId }));
      if (head === undefined) continue;
      this.#head = head;
      this.#headName = name;
      return head;
    }
    return undefined;
  }

  async #newestSnapshot(): Promise<AccountState | undefined> {
    const names = this.#ofKinds("snapshot").sort(byModseq).reverse();
    for (const name of names) {
      const state = await this.#snapshot(name);
      if (state !== undefined) return state;
    }
    return undefined;
  }

  #snapshot(name: string): Promise<AccountState | undefined> {
    const { id } = this.#request;
    const { storeId } = this.#context;
    return this.#read(name, (bytes) => decodeSnapshot(bytes, { id, storeId }).state);
  }

  async #delta(name: string): Promise<Delta | undefined> {
    const { id } = this.#request;
    const { storeId } = this.#context;
    const delta = await this.#read(name, (bytes) => decodeDelta(bytes, { id, storeId }));
    if (delta?.damage !== undefined) this.#unsound.set(name, delta.damage.message);
    return delta;
  }

  /** All records after `modseq` that deltas and the journal have, each once. */
  async #allUnits(modseq: number): Promise<TailUnit[]> {
    const units = new Map<number, TailUnit>();
    for (const name of this.#ofKinds("delta")) {
      const delta = await this.#delta(name);
      for (const unit of delta?.units ?? []) units.set(unit.modseq, unit);
    }
    for (const unit of this.#request.tail) units.set(unit.modseq, unit);
    return [...units.values()]
      .filter((unit) => unit.modseq > modseq)
      .sort((a, b) => a.modseq - b.modseq);
  }

  async #read<T>(name: string, decode: (bytes: Uint8Array) => T): Promise<T | undefined> {
    if (this.#unsound.has(name) && !name.startsWith("delta")) return undefined;
    try {
      return await readSound(this.#context, this.#request.id, name, decode);
    } catch (error) {
      if (!(error instanceof Unsound)) throw error;
      this.#unsound.set(name, error.message);
      return undefined;
    }
  }

  #reportAll(outcome: "recovered" | "lost", consequence: string): void {
    const account = this.#request.id;
    if (this.#unsound.size === 0 && outcome === "recovered")
      this.#context.report({ account, object: "head", text: consequence, outcome });
    for (const [object, text] of this.#unsound)
      this.#context.report({ account, object, text: `${text}; ${consequence}`, outcome });
  }
}

function byModseq(a: string, b: string): number {
  const [left, right] = [parseObjectName(a), parseObjectName(b)];
  const leftModseq = left?.kind === "snapshot" ? left.modseq : 0;
  const rightModseq = right?.kind === "snapshot" ? right.modseq : 0;
  return leftModseq - rightModseq || (a < b ? -1 : 1);
}
