import { pino } from "pino";

/** Fields of a log line. Never passwords, tokens or message contents. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Structured log. Messages are constant sentences; what varies goes into the fields. */
export interface Log {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
  child(fields: LogFields): Log;
}

export type LogLevel = "debug" | "info" | "warn" | "error" | "silent";

/** JSON lines to a file descriptor (default 2). */
export function createLog(options: { level: LogLevel; descriptor?: number }): Log {
  const destination = pino.destination({ dest: options.descriptor ?? 2, sync: false });
  return pino(
    { base: null, level: options.level, timestamp: pino.stdTimeFunctions.isoTime },
    destination,
  );
}

/** Drops everything. */
export const silentLog: Log = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLog,
};
