import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Authenticator, LoginThrottle, openSqliteDirectory } from "#auth/index.ts";
import { Passwords, PasswordThreads } from "#auth/index.ts";
import type { Directory, SqliteDirectory } from "#auth/index.ts";
import type { Clock } from "#base/clock.ts";
import type { Log } from "#base/log.ts";
import type { Random } from "#base/random.ts";
import type { Settings } from "#config/index.ts";
import { withDefaultQuota } from "./default-quota.ts";

export interface AuthParts {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** Directory, passwords and who judges them. */
export interface AuthDesk {
  /** For administrators. */
  readonly directory: SqliteDirectory;
  /** For everybody else: with the default quota where an account has none. */
  readonly limited: Directory;
  readonly passwords: Passwords;
  readonly authenticator: Authenticator;
  close(): Promise<void>;
}

/** Opens the directory in the data folder, which is made where it is missing. */
export async function openAuthDesk(parts: AuthParts): Promise<AuthDesk> {
  const { settings, clock, random, log } = parts;
  await mkdir(settings.dataDir, { recursive: true, mode: 0o700 });
  const directory = openSqliteDirectory({
    path: join(settings.dataDir, "directory.sqlite"),
    clock,
    random,
  });
  const slow = new PasswordThreads({ clock, threads: settings.auth.passwordThreads });
  const passwords = new Passwords({ random, slow });
  const { quota } = settings;
  const limited =
    quota.bytes === undefined && quota.messages === undefined
      ? directory
      : withDefaultQuota(directory, quota);
  const authenticator = new Authenticator({
    directory: limited,
    passwords,
    throttle: throttleOf(settings, clock),
    clock,
    random,
    log,
    rehash: settings.auth.rehash,
  });
  return {
    directory,
    limited,
    passwords,
    authenticator,
    async close() {
      await authenticator.close();
      await slow.close();
      await directory.close();
    },
  };
}

function throttleOf(settings: Settings, clock: Clock): LoginThrottle {
  const { penaltyDelayMsMax, sharedAddresses } = settings.auth;
  const delays = { clock, delayMsMax: penaltyDelayMsMax };
  if (sharedAddresses.length === 0) return new LoginThrottle(delays);
  const shared = new Set(sharedAddresses);
  return new LoginThrottle({
    ...delays,
    sharedAddress: (address) => shared.has(address),
  });
}
