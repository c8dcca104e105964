/** The responses of SEARCH, SORT and THREAD. */
import { limits } from "#base/limits.ts";
import {
  decimalBytesMax,
  noRanges,
  putDecimal,
  type Ranges,
  rangesOf,
  type SearchReturn,
} from "#wire/index.ts";
import type { Output } from "../output.ts";
import type { Session } from "../session.ts";

/** Numbers that are written, or looked up, before it is looked whether it is time for a pause. */
const numbersPerLook = 1_000;

/** How a client addresses messages. */
export interface Addressing {
  readonly uid: boolean;
}

/** The numbers of messages as the client addresses them; lets others work meanwhile. */
export async function numbersOf(
  session: Session,
  uids: Uint32Array,
  { uid }: Addressing,
): Promise<Uint32Array> {
  if (uid) return uids;
  const { view } = session;
  const seqs = new Uint32Array(uids.length);
  for (let i = 0; i < uids.length; i++) {
    // What was expunged meanwhile still has its number.
    seqs[i] = view.seqOfUid(uids[i]!);
    if (i % numbersPerLook !== 0) continue;
    const pause = session.pause();
    if (pause === undefined) continue;
    await pause;
    session.requireMailbox();
  }
  return seqs;
}

/** `* SEARCH` or `* SORT`. RFC 3501 §7.2.5, RFC 5256 §4, RFC 7162 §3.1.5 */
export async function writeNumbers(
  session: Session,
  name: "SEARCH" | "SORT",
  { numbers, modSeq }: { numbers: Uint32Array; modSeq: number },
): Promise<void> {
  const { output } = session;
  output.ascii("* ").ascii(name);
  for (let start = 0; start < numbers.length; start += numbersPerLook) {
    putNumbers(output, numbers.subarray(start, start + numbersPerLook));
    const pause = session.pause();
    if (pause !== undefined) await pause;
  }
  if (modSeq > 0) output.ascii(" (MODSEQ ").number(modSeq).ascii(")");
  output.crlf();
}

/** Each with a space before it. */
function putNumbers(output: Output, numbers: Uint32Array): void {
  const need = numbers.length * (1 + decimalBytesMax);
  const buffer = output.room(need, need);
  let at = output.position;
  for (let i = 0; i < numbers.length; i++) {
    buffer[at] = 0x20;
    at = putDecimal(buffer, at + 1, numbers[i]!);
  }
  output.wrote(at);
}

/** The highest mod-sequence of the messages that are still there. RFC 7162 §3.1.5 */
export function highestModSeq(session: Session, uids: Uint32Array): number {
  const { mailbox } = session.view;
  const { modseq } = mailbox.rows.arrays;
  let highest = 0;
  for (const uid of uids) {
    const row = mailbox.rowOf(uid);
    if (row >= 0 && modseq[row]! > highest) highest = modseq[row]!;
  }
  return highest;
}

/** Positions of a result, from 0: behind-last is `end`. RFC 9394 §3.1 */
export function partialRange(
  partial: { readonly from: number; readonly to: number },
  count: number,
): { start: number; end: number } {
  const { from, to } = partial;
  const start = from > 0 ? from - 1 : count + to;
  const end = from > 0 ? to : count + from + 1;
  return { start: Math.min(Math.max(start, 0), count), end: Math.min(Math.max(end, 0), count) };
}

/** The messages that the options single out; all of them where COUNT or ALL is among these. */
export function chosen(returns: SearchReturn, uids: Uint32Array): Uint32Array {
  const { min, max, all, count, partial } = returns;
  if (all || count || (!min && !max && partial === null)) return uids;
  const picked: number[] = [];
  if (partial !== null) {
    const { start, end } = partialRange(partial, uids.length);
    for (let i = start; i < end; i++) picked.push(uids[i]!);
  }
  if (min && uids.length > 0) picked.push(uids[0]!);
  if (max && uids.length > 0) picked.push(uids.at(-1)!);
  return Uint32Array.from(new Set(picked)).sort();
}

/** What an ESEARCH response is made of. */
export interface ExtendedResult {
  readonly tag: string;
  readonly uid: boolean;
  readonly returns: SearchReturn;
  readonly numbers: Uint32Array;
  readonly modSeq: number;
}

/** RFC 9051 §7.3.4, RFC 4731 §3.1, RFC 9394 §3.1 */
export async function writeExtended(session: Session, result: ExtendedResult): Promise<void> {
  const { output } = session;
  const { numbers, returns, modSeq } = result;
  output.ascii("* ESEARCH (TAG ").string(result.tag).ascii(")");
  if (result.uid) output.ascii(" UID");
  if (numbers.length > 0) {
    if (returns.min) output.ascii(" MIN ").number(numbers[0]!);
    if (returns.max) output.ascii(" MAX ").number(numbers.at(-1)!);
  }
  if (returns.count) output.ascii(" COUNT ").number(numbers.length);
  if (modSeq > 0) output.ascii(" MODSEQ ").number(modSeq);
  if (returns.partial !== null) {
    const { from, to } = returns.partial;
    const { start, end } = partialRange(returns.partial, numbers.length);
    output.ascii(` PARTIAL (${from}:${to} `);
    if (start < end) await writeRanges(session, rangesOf(numbers.subarray(start, end)));
    else output.ascii("NIL");
    output.ascii(")");
  }
  if (returns.all && numbers.length > 0) {
    output.ascii(" ALL ");
    await writeRanges(session, rangesOf(numbers));
  }
  output.crlf();
}

async function writeRanges(session: Session, ranges: Ranges): Promise<void> {
  const { output } = session;
  const step = limits.rangesPerWriteMax * 2;
  for (let at = 0; at < ranges.length; at += step) {
    if (at > 0) output.ascii(",");
    output.ranges(ranges.subarray(at, at + step));
    const pause = session.pause();
    if (pause !== undefined) await pause;
  }
}

/** The saved result of a search. RFC 5182 §2.1 */
export function savedRanges(returns: SearchReturn, uids: Uint32Array): Ranges {
  return uids.length === 0 ? noRanges : rangesOf(chosen(returns, uids));
}
