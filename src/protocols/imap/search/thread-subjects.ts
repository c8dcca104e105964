/** Steps 4 and 5 of THREAD=REFERENCES: threads of one subject become one. RFC 5256 §3 */
import type { Subjects } from "#store/index.ts";
import type { LinkedNodes } from "./thread-links.ts";

interface Root {
  readonly node: number;
  readonly isDummy: boolean;
  /** Of the message, or of the first child of a dummy. */
  readonly subject: number;
  readonly isReply: boolean;
}

/**
 * Merges threads. The nodes must have been pruned: a dummy is a root with several messages below it.
 *
 * @param byDate messages in the order of their sent dates
 */
export function mergeBySubject(
  nodes: LinkedNodes,
  { subjects, byDate }: { subjects: Subjects; byDate: Uint32Array },
): LinkedNodes {
  const { messageCount } = nodes;
  // Step 4: the children of the root in the order of their dates.
  const roots = orderedRoots(nodes, subjects, byDate);
  const table = subjectTable(roots);
  // Step 5 C. Parents of roots, and what became of dummies whose children went to another one.
  const parents: number[] = Array.from(nodes.parents);
  const moved = new Map<number, number>();
  for (const root of roots) {
    if (root.subject === 0) continue;
    const other = table.get(root.subject)!;
    if (other.node === root.node) continue;
    if (root.isDummy && other.isDummy) moved.set(root.node, other.node);
    else if (other.isDummy || (root.isReply && !other.isReply)) parents[root.node] = other.node;
    else {
      const dummy = parents.push(-1) - 1;
      parents[root.node] = dummy;
      parents[other.node] = dummy;
      table.set(root.subject, { ...other, node: dummy, isDummy: true });
    }
  }
  for (let message = 0; message < messageCount; message++) {
    const target = moved.get(parents[message]!);
    if (target !== undefined) parents[message] = target;
  }
  return { messageCount, parents: Int32Array.from(parents) };
}

function orderedRoots(nodes: LinkedNodes, subjects: Subjects, byDate: Uint32Array): Root[] {
  const { messageCount, parents } = nodes;
  const seen = new Uint8Array(parents.length);
  const roots: Root[] = [];
  for (const message of byDate) {
    const parent = parents[message]!;
    if (parent >= 0 && parent < messageCount) continue;
    const isDummy = parent >= messageCount;
    const node = isDummy ? parent : message;
    if (seen[node] === 1) continue;
    seen[node] = 1;
    const isReply = !isDummy && subjects.replies[message] === 1;
    roots.push({ node, isDummy, subject: subjects.numbers[message]!, isReply });
  }
  return roots;
}

/** Step 5 B: for each subject the root that takes the others. */
function subjectTable(roots: readonly Root[]): Map<number, Root> {
  const table = new Map<number, Root>();
  for (const root of roots) {
    if (root.subject === 0) continue;
    const other = table.get(root.subject);
    if (
      other === undefined ||
      (!other.isDummy && (root.isDummy || (other.isReply && !root.isReply)))
    )
      table.set(root.subject, root);
  }
  return table;
}
