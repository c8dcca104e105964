/**
 * Runs transcripts against a server that is already there:
 *
 *   node test/transcripts/main.ts --host H --port P --user U --password W [file ...]
 *
 * A `%` in the user is replaced by 0, 1, 2 ... for each transcript, for most of them want an account
 * that nobody used before. The account is emptied before each. Transcripts that ask for what the server does not announce
 * are skipped. Ends with 1 when one failed.
 */
import { readdirSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { HostServer } from "./host-server.ts";
import { parseTranscript, runTranscript } from "./runner.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    host: { type: "string", default: "127.0.0.1" },
    port: { type: "string", default: "1143" },
    user: { type: "string", default: "" },
    password: { type: "string", default: "" },
  },
});
const { host, port, user, password } = values;
const folder = new URL("./imap/", import.meta.url);
const files = positionals.length > 0 ? positionals : readdirSync(folder).sort();
let failed = 0;
for (const [index, file] of files.entries()) {
  const server = new HostServer({
    host,
    port: Number(port),
    user: user.replace("%", String(index)),
    password,
  });
  const transcript = parseTranscript(file, readFileSync(new URL(file, folder), "utf8"));
  await server.reset();
  const missing = transcript.requires.find((name) => !server.capabilities.has(name.toUpperCase()));
  if (missing !== undefined || transcript.settings.size > 0) {
    console.log(`skipped  ${file}: ${missing ?? "needs settings"}`);
    continue;
  }
  try {
    await runTranscript(transcript, server);
    console.log(`passed   ${file}`);
  } catch (error) {
    failed++;
    console.log(`failed   ${error instanceof Error ? error.message : String(error)}`);
  }
}
process.exitCode = failed > 0 ? 1 : 0;
