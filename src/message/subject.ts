/** What RFC 5256 §2.1 makes of a subject. */
export interface BaseSubject {
  readonly text: string;
  /** Something was taken off that marks a reply or a forwarded message. */
  readonly isReplyOrForward: boolean;
}

const leader = /(?:re|fwd?)[ \t]*(?:\[[^[\]]*\][ \t]*)?:/iy;
const blob = /\[[^[\]]*\][ \t]*/y;

/** Longer subjects are cut before they are looked at. */
const subjectCharactersMax = 2_000;

/**
 * The base subject by which messages are sorted and threaded.
 *
 * @param subject decoded
 */
export function baseSubject(subject: string): BaseSubject {
  // Step 1: runs of white space become one space.
  const text = subject.slice(0, subjectCharactersMax).replace(/\s+/g, " ");
  let start = 0;
  let end = text.length;
  let isReplyOrForward = false;
  for (;;) {
    // Step 2: spaces and "(fwd)" at the end.
    for (;;) {
      while (end > start && text[end - 1] === " ") end--;
      if (end - start < 5 || text.slice(end - 5, end).toLowerCase() !== "(fwd)") break;
      end -= 5;
      isReplyOrForward = true;
    }
    // Steps 3 to 5: "Re:", "Fwd:" and "[list]" at the start.
    const stripped = stripLeaders(text, start, end);
    start = stripped.start;
    isReplyOrForward ||= stripped.marked;
    // Step 6: "[fwd: ...]" around it all.
    const wrapped =
      end - start >= 6 &&
      text[end - 1] === "]" &&
      text.slice(start, start + 5).toLowerCase() === "[fwd:";
    if (!wrapped) return { text: text.slice(start, end), isReplyOrForward };
    start += 5;
    end--;
    isReplyOrForward = true;
  }
}

function stripLeaders(text: string, from: number, end: number): { start: number; marked: boolean } {
  let start = from;
  let marked = false;
  for (;;) {
    while (start < end && text[start] === " ") start++;
    let at = start;
    let lastBlob = start;
    // Where blobs are not followed by "Re:", they go one by one, unless nothing would be left.
    for (let next = endOf(blob, text, at, end); next >= 0; next = endOf(blob, text, at, end)) {
      lastBlob = at;
      at = next;
    }
    const afterLeader = endOf(leader, text, at, end);
    if (afterLeader >= 0) {
      start = afterLeader;
      marked = true;
      continue;
    }
    return { start: at < end ? at : lastBlob, marked };
  }
}

/** Where a match that begins at `at` ends, or -1. */
function endOf(pattern: RegExp, text: string, at: number, end: number): number {
  pattern.lastIndex = at;
  return pattern.test(text) && pattern.lastIndex <= end ? pattern.lastIndex : -1;
}
