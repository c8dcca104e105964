import type { Session } from "../session.ts";

/** What is done of simple work between two looks at the time. */
const stepSize = 4_096;

/** Calls `work` for pieces of the numbers from 0 to before `count`, and lets others work in between. */
export async function inSteps(
  session: Session,
  count: number,
  work: (start: number, end: number) => void,
): Promise<void> {
  for (let start = 0; start < count; start += stepSize) {
    work(start, Math.min(start + stepSize, count));
    const pause = session.restOfMailbox();
    if (pause !== undefined) await pause;
  }
}
