import { errorText, Refusal } from "#base/assert.ts";
import { systemClock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { createLog } from "#base/log.ts";
import type { Log } from "#base/log.ts";
import { systemRandom } from "#base/random.ts";
import type { Settings } from "#config/index.ts";
import { currentConnection } from "#proxy/index.ts";
import { AllInOne } from "./all-in-one.ts";
import { collectWhenIdle, ownProcess } from "./idle-collection.ts";
import { openToOthers, prepareDemo } from "./demo.ts";
import { openMailService } from "./open-mail-service.ts";
import { startScreen } from "./start-screen.ts";

export interface ServeOptions {
  readonly settings: Settings;
  /** Reads and checks the configuration again; throws where it cannot be used. */
  readonly checkConfig: () => Promise<unknown>;
  /** Where people look; undefined: no start screen. */
  readonly screen?: { write(text: string): void; readonly colour: boolean } | undefined;
  /** How this program was called. */
  readonly program: string;
}

/** The code a process ends with that found its disk failing. `EX_IOERR` */
const failedDiskCode = 74;
/** `EX_SOFTWARE` */
const bugCode = 70;

/** Runs the server of one machine until a signal ends it; resolves with the exit code. */
export async function serve(options: ServeOptions): Promise<number> {
  const { settings, screen } = options;
  const { demo } = settings;
  const exposed = demo ? openToOthers(settings) : undefined;
  if (exposed !== undefined)
    throw new Refusal(
      "CANNOT",
      `The demo account has a known password, and the server would listen on ${exposed}: demo is for loopback addresses only`,
    );
  // On the screen of a trial, news of ordinary work would hide what it says.
  const level = screen !== undefined && settings.logLevel === "info" ? "warn" : settings.logLevel;
  const log = createLog({ level });
  const fatal = (error: unknown): void => {
    log.error({ err: error }, "The server cannot go on");
    process.exit(failedDiskCode);
  };
  const ended = Promise.withResolvers<number>();
  surviveStrayErrors(log, () => ended.resolve(bugCode));
  const clock = systemClock;
  const random = systemRandom;
  const began = clock.monotonic();
  const server = await AllInOne.start({ settings, clock, random, log, openMailService, fatal });
  listenToSignals(log, {
    stop: () => ended.resolve(0),
    reload: async () => {
      await server.reload();
      await options.checkConfig();
    },
  });
  if (demo) await prepareDemo(server.adminContext, log);
  log.info({ ms: Math.round(clock.monotonic() - began) }, "Roost is ready");
  const own = ownProcess();
  const collection = own && collectWhenIdle(clock, own);
  const { places, certificates } = server;
  const { fingerprint, selfSigned } = certificates;
  const { dataDir } = settings;
  const { program } = options;
  screen?.write(
    startScreen({
      ...{ places, fingerprint, selfSigned, dataDir, demo, program },
      colour: screen.colour,
    }),
  );
  const code = await ended.promise;
  screen?.write("\nStopping: letting sessions finish. Once more Ctrl+C to stop at once.\n");
  collection?.cancel();
  await server.stop();
  log.info({}, "Roost has stopped");
  return code;
}

interface SignalActions {
  stop(): void;
  reload(): Promise<void>;
}

/** SIGTERM and SIGINT stop, the second one at once; SIGHUP reloads. */
function listenToSignals(log: Log, actions: SignalActions): void {
  let stoppingSince: number | undefined;
  const stop = (signal: NodeJS.Signals): void => {
    const now = systemClock.monotonic();
    if (stoppingSince !== undefined) {
      // npm passes on the signal that the terminal sent to both of us.
      if (now - stoppingSince < limits.signalEchoMs) return;
      // What was acknowledged is durable; an abrupt end costs the peers their goodbye only.
      process.exit(signal === "SIGINT" ? 130 : 143);
    }
    stoppingSince = now;
    log.info({ signal }, "Stopping");
    actions.stop();
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  process.on("SIGHUP", () => {
    actions.reload().then(
      () => log.info({}, "Certificates reloaded; the configuration is sound, a restart applies it"),
      (error: unknown) => log.error({ reason: errorText(error) }, "Nothing was reloaded"),
    );
  });
}

/**
 * An error that nobody caught is a bug. It ends the session that it happened in; outside of a
 * session nobody knows what is broken, and the server ends.
 */
function surviveStrayErrors(log: Log, end: () => void): void {
  process.on("unhandledRejection", (error) => {
    const connection = currentConnection();
    log.error({ err: error, address: connection?.peer.address }, "A promise was rejected unheard");
    connection?.stream.destroy();
  });
  process.on("uncaughtException", (error) => {
    const connection = currentConnection();
    log.error({ err: error, address: connection?.peer.address }, "An error was not caught");
    if (connection === undefined) end();
    else connection.stream.destroy();
  });
}
