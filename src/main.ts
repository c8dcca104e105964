/**
 * The command line: `roost --help`. Parts are loaded when a command needs them.
 */
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

process.exit(await runCommandLine(process.argv.slice(2), environment));
