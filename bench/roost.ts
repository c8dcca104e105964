/** Roost as an operator would run it, in a folder of its own. */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { closeSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
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
  const settings = {
    dataDir: join(folder, "data"),
    listeners: {
      imap: [{ host: "127.0.0.1", port: ports.imap }],
      imaps: [],
      lmtp: [{ host: "127.0.0.1", port: ports.lmtp }],
    },
  };
  writeFileSync(file, `export default ${JSON.stringify(settings, null, 2)};\n`);
  for (const user of benchUsers) addUser(file, user);
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
function addUser(config: string, user: string): void {
  const added = spawnSync(
    roost,
    ["user", "add", user, "--address", `${user}@localhost`, "--scheme", "PLAIN", "--password-stdin", "--config", config],
    { input: `${benchPassword}\n`, encoding: "utf8" },
  );
  if (added.status !== 0) throw new Error(`user add: ${added.stderr}`);
}
