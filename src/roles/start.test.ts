import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import type { TestContext } from "node:test";

const main = join(import.meta.dirname, "../main.ts");

/** Whether a server with this cache of compiled code started over before it was ready. */
async function startsAnew(t: TestContext, cache: string): Promise<boolean> {
  const folder = folderFor(t);
  const config = join(folder, "roost.config.js");
  writeFileSync(
    config,
    `export default { listeners: [{ protocol: "imap", port: 0 }], http: false };`,
  );
  const child = spawn(process.execPath, [main, "serve", "--config", config], {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, NODE_COMPILE_CACHE: cache },
  });
  const exit = once(child, "exit");
  t.after(() => void child.kill("SIGKILL"));
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stderr })) {
    lines.push(line);
    if (line.includes("Roost is ready")) break;
  }
  assert.match(lines.at(-1) ?? "", /Roost is ready/, lines.join("\n"));
  const variables = readFileSync(`/proc/${child.pid}/environ`, "utf8").split("\0");
  child.kill("SIGTERM");
  await exit;
  return variables.includes("ROOST_STARTED_ANEW=1");
}

function folderFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "roost-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

const skip =
  process.platform === "linux" ? false : "only Linux shows what a process was started with";

test(
  "a server that had to strip types starts over once, without what strips them",
  { skip },
  async (t) => {
    const cache = folderFor(t);
    assert.equal(await startsAnew(t, cache), true);
    assert.equal(await startsAnew(t, cache), false);
  },
);

test(
  "after the installation has filled the cache, the first start is like any other",
  { skip },
  async (t) => {
    const cache = folderFor(t);
    const env = { ...process.env, NODE_COMPILE_CACHE: cache, ROOST_FILL_CACHE: "1" };
    execFileSync(process.execPath, [main], { env });
    assert.equal(await startsAnew(t, cache), false);
  },
);

test("what message export writes is for its owner alone", (t) => {
  const folder = folderFor(t);
  const roost = (...words: string[]): string =>
    execFileSync(process.execPath, [main, "--data", join(folder, "data"), ...words], {
      encoding: "utf8",
      cwd: folder,
    });
  roost("user", "add", "alice", "--no-password");
  writeFileSync(join(folder, "in.eml"), "Subject: secret\r\n\r\nbody\r\n");
  roost("deliver", join(folder, "in.eml"), "--to", "alice");
  const output = join(folder, "out.eml");
  roost("message", "export", "alice", "INBOX", "1", "--output", output);
  assert.match(readFileSync(output, "latin1"), /Subject: secret\r\n/);
  assert.equal(statSync(output).mode & 0o777, 0o600);
});
