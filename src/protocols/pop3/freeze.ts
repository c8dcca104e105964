/**
 * A POP3 session as bytes, kept where its connection is while nobody talks.
 * @format frozen-pop3-session
 */
import { ByteReader, ByteWriter, FormatError } from "#base/bytes.ts";
import type { MailboxNumber } from "#base/brand.ts";
import { limits } from "#base/limits.ts";
import { type Account, rangesOf } from "#store/index.ts";
import { Maildrop } from "./maildrop.ts";

const formatVersion = 1;
const uidMax = 0xffff_ffff;

/**
 * The session's bytes; to be called when all that it said is durable. Who is logged in is not among
 * them: a thaw opens the account anew, with the rights of that moment.
 */
export function freeze(maildrop: Maildrop, account: Account): Uint8Array {
  const { mailbox, uidValidity, uids, deleted } = maildrop.state;
  const marked: number[] = [];
  for (let i = 0; i < deleted.length; i++) if (deleted[i] === 1) marked.push(i + 1);
  const out = new ByteWriter(64);
  out.u8(formatVersion).varint(mailbox).u32(uidValidity).varint(account.state.modseq);
  writeRanges(out, rangesOf(uids));
  writeRanges(out, rangesOf(marked));
  return out.take();
}

/**
 * The session again. `gone`: the mailbox is not there any more, or is another one; `stale`: the
 * account is older than the session. Then the client is told and the connection closed.
 * Errors: `FormatError`.
 */
export function thaw(bytes: Uint8Array, account: Account): Maildrop | "stale" | "gone" {
  const input = new ByteReader(bytes);
  const version = input.u8();
  if (version !== formatVersion)
    throw new FormatError(`A frozen POP3 session of version ${version}, ${formatVersion} is known`);
  const mailbox = input.varint() as MailboxNumber;
  const uidValidity = input.u32();
  const modseq = input.varint();
  const uids = Uint32Array.from(expand(readRanges(input, uidMax)));
  const deleted = new Uint8Array(uids.length);
  for (const number of expand(readRanges(input, uids.length))) deleted[number - 1] = 1;
  if (input.left > 0) throw new FormatError("More than a frozen POP3 session");
  const found = account.state.mailboxes.get(mailbox);
  if (found?.uidValidity !== uidValidity) return "gone";
  if (account.state.modseq < modseq || (uids.at(-1) ?? 0) >= found.uidNext) return "stale";
  return new Maildrop(account, { mailbox, uidValidity, uids, deleted });
}

/** How many there are; of each, the gap behind the one before, and its length less one. */
function writeRanges(out: ByteWriter, ranges: Uint32Array): void {
  out.varint(ranges.length / 2);
  let next = 1;
  for (let i = 0; i < ranges.length; i += 2) {
    const from = ranges[i]!;
    const to = ranges[i + 1]!;
    out.varint(from - next).varint(to - from);
    next = to + 1;
  }
}

function readRanges(input: ByteReader, max: number): number[] {
  const count = input.varint();
  // Each takes two bytes at least.
  if (count > input.left / 2) throw new FormatError("More ranges than bytes");
  const out: number[] = [];
  let next = 1;
  let total = 0;
  for (let i = 0; i < count; i++) {
    const from = next + input.varint();
    const to = from + input.varint();
    total += to - from + 1;
    if (to > max || total > limits.messagesPerMailboxMax)
      throw new FormatError("Numbers out of range");
    out.push(from, to);
    next = to + 1;
  }
  return out;
}

function* expand(ranges: readonly number[]): Generator<number> {
  for (let i = 0; i < ranges.length; i += 2)
    for (let number = ranges[i]!; number <= ranges[i + 1]!; number++) yield number;
}
