import type { RoostConfig } from "./settings.ts";

/** Gives `config` back; it is there for the types. */
export function defineConfig(config: RoostConfig): RoostConfig {
  return config;
}
