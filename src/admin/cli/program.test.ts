import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable, Writable } from "node:stream";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { inlineSlowHash, openSqliteDirectory, Passwords } from "#auth/index.ts";
import type { SqliteDirectory } from "#auth/index.ts";
import { Refusal } from "#base/assert.ts";
import type { AccountId } from "#base/brand.ts";
import { systemClock } from "#base/clock.ts";
import { systemRandom } from "#base/random.ts";
import type { Delivery } from "#delivery/index.ts";
import type { MailDesk, VerifyReport } from "../operations/operation.ts";
import type { CliEnvironment } from "./environment.ts";
import { exitCodes } from "./exit-codes.ts";
import { runCommandLine } from "./program.ts";

class Sink extends Writable {
  text = "";
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString("utf8");
    done();
  }
}

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

interface World {
  readonly folder: string;
  readonly directory: SqliteDirectory;
  readonly delivered: { to: string; text: string }[];
  run(words: string, input?: string): Promise<Ran>;
}

const report: VerifyReport = {
  objects: 3,
  bytes: 2_500,
  problems: ["x is broken"],
  repaired: false,
};

/** A world without a server: operations run in this process, on a directory in memory. */
function world(t: TestContext): World {
  const folder = mkdtempSync(join(tmpdir(), "roost-"));
  const directory = openSqliteDirectory({
    path: ":memory:",
    clock: systemClock,
    random: systemRandom,
  });
  t.after(async () => {
    await directory.close();
    rmSync(folder, { recursive: true });
  });
  const delivered: World["delivered"] = [];
  const delivery = {
    resolve: async (address: string) => {
      if (address.startsWith("nobody")) throw new Refusal("NONEXISTENT", "There is no such user");
      return { address, accountId: "a" as AccountId };
    },
    deliver: async (message: { content: Uint8Array }, to: readonly { address: string }[]) =>
      to.map((recipient) => {
        delivered.push({ to: recipient.address, text: Buffer.from(message.content).toString() });
        return { recipient, error: null };
      }),
  } as unknown as Delivery;
  const desk = {
    delivery,
    verify: async ({
      repair,
      progress,
    }: {
      repair: boolean;
      progress(a: number, b: number): void;
    }) => {
      progress(1, 2);
      return { ...report, repaired: repair };
    },
  } as unknown as MailDesk;
  const run = async (words: string, input = ""): Promise<Ran> => {
    const [stdout, stderr] = [new Sink(), new Sink()];
    const environment: CliEnvironment = {
      stdin: Readable.from([Buffer.from(input)]) as unknown as NodeJS.ReadStream,
      stdout: stdout as unknown as NodeJS.WriteStream,
      stderr: stderr as unknown as NodeJS.WriteStream,
      variables: {},
      program: "roost",
      version: "1.2.3",
      loadSettings: async ({ config }) => {
        if (config === "bad.ts") throw new TypeError("bad.ts cannot be used");
        return { dataDir: folder, file: undefined, adminSocket: join(folder, "admin.sock") };
      },
      serve: async (_settings, { demo }) => (demo ? 11 : 12),
      openInProcess: async () => ({
        context: {
          clock: systemClock,
          accounts: {
            directory,
            passwords: new Passwords({ random: systemRandom, slow: inlineSlowHash }),
          },
          mail: async () => desk,
          endSessions() {},
          serverStats: async () => undefined,
          sessions: () => [],
        },
        close: async () => {},
      }),
      describeError: (error) =>
        error instanceof TypeError ? { text: error.message, code: exitCodes.config } : undefined,
    };
    const code = await runCommandLine(words.split(" "), environment);
    return { code, out: stdout.text, err: stderr.text };
  };
  return { folder, directory, delivered, run };
}

test("help explains every command and the exit codes; wrong usage is 64", async (t) => {
  const { run } = world(t);
  const help = await run("--help");
  assert.equal(help.code, 0);
  for (const word of [
    "serve",
    "user",
    "mailbox",
    "message",
    "deliver",
    "verify",
    "config",
    "stats",
  ])
    assert.match(help.out, new RegExp(`^ {2}${word}\\b`, "m"));
  assert.match(help.out, /Exit codes:/);
  assert.match((await run("user add --help")).out, /--password-stdin/);
  assert.equal((await run("--version")).out, "1.2.3\n");
  for (const words of ["frobnicate", "user add", "user eat", "deliver x", "user list --nonsense"]) {
    const wrong = await run(words);
    assert.equal(wrong.code, exitCodes.usage, words);
    assert.notEqual(wrong.err, "");
    assert.equal(wrong.out, "");
  }
});

