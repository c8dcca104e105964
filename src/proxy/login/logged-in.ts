import type { Directory, Identity } from "#auth/index.ts";
import type { Clock } from "#base/clock.ts";
import { utf8 } from "#base/bytes.ts";
import type { Connection } from "../connection.ts";
import { serveHeld, type SessionEnding } from "../held-session.ts";
import type { ParkingLot, ReturningSession } from "../parking-lot.ts";
import type { MailboxSessions } from "./arrival.ts";
import type { AccountSessions, UserConnections } from "./user-connections.ts";

export interface LoggedInParts {
  readonly sessions: MailboxSessions;
  readonly users: UserConnections;
  readonly lot?: ParkingLot | undefined;
  readonly clock: Clock;
}

interface LoggedIn {
  readonly identity: Identity;
  readonly counted: AccountSessions;
  /** See `HeldSessionParts`. */
  readonly spokeAlready?: boolean;
  start(): Promise<SessionEnding>;
}

/** Serves a client that is logged in until it is gone, or its connection parked. */
export async function serveLoggedIn(
  connection: Connection,
  login: LoggedIn,
  parts: LoggedInParts,
): Promise<void> {
  const { sessions, users, lot, clock } = parts;
  const { stream, peer, listener } = connection;
  const { identity, counted } = login;
  const { shutdown } = counted;
  const { accountId, name } = identity;
  connection.loginName = name;
  try {
    await serveHeld(stream, {
      clock,
      shutdown,
      start: () => login.start(),
      spokeAlready: login.spokeAlready,
      resume: (resumption) => sessions.resume({ stream, peer, identity, shutdown, ...resumption }),
      watch: (waitsFor, wake) => sessions.watch(accountId, waitsFor, wake),
      // Who is to hear of the end hears of it now.
      park: async (session) => {
        if (lot === undefined) return false;
        await connection.whenSent();
        if (shutdown.begun) return false;
        return lot.park(connection, { ...session, accountId, name, peer, listener });
      },
    });
  } finally {
    users.leave(counted);
  }
}

export interface ReturnParts extends LoggedInParts {
  readonly directory: Directory;
}

const refused = utf8("* BYE [CONTACTADMIN] The account may no longer log in\r\n");

/** Goes on with a session that was parked; its account is looked at again first. */
export async function serveReturned(
  connection: Connection,
  session: ReturningSession,
  parts: ReturnParts,
): Promise<void> {
  const { directory, users, sessions } = parts;
  const { accountId, name, frozen, input, silentMs, spoke } = session;
  const entry = users.arrive();
  const identity = await directory.findLogin(name).catch((error: unknown) => {
    users.giveUp(entry);
    throw error;
  });
  const allowed = identity?.accountId === accountId && !identity.disabled;
  const counted = allowed ? users.enter(entry, accountId) : "ended";
  if (!allowed) users.giveUp(entry);
  if (typeof counted === "string") {
    void connection.stream.write(refused);
    return;
  }
  const { stream, peer } = connection;
  const { shutdown } = counted;
  const start = async (): Promise<SessionEnding> =>
    spoke !== undefined
      ? { kind: "frozen", frozen, silentMs, ...spoke }
      : sessions.resume({ stream, peer, identity: identity!, shutdown, frozen, input, silentMs });
  await serveLoggedIn(
    connection,
    { identity: identity!, counted, start, spokeAlready: spoke !== undefined },
    parts,
  );
}
