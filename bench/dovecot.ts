/** Dovecot from Debian's packages with its high-performance settings, in a folder of its own. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { chmodSync, chownSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createConnection } from "node:net";
import { benchPassword, benchUsers, type Peer } from "./peer.ts";
import { cpuSecondsOf, memoryBytesOf } from "./processes.ts";

const mailUid = 8;

/** Installs the packages where they are missing; needs root. */
export function installDovecot(): void {
  if (existsSync("/usr/sbin/dovecot") && existsSync("/usr/lib/dovecot/lmtp")) return;
  const options = {
    stdio: "inherit" as const,
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
  };
  execFileSync("apt-get", ["update", "-q"], options);
  execFileSync(
    "apt-get",
    ["install", "-y", "-q", "--no-install-recommends", "dovecot-imapd", "dovecot-lmtpd"],
    options,
  );
}

function configuration(folder: string, ports: { imap: number; lmtp: number }): string {
  return `
protocols = imap lmtp
listen = 127.0.0.1
base_dir = ${folder}/run
state_dir = ${folder}/state
log_path = ${folder}/dovecot.log
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login
mail_location = mdbox:~/mdbox
mail_uid = ${mailUid}
mail_gid = ${mailUid}
first_valid_uid = 1
mail_fsync = optimized
mail_max_userip_connections = 0
default_vsz_limit = 2G
passdb {
  driver = passwd-file
  args = scheme=PLAIN username_format=%n ${folder}/users
}
userdb {
  driver = static
  args = uid=${mailUid} gid=${mailUid} home=${folder}/mail/%n
}
namespace inbox {
  inbox = yes
  separator = /
}
service imap-login {
  service_count = 0
  process_min_avail = 2
  client_limit = 10000
  inet_listener imap {
    port = ${ports.imap}
  }
  inet_listener imaps {
    port = 0
  }
}
service imap {
  service_count = 0
  process_limit = 10000
}
service lmtp {
  inet_listener lmtp {
    address = 127.0.0.1
    port = ${ports.lmtp}
  }
}
service anvil {
  client_limit = 20100
}
service auth {
  client_limit = 20100
}
`;
}

/** Starts Dovecot with its data under `folder`. */
export async function startDovecot(
  folder: string,
  ports: { imap: number; lmtp: number },
): Promise<Peer> {
  for (const name of ["run", "state", "mail"]) mkdirSync(join(folder, name), { recursive: true });
  chmodSync(folder, 0o755);
  chownSync(join(folder, "mail"), mailUid, mailUid);
  writeFileSync(
    join(folder, "users"),
    benchUsers.map((user) => `${user}:${benchPassword}::::::\n`).join(""),
  );
  const file = join(folder, "dovecot.conf");
  writeFileSync(file, configuration(folder, ports));
  let master: ChildProcess;
  const start = async (): Promise<void> => {
    master = spawn("/usr/sbin/dovecot", ["-F", "-c", file], { stdio: "ignore" });
    await listening(ports.imap);
    await listening(ports.lmtp);
  };
  const stop = (): Promise<void> =>
    new Promise((resolve) => {
      master.once("exit", () => resolve());
      master.kill("SIGTERM");
    });
  await start();
  return {
    name: "Dovecot",
    imapPort: ports.imap,
    lmtpPort: ports.lmtp,
    address: (user) => `${user}@localhost`,
    cpuSeconds: () => cpuSecondsOf(master.pid!),
    memoryBytes: () => memoryBytesOf(master.pid!),
    async restart() {
      await stop();
      await start();
    },
    stop,
  };
}

/** Waits until a port of this machine takes connections. */
export async function listening(port: number): Promise<void> {
  for (let i = 0; i < 200; i++) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = createConnection({ host: "127.0.0.1", port });
      socket.once("connect", () => {
        socket.destroy();
        resolve(true);
      });
      socket.once("error", () => resolve(false));
    });
    if (open) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`Nothing listens on port ${port}`);
}