test("an account's life, for people and for scripts", async (t) => {
  const { run, directory } = world(t);
  assert.equal((await run("user list")).out, "There are no accounts yet.\n");
  const added = await run(
    "user add alice@example.org --password-stdin --quota-bytes 2G",
    "secret\n",
  );
  assert.match(added.out, /^alice@example\.org was added \([a-z2-7]{16}\)\.\n$/);
  const stored = await directory.findLogin("alice@example.org");
  assert.match(stored?.passwords[0]?.hashes[0] ?? "", /^\{ARGON2ID\}/);
  const [info] = JSON.parse((await run("user list --json")).out);
  assert.equal(info.name, "alice@example.org");
  assert.deepEqual(info.quota, { bytes: 2e9 });
  assert.match(
    (await run("user list")).out,
    /^NAME +STATE +BYTES.*\nalice@example\.org +open +2\.0 GB/,
  );
  assert.equal((await run("--json user disable alice@example.org")).code, 0);
  assert.match((await run("user list")).out, / disabled /);
  await run("user disable alice@example.org --undo");
  assert.equal((await run("user passwd alice@example.org --password-stdin", "new\r\n")).code, 0);
  assert.match((await run("stats")).out, /^accounts +1\n/);
  const twice = await run("user add alice@example.org --no-password");
  assert.equal(twice.code, exitCodes.cannotCreate);
  const unsure = await run("user remove alice@example.org");
  assert.equal(unsure.code, exitCodes.usage);
  assert.match(unsure.err, /--yes/);
  assert.equal((await run("user remove alice@example.org --yes")).code, 0);
  const gone = await run("--json user remove alice@example.org -y");
  assert.equal(gone.code, exitCodes.noUser);
  assert.deepEqual(JSON.parse(gone.err), {
    error: 'There is no account "alice@example.org"',
    code: exitCodes.noUser,
  });
});

test("a password is never asked for without a terminal, and never empty", async (t) => {
  const { run } = world(t);
  assert.match((await run("user add bob")).err, /use --password-stdin/);
  assert.match((await run("user add bob --password-stdin", "\n")).err, /empty/);
  assert.equal((await run("user list --json")).out, "[]\n");
});

test("deliver sends a file or the input, and says who did not get it", async (t) => {
  const { run, folder, delivered } = world(t);
  const file = join(folder, "message.eml");
  writeFileSync(file, "Subject: hi\n\nhello\n");
  const sent = await run(`deliver ${file} --to alice --to bob`);
  assert.equal(sent.code, 0);
  assert.equal(sent.out, "delivered  alice\ndelivered  bob\n");
  assert.equal(delivered[0]?.text, readFileSync(file, "utf8"));
  const half = await run("deliver - --to nobody --to alice", "Subject: x\n\ny");
  assert.equal(half.code, exitCodes.found);
  assert.equal(half.out, "refused    nobody: There is no such user\ndelivered  alice\n");
  assert.equal(delivered[2]?.text, "Subject: x\n\ny");
  assert.equal((await run("deliver - --to alice")).code, exitCodes.data);
  assert.equal((await run(`deliver ${folder}/none --to alice`)).code, exitCodes.noInput);
});

test("verify ends with 1 where something is wrong and stays so", async (t) => {
  const { run } = world(t);
  const found = await run("verify");
  assert.equal(found.code, exitCodes.found);
  assert.equal(
    found.out,
    "- x is broken\n3 objects, 2.5 kB read. Not repaired; --repair does it.\n",
  );
  assert.equal((await run("verify --repair")).code, exitCodes.ok);
});

test("serve and config go to the main program; its errors have their code", async (t) => {
  const { run } = world(t);
  assert.equal((await run("serve --demo")).code, 11);
  assert.equal((await run("serve")).code, 12);
  assert.equal(
    (await run("config check")).out,
    "There is no configuration file; the defaults serve.\n",
  );
  const bad = await run("--config bad.ts config check");
  assert.equal(bad.code, exitCodes.config);
  assert.equal(bad.err, "error: bad.ts cannot be used\n");
});
