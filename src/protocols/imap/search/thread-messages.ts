import type { KeyKind, Subjects } from "#store/index.ts";
import type { Session } from "../session.ts";
import { inSteps } from "./in-steps.ts";
import { sentKeys } from "./sort-messages.ts";
import { ascending, stableOrder } from "./stable-order.ts";
import { mergeBySubject } from "./thread-subjects.ts";
import { linkMessages, type LinkedNodes } from "./thread-links.ts";

export type ThreadAlgorithm = "ORDEREDSUBJECT" | "REFERENCES" | "REFS";

/** Trees of messages, and of dummies that hold several of them together. */
export interface Threads {
  /** Nodes below it are messages, as indexes into the uids; the others are dummies. */
  readonly messageCount: number;
  /** Nodes without a parent, in the order of the answer. */
  readonly roots: Int32Array;
  /** First child of each node and next sibling, -1 for none. */
  readonly firstChild: Int32Array;
  readonly nextSibling: Int32Array;
}

/**
 * Threads of messages. RFC 5256 §3 (ORDEREDSUBJECT, REFERENCES); REFS is REFERENCES without regard
 * to subjects, the threads in the order of their latest messages.
 *
 * @param uids ascending
 */
export async function threadMessages(
  session: Session,
  uids: Uint32Array,
  algorithm: ThreadAlgorithm,
): Promise<{ threads: Threads; damaged: boolean }> {
  const kinds: KeyKind[] = [];
  if (algorithm !== "REFS") kinds.push("subject");
  if (algorithm !== "ORDEREDSUBJECT") kinds.push("references");
  const { mailbox } = session.view;
  const rest = session.restOfMailbox;
  const { keys, damaged } = await session.account.keys.read(mailbox, { uids, kinds }, rest);
  const dates = await sentKeys(session, uids);
  const byDate = await stableOrder(session, ascending(uids.length), dates);
  let nodes: LinkedNodes;
  if (algorithm === "ORDEREDSUBJECT")
    nodes = await bySubject(session, await keys.subjects(mailbox, uids, rest), byDate);
  else {
    const linked = await linkMessages(session, await keys.links(mailbox, uids, rest));
    nodes = await withoutDummies(session, linked);
    if (algorithm === "REFERENCES") {
      const subjects = await keys.subjects(mailbox, uids, rest);
      nodes = await mergeBySubject(session, nodes, { subjects, byDate });
    }
  }
  const rootsOf = algorithm === "REFS" ? rootsByLatest : rootsByFirst;
  const roots = await rootsOf(session, nodes, byDate);
  return { threads: { ...(await grown(session, nodes, byDate)), roots }, damaged };
}

/** Messages of one base subject: all others below the first. RFC 5256 §3 (ORDEREDSUBJECT) */
async function bySubject(
  session: Session,
  { numbers }: Subjects,
  byDate: Uint32Array,
): Promise<LinkedNodes> {
  const parents = new Int32Array(numbers.length).fill(-1);
  const first = new Map<number, number>();
  await inSteps(session, byDate.length, (start, end) => {
    for (let i = start; i < end; i++) {
      const message = byDate[i]!;
      const root = first.get(numbers[message]!);
      if (root === undefined) first.set(numbers[message]!, message);
      else parents[message] = root;
    }
  });
  return { messageCount: numbers.length, parents };
}

/**
 * Steps 2 and 3 of REFERENCES: of the dummies only those stay that are roots with several children;
 * the children of others go to the next message above, or up to the root. RFC 5256 §3
 */
async function withoutDummies(
  session: Session,
  { messageCount, parents }: LinkedNodes,
): Promise<LinkedNodes> {
  const kept = parents.slice();
  const childCount = new Uint32Array(kept.length);
  const path: number[] = [];
  await inSteps(session, messageCount, (start, end) => {
    for (let message = start; message < end; message++) {
      let above = kept[message]!;
      while (above >= messageCount && kept[above]! >= 0) {
        path.push(above);
        above = kept[above]!;
      }
      // What was walked once is short the next time.
      for (const dummy of path) kept[dummy] = above;
      path.length = 0;
      kept[message] = above;
      if (above >= 0) childCount[above]! += 1;
    }
  });
  await inSteps(session, messageCount, (start, end) => {
    for (let message = start; message < end; message++) {
      const above = kept[message]!;
      if (above >= messageCount && childCount[above] === 1) kept[message] = -1;
    }
  });
  return { messageCount, parents: kept.fill(-1, messageCount) };
}

/** Roots in the order of their dates; a dummy has that of its first child. */
async function rootsByFirst(
  session: Session,
  { messageCount, parents }: LinkedNodes,
  byDate: Uint32Array,
): Promise<Int32Array> {
  const roots = new Int32Array(messageCount);
  let count = 0;
  const seen = new Uint8Array(parents.length);
  await inSteps(session, byDate.length, (start, end) => {
    for (let i = start; i < end; i++) {
      const message = byDate[i]!;
      const parent = parents[message]!;
      const root = parent < 0 ? message : parent;
      if ((parent >= 0 && parent < messageCount) || seen[root] === 1) continue;
      seen[root] = 1;
      roots[count++] = root;
    }
  });
  return roots.subarray(0, count);
}

/** Roots in the order of the latest dates in their threads. */
async function rootsByLatest(
  session: Session,
  { messageCount, parents }: LinkedNodes,
  byDate: Uint32Array,
): Promise<Int32Array> {
  const rootOf = new Int32Array(parents.length).fill(-1);
  const path: number[] = [];
  const roots = new Int32Array(messageCount);
  let count = 0;
  const seen = new Uint8Array(parents.length);
  await inSteps(session, byDate.length, (start, end) => {
    for (let i = start; i < end; i++) {
      let node = byDate[byDate.length - 1 - i]!;
      while (rootOf[node]! < 0 && parents[node]! >= 0) {
        path.push(node);
        node = parents[node]!;
      }
      const root = rootOf[node]! < 0 ? node : rootOf[node]!;
      for (const passed of path) rootOf[passed] = root;
      path.length = 0;
      if (seen[root] === 1) continue;
      seen[root] = 1;
      roots[count++] = root;
    }
  });
  return roots.subarray(0, count).reverse();
}

/** Step 6 of REFERENCES: siblings in the order of their dates. RFC 5256 §3 */
async function grown(
  session: Session,
  { messageCount, parents }: LinkedNodes,
  byDate: Uint32Array,
): Promise<Omit<Threads, "roots">> {
  const firstChild = new Int32Array(parents.length).fill(-1);
  const nextSibling = new Int32Array(parents.length).fill(-1);
  await inSteps(session, byDate.length, (start, end) => {
    for (let i = start; i < end; i++) {
      const message = byDate[byDate.length - 1 - i]!;
      const parent = parents[message]!;
      if (parent < 0) continue;
      nextSibling[message] = firstChild[parent]!;
      firstChild[parent] = message;
    }
  });
  return { messageCount, firstChild, nextSibling };
}
