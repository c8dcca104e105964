/**
 * Runs dependency-cruiser with the rules of layers.ts and distrusts its silence: a run that saw
 * no module, or a file with imports of which none was found, is a failure.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { dependencyRules } from "./layers.ts";

/** What dependency-cruiser's JSON report says, as far as it is read here. */
interface Report {
  readonly modules: readonly {
    readonly source: string;
    readonly dependencies: readonly unknown[];
  }[];
  readonly summary: {
    readonly totalCruised: number;
    readonly violations: readonly {
      readonly from: string;
      readonly to: string;
      readonly rule: { readonly name: string };
    }[];
  };
}

export interface Offence {
  /** Name of the broken rule in layers.ts. */
  readonly rule: string;
  /** Path of the importing file, relative to the tree. */
  readonly from: string;
  readonly to: string;
  /** What to do instead. */
  readonly advice: string;
}

export interface Dependencies {
  readonly modules: number;
  readonly offences: readonly Offence[];
}

const repository = join(import.meta.dirname, "..");
const importLine = /^(import|export)\s.*\sfrom\s+["']/m;

/**
 * Checks the folders of `tree` (the repository, or a fixture of the same shape).
 * Throws when dependency-cruiser did not run, saw nothing, or overlooked imports.
 */
export function checkDependencies(tree: string, folders: readonly string[]): Dependencies {
  const program = join(repository, "node_modules/dependency-cruiser/bin/dependency-cruiser.mjs");
  const config = join(repository, ".dependency-cruiser.cjs");
  const run = spawnSync(
    process.execPath,
    [program, "--config", config, "--output-type", "json", ...folders],
    { cwd: tree, encoding: "utf8", maxBuffer: 256 * 1024 * 1024 },
  );
  if (!run.stdout.startsWith("{")) {
    throw new Error(`dependency-cruiser gave no report: ${run.stderr || run.stdout}`);
  }
  const report = JSON.parse(run.stdout) as Report;
  if (report.summary.totalCruised === 0) throw new Error("dependency-cruiser saw no modules");
  for (const { source, dependencies } of report.modules) {
    const path = join(tree, source);
    const ours = source.endsWith(".ts") && !source.includes("node_modules/") && existsSync(path);
    if (ours && dependencies.length === 0 && importLine.test(readFileSync(path, "utf8"))) {
      throw new Error(`dependency-cruiser saw no import of ${source}, which has some`);
    }
  }
  const advice = new Map(dependencyRules().map(({ name, comment }) => [name, comment]));
  return {
    modules: report.summary.totalCruised,
    offences: report.summary.violations.map(({ rule, from, to }) => ({
      rule: rule.name,
      from,
      to,
      advice: advice.get(rule.name) ?? "",
    })),
  };
}
