import { existsSync, readFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { dirname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import * as v from "valibot";
import { errorText } from "#base/assert.ts";
import { ConfigError, problemsOf } from "./problems.ts";
import { settingsSchema } from "./settings.ts";
import type { Settings } from "./settings.ts";

const standardNames = [
  "roost.config.ts",
  "roost.config.mts",
  "roost.config.js",
  "roost.config.mjs",
];

export interface LoadedConfig {
  readonly settings: Settings;
  /** Absolute path; undefined where there is no file and the defaults serve. */
  readonly file: string | undefined;
}

export interface LoadOptions {
  /** Asked for by name: then it has to be there. */
  readonly file?: string | undefined;
  /** Folder to look in, and what paths are relative to where there is no file. */
  readonly folder: string;
  /** Reads the file again though this process has read it before. */
  readonly again?: boolean;
}

/**
 * Finds, runs and checks the configuration. Paths in it are relative to its folder. Throws
 * `ConfigError`, which says what is wrong where.
 */
export async function loadConfig(options: LoadOptions): Promise<LoadedConfig> {
  const file =
    options.file === undefined
      ? standardNames.map((name) => resolve(options.folder, name)).find((path) => existsSync(path))
      : resolve(options.folder, options.file);
  if (file === undefined) return { settings: checkConfig({}, options.folder), file };
  const config = await runFile(file, options.again ?? false);
  return { settings: checkConfig(config, file), file };
}

/** Settings with defaults and absolute paths. `source` is the file, or the folder without one. */
export function checkConfig(config: unknown, source: string): Settings {
  const checked = v.safeParse(settingsSchema, config);
  if (!checked.success) throw new ConfigError(source, problemsOf(settingsSchema, checked.issues));
  const folder = /\.m?[jt]s$/.test(source) ? dirname(source) : source;
  const absolute = (path: string): string => resolve(folder, path);
  const files = (own: { certificate: string; key: string }) => ({
    certificate: absolute(own.certificate),
    key: absolute(own.key),
  });
  const { tls, listeners, dataDir, ...rest } = checked.output;
  const { certificate, key, names } = tls;
  return {
    ...rest,
    dataDir: absolute(dataDir),
    listeners: listeners.map((entry) =>
      entry.path === undefined ? entry : { ...entry, path: absolute(entry.path) },
    ),
    tls: {
      ...tls,
      ...(certificate === undefined || key === undefined ? {} : files({ certificate, key })),
      names: Object.fromEntries(Object.entries(names).map(([name, own]) => [name, files(own)])),
    },
  };
}

let reads = 0;

async function runFile(file: string, again: boolean): Promise<unknown> {
  if (!existsSync(file)) throw new ConfigError(file, [problem("there is no such file")]);
  serveOwnName();
  const url = pathToFileURL(file);
  if (again) url.searchParams.set("read", String(++reads));
  let loaded: { readonly default?: unknown };
  try {
    loaded = await runAsPlainest(url);
  } catch (error) {
    throw new ConfigError(file, [problem(`running it failed: ${errorText(error)}`)], {
      cause: error,
    });
  }
  if (loaded.default === undefined)
    throw new ConfigError(file, [problem("expected `export default defineConfig({ ... })`")]);
  return loaded.default;
}

/**
 * Most configurations have no types in them, and what strips types costs 17 MB for as long as the
 * process lives: what can only mean the same without it runs without it. Without a "<" there are no
 * type arguments, which are the one form of TypeScript that is JavaScript too and means something
 * else there; any other form is a SyntaxError, and nothing has run then.
 */
async function runAsPlainest(url: URL): Promise<{ readonly default?: unknown }> {
  if (/\.m?ts$/.test(url.pathname) && !readFileSync(url, "utf8").includes("<")) {
    const hooks = registerHooks({
      load: (wanted, context, next) =>
        next(wanted, wanted === url.href ? { ...context, format: "module" } : context),
    });
    try {
      return (await import(url.href)) as { readonly default?: unknown };
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
    } finally {
      hooks.deregister();
    }
    // A module that failed is remembered under its name.
    url.searchParams.set("typed", "");
  }
  return (await import(url.href)) as { readonly default?: unknown };
}

function problem(expected: string): { path: string; value: undefined; expected: string } {
  return { path: "", value: undefined, expected };
}

let served = false;

/** Lets configuration files anywhere on the machine import "roost/config". */
function serveOwnName(): void {
  if (served) return;
  served = true;
  const own = new URL("./index.ts", import.meta.url).href;
  registerHooks({
    resolve: (specifier, context, next) =>
      specifier === "roost/config" ? { url: own, shortCircuit: true } : next(specifier, context),
  });
}
