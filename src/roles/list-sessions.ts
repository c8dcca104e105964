import type { SessionSummary } from "#admin/index.ts";
import { limits } from "#base/limits.ts";
import type { PeerInfo } from "#base/stream.ts";
import type { Listeners, ParkingLot } from "#proxy/index.ts";

/** Who is connected to this process, parked or not. */
export function listSessions(listeners: Listeners, lot: ParkingLot | undefined): SessionSummary[] {
  const list: SessionSummary[] = [];
  const add = (
    { address, port, secure }: PeerInfo,
    of: Pick<SessionSummary, "listener" | "name" | "state">,
  ): boolean => list.push({ ...of, address, port, secure }) < limits.sessionsListedMax;
  for (const { peer, listener, loginName } of listeners.all)
    if (!add(peer, { listener, name: loginName ?? null, state: "open" })) return list;
  for (const { peer, listener, name, idling } of lot?.sessions() ?? [])
    if (!add(peer, { listener, name, state: idling ? "idle" : "parked" })) return list;
  return list;
}
