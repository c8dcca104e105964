/**
 * Administration: operations, and the ways to them.
 *
 * - operations/ has one function each; a table names them, a schema guards their parameters, and
 *   their results are plain data.
 * - http/ offers them to administrators over a Unix socket, and serves /metrics and /healthz.
 * - cli/ is the command line. It calls an operation in the running server where there is one, and
 *   in its own process where there is none; commands do not see the difference.
 * - Nothing here builds a server or reads the configuration: the main program hands both in.
 */
export type {
  AdminContext,
  MailDesk,
  OperationCall,
  ServerStats,
  SessionSummary,
  VerifyOptions,
  VerifyReport,
} from "./operations/operation.ts";
export type { CliEnvironment, CliOptions, CliSettings } from "./cli/environment.ts";
export { exitCodes } from "./cli/exit-codes.ts";
export { createMonitoringServer } from "./http/monitoring.ts";
export { adminSocketName, createAdminServer } from "./http/server.ts";
export { runCommandLine } from "./cli/program.ts";
