/**
 * kill -9 under load: a real server takes mail by LMTP and changes by IMAP, is killed at a random
 * moment, started again, and asked for everything that it had promised.
 *
 *   node test/crash/kill-loop.ts [--rounds 50] [--seed N]
 */
import { parseArgs } from "node:util";
import { type Random, seededRandom } from "#base/random.ts";
import { TestServer } from "../interop/server.ts";
import { changeMail, deliverMail, isEnd, type Load, readAccount } from "./load.ts";
import { AccountWitness } from "./witness.ts";

const deliverers = 6;

export interface KillLoopOptions {
  readonly rounds: number;
  readonly seed: number;
  readonly say?: (text: string) => void;
}

/** What was done, for the eye. */
export interface KillLoopReport {
  readonly messages: number;
  readonly present: number;
}

/** Runs the loop. Errors: `BrokenPromise` where the server forgot or doubled something. */
export async function killLoop(options: KillLoopOptions): Promise<KillLoopReport> {
  const { rounds, seed, say } = options;
  const random = seededRandom(seed);
  const witnesses = ["ada", "ben", "cleo"].map((name) => new AccountWitness(name));
  const server = new TestServer({
    // Settled accounts leave the memory at once, so that they are loaded again and again.
    settings: { store: { accountMemoryBytes: 0 } },
  });
  let marks = 0;
  const load: Load = { server, random, nextMark: () => `m${++marks}` };
  try {
    await server.addUsers(witnesses.map(({ name }) => name));
    await server.start();
    for (let round = 0; round <= rounds; round++) {
      for (const witness of witnesses) witness.compare(await readAccount(server, witness));
      await server.roost("verify").catch((error: unknown) => {
        throw new Error("roost verify found something", { cause: error });
      });
      say?.(`round ${round}: ${marks} messages sent, ${presentOf(witnesses)} there`);
      if (round === rounds) break;
      await strain(load, witnesses);
      await server.start();
    }
    return { messages: marks, present: presentOf(witnesses) };
  } catch (error) {
    throw new Error(`Seed ${seed}\n${server.log.slice(-3000)}`, { cause: error });
  } finally {
    await server.remove();
  }
}

function presentOf(witnesses: readonly AccountWitness[]): number {
  let count = 0;
  for (const { boxes } of witnesses)
    for (const { messages } of boxes.values()) count += messages.size;
  return count;
}

/** Clients work until the server is killed. */
async function strain(load: Load, witnesses: readonly AccountWitness[]): Promise<void> {
  const { server, random } = load;
  const clients = [
    ...Array.from({ length: deliverers }, () => deliverMail(load, witnesses)),
    ...witnesses.map((witness) => changeMail(load, witness)),
  ];
  const failed = Promise.all(clients);
  failed.catch(() => {});
  const killed = (async () => {
    await pause(random, 1500, 200);
    // A stop settles everything: sometimes it is cut off, sometimes it may come to its end.
    const how = random.below(4);
    if (how === 0) {
      const stopped = server.end("SIGTERM");
      await pause(random, 500);
      if (random.below(2) === 0) await server.end("SIGKILL");
      await stopped;
    } else await server.end("SIGKILL");
  })();
  await Promise.race([failed, killed]).catch((error: unknown) => {
    if (!isEnd(error)) throw error;
  });
  await killed;
  await failed;
}

function pause(random: Random, msMax: number, msMin = 0): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, msMin + random.below(msMax)));
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      rounds: { type: "string", default: "50" },
      seed: { type: "string", default: String(Date.now() % 1_000_000) },
    },
  });
  console.log(`Seed ${values.seed} (moments of the kills differ from run to run)`);
  const say = (text: string): void => console.log(text);
  const report = await killLoop({
    rounds: Number(values.rounds),
    seed: Number(values.seed),
    say,
  });
  console.log(`All promises kept: ${report.messages} messages sent, ${report.present} there.`);
}
