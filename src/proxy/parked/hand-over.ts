import type { Clock } from "#base/clock.ts";
import { FormatError } from "#base/bytes.ts";
import { limits } from "#base/limits.ts";
import type { DescriptorChannel } from "./descriptor-channel.ts";
import { decodeRows, encodeRows } from "./exported-rows.ts";
import type { ExportedRows } from "./exported-rows.ts";
import type { ParkedSession, ParkedTable } from "./parked-table.ts";
import { closeDescriptor } from "./system-calls.ts";

/**
 * Gives every session that is parked in `table` to the process at the other end. Sessions that are
 * awake stay. Resolves with the number given; stops before the end where the peer refuses a frame,
 * rejects with `ConnectionBroken` where it goes away. What was not taken stays parked here.
 */
export async function handOver(
  table: ParkedTable,
  channel: DescriptorChannel,
  clock: Clock,
): Promise<number> {
  let given = 0;
  for (let last = 0; ;) {
    const rows: number[] = [];
    const sessions: ParkedSession[] = [];
    let bytes = 0;
    for (;;) {
      const row = table.next(last);
      if (row === 0 || rows.length === limits.passedDescriptorsMax) break;
      if (bytes > limits.passedBytesMax / 2) break;
      last = row;
      if (!table.isParked(row)) continue;
      table.startLeaving(row);
      const session = table.session(row);
      rows.push(row);
      sessions.push(session);
      bytes += session.frozen.length + session.transport.length;
    }
    if (rows.length === 0) return given;
    let taken = false;
    try {
      taken = await channel.send(encodeRows(sessions, clock.monotonic()));
    } finally {
      if (!taken) for (const row of rows) table.cancelLeaving(row);
    }
    if (!taken) return given;
    for (const row of rows) closeDescriptor(table.remove(row));
    given += rows.length;
  }
}

/**
 * Parks in `table` what `handOver` at the other end gives, until it closes the channel. Resolves with
 * the number of sessions. A frame for which there is no room, or of an unknown version, is refused as
 * a whole. Whoever calls tells the backends afterwards what is watched (`ParkedTable.watched`):
 * what changed on the way was told to the other process.
 */
export async function takeOver(
  table: ParkedTable,
  channel: DescriptorChannel,
  clock: Clock,
): Promise<number> {
  let taken = 0;
  for (;;) {
    const frame = await channel.receive();
    if (frame === undefined) return taken;
    const rows = importRows(table, frame, clock);
    if (rows === undefined) {
      frame.refuse();
      continue;
    }
    if (!frame.accept()) {
      // Its sender has given up on us and keeps them.
      for (const row of rows) closeDescriptor(table.remove(row));
      return taken;
    }
    taken += rows.length;
  }
}

function importRows(table: ParkedTable, frame: ExportedRows, clock: Clock): number[] | undefined {
  const rows: number[] = [];
  try {
    for (const session of decodeRows(frame, clock.monotonic())) {
      const row = table.add(session);
      if (row === 0) throw new NoRoom();
      rows.push(row);
    }
    return rows;
  } catch (error) {
    for (const row of rows) table.remove(row);
    if (error instanceof NoRoom || error instanceof FormatError) return undefined;
    throw error;
  }
}

class NoRoom extends Error {
  override readonly name = "NoRoom";
}
