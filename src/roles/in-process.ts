import type { AdminContext } from "#admin/index.ts";
import { systemClock } from "#base/clock.ts";
import type { Log } from "#base/log.ts";
import { Metrics } from "#base/metrics.ts";
import { systemRandom } from "#base/random.ts";
import { Shutdown } from "#base/shutdown.ts";
import type { Settings } from "#config/index.ts";
import { openAuthDesk } from "./auth-desk.ts";
import type { MailService } from "./mail-service.ts";

export interface InProcessAdmin {
  readonly context: AdminContext;
  close(): Promise<void>;
}

/**
 * What operations work with where no server runs: directory and store are opened by this process,
 * the store only when an operation asks for it.
 */
export async function openInProcess(settings: Settings, log: Log): Promise<InProcessAdmin> {
  const clock = systemClock;
  const random = systemRandom;
  const auth = await openAuthDesk({ settings, clock, random, log });
  let opening: Promise<MailService> | undefined;
  const open = async (repairJournal: boolean): Promise<MailService> => {
    const { openMailService } = await import("./open-mail-service.ts");
    return openMailService({
      settings,
      clock,
      random,
      log,
      metrics: new Metrics(),
      directory: auth.limited,
      shutdown: new Shutdown(),
      repairJournal,
      fatal: (error) => {
        throw error;
      },
    });
  };
  return {
    context: {
      clock,
      accounts: auth,
      mail: async (options) => (await (opening ??= open(options?.repair === true))).desk,
      // Sessions are the server's.
      endSessions() {},
      serverStats: async () => undefined,
      sessions: () => [],
    },
    async close() {
      const mail = await opening?.catch(() => undefined);
      await mail?.close();
      await auth.close();
    },
  };
}
