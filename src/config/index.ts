/**
 * Configuration: one TypeScript file, optional, typed and checked.
 *
 * - `defineConfig` gives the author of roost.config.ts types; `import ... from "roost/config"`.
 * - `loadConfig` finds and runs the file and gives `Settings`: complete, with absolute paths.
 * - An error names the file, the path in it, the value and what was expected.
 * - Each area declares its own settings and hooks in its settings.ts; nobody but `roles` and the
 *   main program imports the configuration: parts get their settings as arguments.
 */
export { Refusal } from "#base/assert.ts";
export { defineConfig } from "./define.ts";
export { checkConfig, type LoadedConfig, loadConfig, type LoadOptions } from "./load.ts";
export { ConfigError, type SettingProblem } from "./problems.ts";
export type { RoostConfig, Settings } from "./settings.ts";
