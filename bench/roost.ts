/** Roost as an operator would run it, in a folder of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openSqliteDirectory } from "#auth/index.ts";
import { systemClock } from "#base/clock.ts";
import { systemRandom } from "#base/random.ts";
import { listening } from "./dovecot.ts";
import { benchPassword, benchUsers, type Peer } from "./peer.ts";
import { cpuSecondsOf, memoryBytesOf } from "./processes.ts";

const roost = fileURLToPath(new URL("../bin/roost", import.meta.url));

/** Starts Roost with its data under `folder`. */
export async function startRoost(
  folder: string,
  ports: { imap: number; lmtp: number },
): Promise<Peer> {
  const file = join(folder, "roost.config.ts");
  const dataDir = join(folder, "data");
  const hosts = ["127.0.0.1"];
  const settings = {
    dataDir,
    listeners: [
      { protocol: "imap", hosts, port: ports.imap },
      { protocol: "lmtp", hosts, port: ports.lmtp },
    ],
    http: false,
    logLevel: "warn",
  };
  writeFileSync(file, `export default ${JSON.stringify(settings, null, 2)};\n`);
  await addUsers(dataDir);
  const log = openSync(join(folder, "roost.log"), "a");
  let child: ChildProcess;
  const start = async (): Promise<void> => {
    child = spawn(roost, ["serve", "--config", file], { stdio: ["ignore", log, log] });
    await listening(ports.imap);
    await listening(ports.lmtp);
  };
  const end = (): Promise<void> =>
    new Promise((resolve) => {
      child.once("exit", () => resolve());
      child.kill("SIGTERM");
    });
  await start();
  return {
    name: "Roost",
    imapPort: ports.imap,
    lmtpPort: ports.lmtp,
    address: (user) => `${user}@localhost`,
    cpuSeconds: () => cpuSecondsOf(child.pid!),
    memoryBytes: () => memoryBytesOf(child.pid!),
    async restart() {
      await end();
      await start();
    },
    async stop() {
      await end();
      closeSync(log);
    },
  };
}

/** With the cheap scheme that the peer has, too: what is compared is the server, not the hash. */
async function addUsers(dataDir: string): Promise<void> {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const path = join(dataDir, "directory.sqlite");
  const directory = openSqliteDirectory({ path, clock: systemClock, random: systemRandom });
  for (const name of benchUsers)
    await directory.addAccount({
      name,
      addresses: [`${name}@localhost`],
      hashes: [`{PLAIN}${benchPassword}`],
    });
  await directory.close();
}
