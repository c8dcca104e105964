/**
 * Simulates servers, clients and crashes from seeds.
 *
 *   npm run sim                        1,000 seeds from a random first one
 *   npm run sim -- --seeds 20000
 *   npm run sim -- --seed 4711         that one seed, again
 *   npm run sim -- --seconds 60        as many as fit
 */
import { parseArgs } from "node:util";
import { systemClock } from "#base/clock.ts";
import { systemRandom } from "#base/random.ts";
import { runSeed } from "./run.ts";

const { values: options } = parseArgs({
  options: {
    seed: { type: "string" },
    seeds: { type: "string" },
    seconds: { type: "string" },
  },
});
const first = options.seed === undefined ? systemRandom.below(2 ** 31) : Number(options.seed);
const count = Number(options.seeds ?? (options.seed === undefined ? 1_000 : 1));
const deadline =
  options.seconds === undefined
    ? Infinity
    : systemClock.monotonic() + Number(options.seconds) * 1000;

process.stdout.write(`simulation: seeds from ${first}\n`);
const started = systemClock.monotonic();
let [seeds, crashes, deliveries, events, time] = [0, 0, 0, 0, 0];
for (; seeds < count && systemClock.monotonic() < deadline; seeds++) {
  const seed = first + seeds;
  try {
    const summary = await runSeed(seed);
    crashes += summary.crashes;
    deliveries += summary.deliveries;
    events += summary.events;
    time += summary.time;
  } catch (error) {
    process.stdout.write(`seed ${seed} failed; again: npm run sim -- --seed ${seed}\n`);
    process.stdout.write(
      `${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    );
    process.exitCode = 1;
    break;
  }
  if (seeds % 100 === 99) process.stdout.write(`  ${seeds + 1} seeds\n`);
}
const seconds = ((systemClock.monotonic() - started) / 1000).toFixed(1);
process.stdout.write(
  `${seeds} seeds in ${seconds} s: ${crashes} crashes, ${deliveries} deliveries, ${events} events, ${Math.round(time / 1000)} s of simulated time\n`,
);
