/**
 * Random commands of one to three sessions, compared with a model.
 *
 *   node test/model/main.ts                  1,000 seeds from a random first one
 *   node test/model/main.ts --seeds 20000
 *   node test/model/main.ts --seed 4711      that one seed again, with all that is said
 */
import { parseArgs } from "node:util";
import { systemClock } from "#base/clock.ts";
import { systemRandom } from "#base/random.ts";
import { runSeed } from "./run.ts";
import { twinCount, watchViews } from "./view-twin.ts";

const { values: options } = parseArgs({
  options: {
    seed: { type: "string" },
    seeds: { type: "string" },
    first: { type: "string" },
    "keep-going": { type: "boolean" },
    outcomes: { type: "boolean" },
    freezing: { type: "boolean", default: false },
  },
});
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const single = options.seed !== undefined;
const first = Number(options.seed ?? options.first ?? systemRandom.below(2 ** 31));
const count = Number(options.seeds ?? (single ? 1 : 1_000));
const outcomes = new Map<string, number>();

watchViews();
say(`model: seeds from ${first}`);
const started = systemClock.monotonic();
let [seeds, commands, failures] = [0, 0, 0];
for (; seeds < count; seeds++) {
  try {
    const summary = await runSeed(first + seeds, {
      freezing: options.freezing,
      ...(single ? { trace: say } : {}),
    });
    commands += summary.commands;
    for (const [outcome, times] of summary.outcomes)
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + times);
  } catch (error) {
    say(error instanceof Error ? error.message : String(error));
    process.exitCode = 1;
    failures++;
    if (options["keep-going"] !== true) break;
  }
  if (seeds % 500 === 499) say(`  ${seeds + 1} seeds`);
}
if (options.outcomes === true)
  for (const outcome of [...outcomes.keys()].sort())
    say(`${String(outcomes.get(outcome)).padStart(8)} ${outcome}`);
const seconds = ((systemClock.monotonic() - started) / 1000).toFixed(1);
say(
  `${seeds} seeds in ${seconds} s: ${commands} commands, ${twinCount.value} views thawed, ${failures} failures`,
);
