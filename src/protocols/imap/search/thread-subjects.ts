/** Steps 4 and 5 of THREAD=REFERENCES: threads of one subject become one. RFC 5256 §3 */
import type { Subjects } from "#store/index.ts";
import type { Session } from "../session.ts";
import { inSteps } from "./in-steps.ts";
import type { LinkedNodes } from "./thread-links.ts";

const dummyFlag = 1;
const replyFlag = 2;

/** Roots in the order of the dates of their first messages. */
interface Roots {
  count: number;
  readonly nodes: Int32Array;
  /** Of the message, or of the first child of a dummy; 0 for none. */
  readonly subjects: Uint32Array;
  /** `dummyFlag`, `replyFlag` */
  readonly flags: Uint8Array;
}

/** For each subject the root that takes the others; -1 where there is none. */
interface SubjectTable {
  readonly nodes: Int32Array;
  readonly flags: Uint8Array;
}

/**
 * Merges threads. The nodes must have been pruned: a dummy is a root with several messages below it.
 *
 * @param byDate messages in the order of their sent dates
 */
export async function mergeBySubject(
  session: Session,
  nodes: LinkedNodes,
  { subjects, byDate }: { subjects: Subjects; byDate: Uint32Array },
): Promise<LinkedNodes> {
  const { messageCount } = nodes;
  const roots = await orderedRoots(session, nodes, { subjects, byDate });
  const table = await subjectTable(session, roots);
  // Step 5 C. Parents of roots, and what became of dummies whose children went to another one.
  const parents = new Int32Array(nodes.parents.length + roots.count);
  parents.set(nodes.parents);
  let count = nodes.parents.length;
  const moved = new Map<number, number>();
  await inSteps(session, roots.count, (start, end) => {
    for (let i = start; i < end; i++) {
      const subject = roots.subjects[i]!;
      const node = roots.nodes[i]!;
      const other = table.nodes[subject]!;
      if (subject === 0 || other === node) continue;
      const flags = roots.flags[i]!;
      const otherFlags = table.flags[subject]!;
      const isOtherDummy = (otherFlags & dummyFlag) !== 0;
      if (isOtherDummy && (flags & dummyFlag) !== 0) moved.set(node, other);
      else if (isOtherDummy || (flags & ~otherFlags & replyFlag) !== 0) parents[node] = other;
      else {
        const dummy = count++;
        parents[dummy] = -1;
        parents[node] = dummy;
        parents[other] = dummy;
        table.nodes[subject] = dummy;
        table.flags[subject] = dummyFlag;
      }
    }
  });
  if (moved.size > 0)
    await inSteps(session, messageCount, (start, end) => {
      for (let message = start; message < end; message++) {
        const target = moved.get(parents[message]!);
        if (target !== undefined) parents[message] = target;
      }
    });
  return { messageCount, parents: parents.subarray(0, count) };
}

/** Step 4: the children of the root in the order of their dates. */
async function orderedRoots(
  session: Session,
  { messageCount, parents }: LinkedNodes,
  { subjects, byDate }: { subjects: Subjects; byDate: Uint32Array },
): Promise<Roots> {
  const seen = new Uint8Array(parents.length);
  const roots: Roots = {
    count: 0,
    nodes: new Int32Array(messageCount),
    subjects: new Uint32Array(messageCount),
    flags: new Uint8Array(messageCount),
  };
  await inSteps(session, byDate.length, (start, end) => {
    for (let i = start; i < end; i++) {
      const message = byDate[i]!;
      const parent = parents[message]!;
      if (parent >= 0 && parent < messageCount) continue;
      const isDummy = parent >= messageCount;
      const node = isDummy ? parent : message;
      if (seen[node] === 1) continue;
      seen[node] = 1;
      const root = roots.count++;
      roots.nodes[root] = node;
      roots.subjects[root] = subjects.numbers[message]!;
      roots.flags[root] = isDummy ? dummyFlag : subjects.replies[message]! * replyFlag;
    }
  });
  return roots;
}

/** Step 5 B: for each subject the root that takes the others. */
async function subjectTable(session: Session, roots: Roots): Promise<SubjectTable> {
  let highest = 0;
  await inSteps(session, roots.count, (start, end) => {
    for (let i = start; i < end; i++)
      if (roots.subjects[i]! > highest) highest = roots.subjects[i]!;
  });
  const nodes = new Int32Array(highest + 1).fill(-1);
  const flags = new Uint8Array(highest + 1);
  await inSteps(session, roots.count, (start, end) => {
    for (let i = start; i < end; i++) {
      const subject = roots.subjects[i]!;
      const mine = roots.flags[i]!;
      const other = flags[subject]!;
      const isBetter = (mine & dummyFlag) !== 0 || (other & ~mine & replyFlag) !== 0;
      if (nodes[subject]! < 0 || ((other & dummyFlag) === 0 && isBetter)) {
        nodes[subject] = roots.nodes[i]!;
        flags[subject] = mine;
      }
    }
  });
  return { nodes, flags };
}
