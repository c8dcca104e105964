/**
 * Runs transcripts against a server that is already there:
 *
 *   node test/transcripts/main.ts --host H --port P --user U --password W [file ...]
 *
 * or against Dovecot from Debian's packages, started on free ports for it (as root) and stopped again:
 *
 *   node test/transcripts/main.ts --dovecot [file ...]
 *
 * A `%` in the user is replaced by 0, 1, 2 ... for each transcript, for they want an account that
 * nobody used before. The account is emptied before each. Transcripts that ask for what the server
 * does not announce are skipped. `--differs dovecot-2.3` says which documented differences to
 * take. Ends with 1 when one failed.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { installDovecot, startDovecot } from "../../bench/dovecot.ts";
import { benchPassword } from "../../bench/peer.ts";
import { freePorts } from "../../bench/ports.ts";
import { HostServer } from "./host-server.ts";
import { runPortable } from "./portable.ts";
import { parseTranscript } from "./runner.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    dovecot: { type: "boolean", default: false },
    host: { type: "string", default: "127.0.0.1" },
    port: { type: "string", default: "1143" },
    user: { type: "string", default: "" },
    password: { type: "string", default: "" },
    differs: { type: "string" },
  },
});
const folder = new URL("./imap/", import.meta.url);

interface Place {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly differs: string | undefined;
  stop(): Promise<void>;
}

async function place(): Promise<Place> {
  if (!values.dovecot)
    return { ...values, port: Number(values.port), stop: async () => {} } as Place;
  installDovecot();
  const home = mkdtempSync(join(tmpdir(), "transcripts-"));
  const server = await startDovecot(home, await freePorts());
  return {
    host: "127.0.0.1",
    port: server.imapPort,
    user: "u%",
    password: benchPassword,
    differs: "dovecot-2.3",
    async stop() {
      await server.stop();
      rmSync(home, { recursive: true });
    },
  };
}

/** One line of the table. */
async function run(file: string, account: Place): Promise<string> {
  const transcript = parseTranscript(file, readFileSync(new URL(file, folder), "utf8"));
  const server = new HostServer(account);
  await server.reset();
  const missing = transcript.requires.filter(
    (name) => !server.capabilities.has(name.toUpperCase()),
  );
  if (missing.length > 0) return `skipped  ${file}: ${missing.join(", ")} not announced`;
  if (transcript.settings.size > 0) return `skipped  ${file}: needs settings`;
  try {
    const met = await runPortable(transcript, server, account.differs);
    const parts = transcript.steps
      .map(({ at }) => at.capability ?? "")
      .filter((name) => name !== "");
    const without = [...new Set(parts)].filter((name) => !server.capabilities.has(name));
    const left = without.length > 0 ? ` (without ${without.join(", ")})` : "";
    if (met.length === 0) return `passed   ${file}${left}`;
    return `differs  ${file}${left}: ${met.map(({ why }) => why).join("; ")}`;
  } catch (error) {
    process.exitCode = 1;
    return `failed   ${error instanceof Error ? error.message : String(error)}`;
  }
}

const files = positionals.length > 0 ? positionals : readdirSync(folder).sort();
const server = await place();
try {
  for (const [index, file] of files.entries())
    console.log(await run(file, { ...server, user: server.user.replace("%", String(index)) }));
} finally {
  await server.stop();
}
