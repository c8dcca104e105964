/**
 * Settling an account: bodies from the journal into packs, records into a delta or a snapshot, and
 * a head that names them. Whatever fails on the way leaves the account as it was; objects that were
 * put already are found and dropped when it is loaded the next time.
 */
import { Refusal } from "#base/assert.ts";
import { limits } from "#base/limits.ts";
import { objectLength, putKnown } from "#objects/index.ts";
import type { Account } from "../account.ts";
import type { Change, PackAdded } from "../index/change.ts";
import { Slices } from "../slices.ts";
import { type AccountTail, oldest } from "./account-tail.ts";
import { type TailUnit, encodeDelta } from "./delta-codec.ts";
import { type Head, type NamedObject, encodeHead, summariesOf } from "./head-codec.ts";
import { encodeKeys } from "./keys-codec.ts";
import { asideKey, objectKey, objectName } from "./names.ts";
import { planPacks } from "./pack-plan.ts";
import {
  type SettledObjects,
  noteHead,
  noteKeys,
  noteSnapshot,
  usedNames,
} from "./settled-objects.ts";
import { cutSnapshot, encodeSnapshot, makeRoom } from "./snapshot-codec.ts";
import { type SettleContext, packJournaled, rewritePacks } from "./write-packs.ts";

export interface SettleTarget {
  readonly account: Account;
  readonly tail: AccountTail;
  readonly settled: SettledObjects;
}

export interface SettleOptions {
  /** Settles even where nothing changed, and puts a snapshot rather than a delta. */
  readonly snapshot?: boolean;
  /** Looks for objects to drop or delete even where nothing changed. */
  readonly sweep?: boolean;
}

/**
 * Settles all that is durable when it begins. Errors: `Refusal` UNAVAILABLE; whatever the objects
 * and the journal throw. The account goes on being used meanwhile.
 */
export async function settleAccount(
  context: SettleContext,
  target: SettleTarget,
  options: SettleOptions = {},
): Promise<void> {
  await new Settling(context, target, options).run();
}

class Settling {
  readonly #context: SettleContext;
  readonly #target: SettleTarget;
  readonly #options: SettleOptions;

  constructor(context: SettleContext, target: SettleTarget, options: SettleOptions) {
    this.#context = context;
    this.#target = target;
    this.#options = options;
  }

  async run(): Promise<void> {
    const { tail, settled } = this.#target;
    const { snapshot = false, sweep = false } = this.#options;
    if (tail.isEmpty && !settled.needsSnapshot && !snapshot && !sweep) return;
    await this.#moveBodies();
    await this.#putKeys();
    await this.#setAside();
    await this.#keepHouse();
    await this.#putHead(snapshot || settled.needsSnapshot);
  }

  /** Nothing more may be built on a state whose account was thrown away. */
  #requireLive(): void {
    if (this.#target.account.lost !== undefined) throw this.#target.account.lost;
  }

