/**
 * The one gate: `npm run check`. Format, lint, types, dependency rules, dead code, tests, and a
 * minute of simulation, in this order; the first failure ends it.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { parseArgs, styleText } from "node:util";
import { checkDependencies } from "./dependencies.ts";

const usage = `Usage: npm run check -- [options]

  --fast          static checks only: no tests, no simulation
  --skip-tests    everything but the tests (for those who have just run them)
  --skip-sim      everything but the simulation
  --keep-going    do not stop at the first failure
  --only STEP     this step alone: format, lint, types, dependencies, knip, tidy, tests, sim
`;

const root = join(import.meta.dirname, "..");
const folders = ["src", "sim", "test", "tools", "bench"].filter((folder) =>
  existsSync(join(root, folder)),
);
const environment = {
  ...process.env,
  // The pinned tools and the pinned Node come first, however this file was started.
  PATH: [join(root, "node_modules/.bin"), process.env["PATH"]].join(delimiter),
};
const minuteMs = 60_000;

/** What became of a step; `skipped` says why. */
type Outcome = "passed" | "failed" | { readonly skipped: string };

interface Step {
  readonly name: string;
  readonly run: () => Outcome | Promise<Outcome>;
}

/** Runs a program with our terminal; passed when it exits with 0 within `limitMs`. */
function program(
  command: string,
  parameters: readonly string[],
  limitMs = 5 * minuteMs,
): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = spawn(command, parameters, {
      cwd: root,
      env: environment,
      stdio: ["ignore", "inherit", "inherit"],
    });
    const limit = setTimeout(() => {
      console.error(`${command} took longer than ${limitMs / minuteMs} minutes and was stopped.`);
      child.kill("SIGKILL");
    }, limitMs);
    const finish = (outcome: Outcome): void => {
      clearTimeout(limit);
      resolve(outcome);
    };
    child.on("error", (error) => {
      console.error(`${command} did not start: ${error.message}`);
      finish("failed");
    });
    child.on("exit", (code) => finish(code === 0 ? "passed" : "failed"));
  });
}

function dependencies(): Outcome {
  const { modules, offences } = checkDependencies(root, folders);
  for (const { rule, from, to, advice } of offences) {
    console.error(`${from} → ${to}\n    ${rule}: ${advice}`);
  }
  console.log(`${modules} modules, ${offences.length} offences`);
  return offences.length === 0 ? "passed" : "failed";
}

function simulation(): Outcome | Promise<Outcome> {
  if (!existsSync(join(root, "sim/main.ts"))) return { skipped: "there is no sim/main.ts" };
  return program("node", ["sim/main.ts", "--seconds", "60"]);
}

const everyStep: readonly Step[] = [
  { name: "format", run: () => program("oxfmt", ["--check", ...folders]) },
  { name: "lint", run: () => program("oxlint", folders) },
  {
    name: "types",
    run: () => program("tsc", ["--noEmit"]),
  },
  { name: "dependencies", run: dependencies },
  { name: "knip", run: () => program("knip", ["--no-progress", "--no-config-hints"]) },
  { name: "tidy", run: () => program("node", ["--test", "tools/tidy.test.ts"]) },
  { name: "tests", run: () => program("npm", ["test"], 30 * minuteMs) },
  { name: "sim", run: simulation },
];

function chosenSteps(): { steps: readonly Step[]; keepGoing: boolean } {
  const { values } = parseArgs({
    options: {
      fast: { type: "boolean", default: false },
      "skip-tests": { type: "boolean", default: false },
      "skip-sim": { type: "boolean", default: false },
      "keep-going": { type: "boolean", default: false },
      only: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(usage);
    process.exit(0);
  }
  if (values.only !== undefined && !everyStep.some(({ name }) => name === values.only)) {
    throw new Error(`There is no step ${values.only}`);
  }
  const left = new Set<string>();
  // The tests include tidy.test.ts; it is a step of its own only among the static checks.
  left.add(values.fast ? "tests" : "tidy");
  if (values["skip-tests"]) left.add("tests");
  if (values.fast || values["skip-sim"]) left.add("sim");
  const steps = everyStep.filter(({ name }) =>
    values.only === undefined ? !left.has(name) : name === values.only,
  );
  return { steps, keepGoing: values["keep-going"] };
}

/** Says how a step went, with its duration; true unless it failed. */
function report(name: string, outcome: Outcome, seconds: string): boolean {
  if (outcome === "passed") console.log(styleText("green", `✔ ${name}`), `${seconds} s\n`);
  else if (outcome === "failed") console.log(styleText("red", `✖ ${name}`), `${seconds} s\n`);
  else console.log(styleText("yellow", `- ${name} skipped:`), `${outcome.skipped}\n`);
  return outcome !== "failed";
}

async function runStep({ name, run }: Step): Promise<boolean> {
  console.log(styleText("bold", `▸ ${name}`));
  const start = performance.now();
  let outcome: Outcome;
  try {
    outcome = await run();
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    outcome = "failed";
  }
  return report(name, outcome, ((performance.now() - start) / 1000).toFixed(1));
}

async function main(): Promise<number> {
  const { steps, keepGoing } = chosenSteps();
  const version = spawnSync("node", ["--version"], { env: environment, encoding: "utf8" });
  console.log(`Node ${version.stdout.trim()}; ${folders.join(" ")}\n`);
  const failed: string[] = [];
  for (const step of steps) {
    if (!(await runStep(step))) failed.push(step.name);
    if (failed.length > 0 && !keepGoing) break;
  }
  if (failed.length > 0) console.log(styleText("red", `The gate is closed: ${failed.join(", ")}`));
  else console.log(styleText("green", "The gate is open."));
  return failed.length > 0 ? 1 : 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`);
  process.exitCode = 64;
}
