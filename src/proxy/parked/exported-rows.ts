import { ByteReader, ByteWriter, FormatError } from "#base/bytes.ts";
import { limits } from "#base/limits.ts";
import type { MailboxWait } from "./waits.ts";
import type { ParkedSession } from "./parked-table.ts";

/**
 * Parked sessions on their way to another process of the same machine, perhaps of another version of
 * this program; their descriptors travel beside the bytes, in the same order.
 *
 * @format parked-rows
 * Version 1. Zero is no version. Fields are never taken away from a version; a reader refuses
 * versions that it does not know, and the sessions stay where they are.
 */
const version = 1;

/** The bytes of sessions, and their descriptors in the same order. */
export interface ExportedRows {
  readonly bytes: Uint8Array;
  readonly descriptors: readonly number[];
}

/** `nowMs` is that of the clock in which the deadlines are; what is written is the time left. */
export function encodeRows(sessions: readonly ParkedSession[], nowMs: number): ExportedRows {
  const out = new ByteWriter(sessions.length * 256);
  out.u8(version).varint(sessions.length);
  for (const session of sessions) {
    out.u8(session.kind).text(session.account).text(session.address);
    out.f64(session.deadlineMs - nowMs);
    out.varint(session.waits.length);
    for (const { account, mailbox, told } of session.waits)
      out.text(account).varint(mailbox).varint(told);
    out.blob(session.tag).blob(session.transport).blob(session.frozen);
  }
  return { bytes: out.take(), descriptors: sessions.map(({ descriptor }) => descriptor) };
}

/** Throws `FormatError` where the bytes are not what `encodeRows` writes for these descriptors. */
export function decodeRows(rows: ExportedRows, nowMs: number): ParkedSession[] {
  const { bytes, descriptors } = rows;
  const input = new ByteReader(bytes);
  const found = input.u8();
  if (found !== version) throw new FormatError(`Parked sessions of the unknown version ${found}`);
  if (input.varint() !== descriptors.length)
    throw new FormatError(`${descriptors.length} descriptors for another number of sessions`);
  const sessions: ParkedSession[] = [];
  for (const descriptor of descriptors) {
    const kind = input.u8();
    const [account, address] = [input.text(), input.text()];
    const deadlineMs = nowMs + input.f64();
    const waits: MailboxWait[] = [];
    const waitsCount = input.varint();
    if (waitsCount > limits.parkedWaitsMax) throw new FormatError("Too many waits of one session");
    for (let i = 0; i < waitsCount; i++)
      waits.push({ account: input.text(), mailbox: input.varint(), told: input.varint() });
    const [tag, transport, frozen] = [input.blob(), input.blob(), input.blob()];
    sessions.push({
      descriptor,
      kind,
      account,
      address,
      waits,
      deadlineMs,
      tag,
      transport,
      frozen,
    });
  }
  if (input.left > 0) throw new FormatError("Bytes behind the last session");
  return sessions;
}