  async #record(changes: readonly Change[]): Promise<void> {
    this.#requireLive();
    await this.#target.account.record(changes);
  }

  async #moveBodies(): Promise<void> {
    const { account, settled } = this.#target;
    // What arrives meanwhile waits for its turn, or small packs would be made without end.
    const of = { settled, before: account.state.nextMessage };
    for (;;) {
      const pack = await packJournaled(this.#context, account.state, of);
      if (pack === undefined) return;
      await this.#record([{ kind: "packAdded", pack: this.#numbered(pack) }]);
    }
  }

  /** A large body may have taken the number meanwhile. */
  #numbered(pack: PackAdded): PackAdded {
    return { ...pack, number: this.#target.account.state.nextPack };
  }

  /** Stores sort keys, where those that are stored lack many messages. */
  async #putKeys(): Promise<void> {
    const { account, tail, settled } = this.#target;
    const { state } = account;
    const messages = state.nextMessage;
    const live = state.messages.count - state.freeRows.length;
    const { storedKeysMessagesMin: min } = this.#context;
    if (live < min) return;
    const lacking = messages - (settled.keys?.messages ?? 0);
    // While many messages arrive, each object is soon out of date.
    const share = tail.bytes >= limits.unsettledBytesMax / 2 ? 2 : 64;
    if (lacking < Math.max(min, live / share)) return;
    const { epoch, random, storeId, objects, clock } = this.#context;
    const slices = new Slices(clock);
    const keys = await account.keys.readAll(slices.rest);
    this.#requireLive();
    const pieces = await encodeKeys({ state, keys, storeId }, slices);
    const name = objectName({ kind: "keys", epoch, messages }, random);
    const outcome = await putKnown(objects, objectKey(state.id, name), pieces);
    if (outcome === "lost") throw new Refusal("UNAVAILABLE", "The name of an object was taken");
    noteKeys(settled, { name, messages });
  }

  /** Keeps copies of damaged objects under other names; only then may they be dropped. */
  async #setAside(): Promise<void> {
    const { objects } = this.#context;
    const { account, settled } = this.#target;
    const { id } = account.state;
    for (const name of [...settled.unsound]) {
      const bytes = await objects.get(objectKey(id, name));
      if (bytes !== null) {
        await putKnown(objects, asideKey(id, name), bytes);
        settled.obsolete.push(name);
      }
      settled.unsound.splice(settled.unsound.indexOf(name), 1);
    }
  }

  /** Rewrites packs, declares what nobody needs as dropped, deletes what was dropped long ago. */
  async #keepHouse(): Promise<void> {
    const { account, settled } = this.#target;
    const { state } = account;
    const changes: Change[] = [];
    const { empty, rewritten } = planPacks(state, settled);
    const dropped = empty.map(({ name }) => name);
    if (rewritten.length > 0) {
      const pack = await rewritePacks(this.#context, state, { packs: rewritten, settled });
      if (pack !== undefined) {
        changes.push({ kind: "packAdded", pack: this.#numbered(pack) });
        for (const { name } of rewritten) if (!settled.unreadable.has(name)) dropped.push(name);
      }
    }
    const used = usedNames(settled, state);
    for (const { name } of [...empty, ...rewritten]) used.delete(name);
    const obsolete = settled.obsolete.filter((name) => !used.has(name));
    dropped.push(...obsolete.filter((name) => !state.dropped.has(name)));
    if (dropped.length > 0) changes.push({ kind: "objectsDropped", names: dropped });
    if (settled.deleted.length > 0)
      changes.push({ kind: "objectsDeleted", names: [...settled.deleted] });
    const due = this.#due();
    if (changes.length === 0 && due.length === 0) return;
    const deleted = settled.deleted.length;
    // Even without changes: nothing is deleted before an own record has got through.
    await this.#record(changes);
    settled.obsolete = settled.obsolete.filter((name) => used.has(name));
    settled.deleted.splice(0, deleted);
    await this.#delete(due);
  }

  /** Dropped objects whose time is over. */
  #due(): string[] {
    const latest = this.#context.clock.now() - limits.retentionMs;
    const deleted = new Set(this.#target.settled.deleted);
    const due: string[] = [];
    for (const [name, at] of this.#target.account.state.dropped)
      if (at <= latest && !deleted.has(name)) due.push(name);
    return due;
  }

  async #delete(names: readonly string[]): Promise<void> {
    if (names.length === 0) return;
    const { account, settled } = this.#target;
    for (const name of names) {
      this.#requireLive();
      await this.#context.objects.delete(objectKey(account.state.id, name));
      settled.deleted.push(name);
    }
    const count = settled.deleted.length;
    await this.#record([{ kind: "objectsDeleted", names: [...settled.deleted] }]);
    settled.deleted.splice(0, count);
  }

  /** Cuts the state here and now, waits until all of it is durable, and puts it. */
  async #putHead(wantsSnapshot: boolean): Promise<void> {
    const { account, tail, settled } = this.#target;
    const { state } = account;
    const { epoch, storeId } = this.#context;
    const isOwn = tail.units.at(-1)?.epoch === epoch;
    const slices = new Slices(this.#context.clock);
    const mayCut = wantsSnapshot || settled.current === undefined || this.#outgrown(tail.units);
    const room = mayCut ? await makeRoom(state, slices) : undefined;
    this.#requireLive();
    // A head is named after a record of this epoch, and all that is in it must be durable.
    let durable = account.durable();
    if (!isOwn || durable !== undefined) durable = account.record([]);
    const units = [...tail.units];
    const chain = settled.current;
    const snapshot = wantsSnapshot || chain === undefined || this.#outgrown(units);
    const cut = snapshot ? cutSnapshot(state, room) : undefined;
    const journaled = [...state.journaled.values()].filter(
      (content) => !settled.unreadable.has(content),
    );
    const head: Omit<Head, "position" | "snapshot" | "deltas"> = {
      id: state.id,
      epoch,
      modseq: state.modseq,
      packs: Array.from(state.packs.values(), ({ name, bytes }) => ({ name, bytes })),
      mailboxes: summariesOf(state),
    };
    await durable;
    this.#requireLive();
    const position = units.at(-1)!.address.place!;
    let next: { snapshot: NamedObject; deltas: readonly NamedObject[] };
    if (cut === undefined) {
      const origin = { id: state.id, epoch, position };
      const span = { fromModseq: settled.modseq, toModseq: head.modseq, count: units.length };
      const bytes = encodeDelta({ ...origin, ...span }, units, storeId);
      const delta = await this.#put("delta", head.modseq, [bytes]);
      next = { snapshot: chain!.snapshot, deltas: [...chain!.deltas, delta] };
    } else {
      const pieces = await encodeSnapshot(cut, { epoch, position, storeId }, slices);
      next = { snapshot: await this.#put("snapshot", head.modseq, pieces), deltas: [] };
    }
    this.#requireLive();
    const bytes = encodeHead({ ...head, position, ...next }, storeId);
    const name = objectName({ kind: "head", epoch, position }, this.#context.random);
    const outcome = await putKnown(this.#context.objects, objectKey(state.id, name), bytes);
    if (outcome === "lost") throw new Refusal("UNAVAILABLE", "The name of a head was taken");
    this.#requireLive();
    if (cut === undefined) settled.current!.deltas.push(next.deltas.at(-1)!);
    else noteSnapshot(settled, next.snapshot);
    noteHead(settled, name, head.modseq);
    tail.settled(units.length, this.#context.clock.monotonic());
    tail.floor = oldest(journaled);
  }

  /** Whether deltas have become so many that loading a new snapshot is quicker. */
  #outgrown(units: readonly TailUnit[]): boolean {
    const { snapshot, deltas } = this.#target.settled.current!;
    let bytes = 0;
    for (const { unit } of units) bytes += unit.length + 40;
    for (const delta of deltas) bytes += delta.bytes;
    return (
      deltas.length >= limits.deltasMax ||
      bytes > Math.max(limits.deltaBytesMin, snapshot.bytes / 4)
    );
  }

  async #put(
    kind: "snapshot" | "delta",
    modseq: number,
    pieces: readonly Uint8Array[],
  ): Promise<NamedObject> {
    const { objects, random, epoch } = this.#context;
    const name = objectName({ kind, epoch, modseq }, random);
    const outcome = await putKnown(objects, objectKey(this.#target.account.state.id, name), pieces);
    if (outcome === "lost") throw new Refusal("UNAVAILABLE", "The name of an object was taken");
    return { name, bytes: objectLength(pieces) };
  }
}
