import type { Session } from "../session.ts";
import type { Threads } from "./thread-messages.ts";

/** Nodes that are written before it is looked whether it is time for a pause. */
const nodesPerLook = 500;
/** On the stack of what is to be written: the end of a list. */
const close = -1;

/** `* THREAD`, however deep the threads are. RFC 5256 §4 (THREAD Response) */
export async function writeThreads(
  session: Session,
  threads: Threads,
  numbers: Uint32Array,
): Promise<void> {
  const { output } = session;
  output.ascii("* THREAD");
  if (threads.roots.length > 0) output.space();
  const stack: number[] = [];
  let written = 0;
  for (const root of threads.roots) {
    stack.push(root);
    while (stack.length > 0) {
      const node = stack.pop()!;
      if (node === close) output.ascii(")");
      else written += writeList(session, { threads, numbers, stack }, node);
      if (written < nodesPerLook) continue;
      written = 0;
      const pause = session.pause();
      if (pause !== undefined) await pause;
    }
  }
  output.crlf();
}

interface Writing {
  readonly threads: Threads;
  readonly numbers: Uint32Array;
  readonly stack: number[];
}

/** A list up to where it branches; its branches and its end are left on the stack. */
function writeList({ output }: Session, writing: Writing, start: number): number {
  const { threads, numbers, stack } = writing;
  const { firstChild, messageCount, nextSibling } = threads;
  output.ascii("(");
  let count = 0;
  for (let node = start; ;) {
    const isMessage = node < messageCount;
    if (isMessage) {
      if (node !== start) output.space();
      output.number(numbers[node]!);
      count++;
    }
    const child = firstChild[node]!;
    if (child < 0) {
      output.ascii(")");
      return count;
    }
    if (nextSibling[child]! >= 0) {
      if (isMessage) output.space();
      stack.push(close);
      const first = stack.length;
      for (let branch = child; branch >= 0; branch = nextSibling[branch]!) stack.push(branch);
      // The first branch is to be on top.
      for (let low = first, high = stack.length - 1; low < high; low++, high--) {
        const held = stack[low]!;
        stack[low] = stack[high]!;
        stack[high] = held;
      }
      return count;
    }
    node = child;
  }
}
