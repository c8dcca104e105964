/** Step 1 of THREAD=REFERENCES: who answers whom. RFC 5256 §3 */
import type { MessageLinks } from "#store/index.ts";
import type { Session } from "../session.ts";
import { inSteps } from "./in-steps.ts";

/** Steps between two looks at the time. */
const stepsPerLook = 1_024;
/** Ancestors that are looked at to see whether a link closes a loop; beyond it there is no link. */
const ancestorsMax = 10_000;

/** Messages are the nodes below `messageCount`, in the order of the mailbox; the others are dummies. */
export interface LinkedNodes {
  readonly messageCount: number;
  /** Parent of each node, -1 for none. */
  readonly parents: Int32Array;
}

/** Links messages by their Message-ID, References and In-Reply-To fields. */
export async function linkMessages(session: Session, links: MessageLinks): Promise<LinkedNodes> {
  const { ids, starts, ends, references } = links;
  const messageCount = ids.length;
  const nodes = new Nodes(links);
  await inSteps(session, messageCount, (start, end) => nodes.claimIds(ids, start, end));
  for (let message = 0; message < messageCount; message++) {
    // A: the references among themselves, where they have no parent yet.
    let last = -1;
    for (let i = starts[message]!; i < ends[message]!; i++) {
      const node = nodes.ofId(references[i]!);
      if (last >= 0 && nodes.parentOf(node) < 0) nodes.link(node, last);
      last = node;
    }
    // B: the message below its last reference, whatever was assumed before.
    nodes.unlink(message);
    if (last >= 0) nodes.link(message, last);
    if (message % stepsPerLook !== 0) continue;
    const pause = session.pause();
    if (pause !== undefined) await pause;
  }
  return { messageCount, parents: nodes.parents() };
}

class Nodes {
  /** Node of each Message-ID, -1 where it was not seen yet. */
  readonly #ofId: Int32Array;
  #parents: Int32Array;
  /** 1: some node was linked below it, so that a link to it may close a loop. */
  #linked: Uint8Array;
  #count: number;

  constructor({ ids, idCount }: MessageLinks) {
    this.#count = ids.length;
    this.#parents = new Int32Array(this.#count + 64).fill(-1);
    this.#linked = new Uint8Array(this.#count + 64);
    this.#ofId = new Int32Array(idCount + 1).fill(-1);
  }

  /** A Message-ID belongs to the first message that has it; the others count as having none. */
  claimIds(ids: Uint32Array, start: number, end: number): void {
    for (let message = start; message < end; message++) {
      const id = ids[message]!;
      if (id !== 0 && this.#ofId[id]! < 0) this.#ofId[id] = message;
    }
  }

  parents(): Int32Array {
    return this.#parents.subarray(0, this.#count);
  }

  /** The message with an id, or a dummy that stands for it. */
  ofId(id: number): number {
    const known = this.#ofId[id]!;
    if (known >= 0) return known;
    if (this.#count === this.#parents.length) this.#grow();
    this.#ofId[id] = this.#count;
    return this.#count++;
  }

  #grow(): void {
    const parents = new Int32Array(this.#count * 2).fill(-1);
    parents.set(this.#parents);
    this.#parents = parents;
    const linked = new Uint8Array(this.#count * 2);
    linked.set(this.#linked);
    this.#linked = linked;
  }

  parentOf(node: number): number {
    return this.#parents[node]!;
  }

  unlink(node: number): void {
    this.#parents[node] = -1;
  }

  /** Makes `parent` the parent of a node that has none, unless that closed a loop. */
  link(node: number, parent: number): void {
    if (node === parent) return;
    if (this.#linked[node] === 1) {
      let steps = 0;
      for (let above = parent; above >= 0; above = this.#parents[above]!)
        if (above === node || ++steps > ancestorsMax) return;
    }
    this.#parents[node] = parent;
    this.#linked[parent] = 1;
  }
}
