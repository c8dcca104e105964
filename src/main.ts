/**
 * The command line: `roost --help`. Parts are loaded when a command needs them.
 */
import { flushCompileCache, getCompileCacheDir } from "node:module";
import { resolve } from "node:path";
import { adminSocketName, exitCodes, runCommandLine } from "#admin/index.ts";
import type { CliEnvironment, CliSettings } from "#admin/index.ts";
import type { Settings } from "#config/index.ts";
import manifest from "../package.json" with { type: "json" };

interface MainSettings extends CliSettings {
  readonly settings: Settings;
  /** Reads and checks the configuration again. */
  readonly recheck: () => Promise<unknown>;
}

const environment: CliEnvironment<MainSettings> = {
  // Each of them is opened when it is first asked for.
  get stdin() {
    return process.stdin;
  },
  get stdout() {
    return process.stdout;
  },
  get stderr() {
    return process.stderr;
  },
  variables: process.env,
  program: process.env["ROOST_PROGRAM"] ?? "roost",
  version: manifest.version,
  async loadSettings(options) {
    const { loadConfig } = await import("#config/index.ts");
    const wanted = {
      file: options.config ?? process.env["ROOST_CONFIG"],
      folder: process.cwd(),
    };
    const { settings, file } = await loadConfig(wanted);
    const dataDir = options.data === undefined ? settings.dataDir : resolve(options.data);
    return {
      dataDir,
      file,
      adminSocket: resolve(dataDir, adminSocketName),
      settings: { ...settings, dataDir },
      recheck: () => loadConfig({ ...wanted, again: true }),
    };
  },
  async serve({ settings, recheck }, { demo, colour }) {
    const { serve } = await import("#roles/index.ts");
    startAnew();
    const { stdout } = process;
    const screen = {
      write: (text: string): void => void stdout.write(text),
      colour: colour && !process.env["NO_COLOR"],
    };
    return serve({
      settings: { ...settings, demo: settings.demo || demo },
      checkConfig: recheck,
      program: environment.program,
      screen: stdout.isTTY ? screen : undefined,
    });
  },
  async openInProcess({ settings }) {
    const { openInProcess } = await import("#roles/index.ts");
    const { createLog } = await import("#base/log.ts");
    return openInProcess(settings, createLog({ level: "warn" }));
  },
  describeError(error) {
    return error instanceof Error && error.name === "ConfigError"
      ? { text: error.message, code: exitCodes.config }
      : undefined;
  },
};

/**
 * What strips types stays in the process that has used it, 17 MB of it. So a server that had to, after
 * its files were changed, puts the stripped and compiled code into the cache, and starts over from
 * there, once, before it opens anything.
 */
function startAnew(): void {
  const { env, execPath, execArgv, argv } = process;
  // Not documented, and still there: the names of Node's own modules that were loaded.
  const { moduleLoadList } = process as { moduleLoadList?: readonly string[] };
  const strips = moduleLoadList?.some((name) => name.endsWith("amaro/dist/index")) ?? false;
  if (!strips || process.execve === undefined || getCompileCacheDir() === undefined) return;
  if (env["ROOST_STARTED_ANEW"] !== undefined) return;
  flushCompileCache();
  process.execve(execPath, [execPath, ...execArgv, ...argv.slice(1)], {
    ...env,
    ROOST_STARTED_ANEW: "1",
  });
}

if (process.env["ROOST_FILL_CACHE"] !== undefined) {
  // `npm ci` asks for it, so that the first start finds compiled code.
  const [{ fillCache }] = await Promise.all([
    import("#roles/index.ts"),
    import("#config/index.ts"),
  ]);
  await fillCache();
  process.exit();
}
process.exit(await runCommandLine(process.argv.slice(2), environment));
