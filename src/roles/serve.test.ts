import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { promisify } from "node:util";

const main = new URL("../main.ts", import.meta.url).pathname;

interface Running {
  readonly child: ChildProcess;
  readonly config: string;
  /** Resolves with the log line with this message. */
  logged(message: string): Promise<Record<string, unknown>>;
}

/** A server process of its own, ready. */
async function startProcess(t: TestContext, settings = ""): Promise<Running> {
  const folder = mkdtempSync(join(tmpdir(), "roost-"));
  const config = join(folder, "roost.config.mts");
  writeFileSync(
    config,
    `export default {
      listeners: [{ protocol: "imap", port: 0, hosts: ["127.0.0.1"] }],
      http: false,
      ${settings}
    };`,
  );
  const child = spawn(process.execPath, [main, "serve", "--config", config], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  t.after(() => {
    child.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  });
  const lines: Record<string, unknown>[] = [];
  const news = new EventEmitter();
  child.on("close", () => news.emit("end"));
  createInterface({ input: child.stderr }).on("line", (line) => {
    lines.push(line.startsWith("{") ? JSON.parse(line) : { msg: line });
    news.emit("line");
  });
  const logged: Running["logged"] = async (message) => {
    for (;;) {
      const line = lines.find(({ msg }) => msg === message);
      if (line !== undefined) return line;
      if (child.exitCode !== null) throw new Error(`It ended instead: ${JSON.stringify(lines)}`);
      await Promise.race([once(news, "line"), once(news, "end")]);
    }
  };
  await logged("Roost is ready");
  return { child, config, logged };
}

async function roost(running: Running, ...words: string[]): Promise<string> {
  const all = [main, "--config", running.config, ...words];
  return (await promisify(execFile)(process.execPath, all)).stdout;
}

async function imap(running: Running): Promise<Socket> {
  const { server } = JSON.parse(await roost(running, "stats", "--json"));
  const port = Number(/^imap .*:(\d+)$/.exec(server.listeners[0])?.[1]);
  const socket = connect(port, "127.0.0.1");
  await once(socket, "data");
  return socket;
}

test("SIGTERM lets sessions hear BYE and ends with 0", async (t) => {
  const running = await startProcess(t);
  const socket = await imap(running);
  const exit = once(running.child, "exit");
  const bye = once(socket, "data");
  running.child.kill("SIGTERM");
  assert.match(String((await bye)[0]), /^\* BYE /);
  assert.deepEqual(await exit, [0, null]);
});

test("SIGHUP reloads certificates and says what is wrong with the configuration", async (t) => {
  const running = await startProcess(t);
  running.child.kill("SIGHUP");
  await running.logged("Certificates reloaded; the configuration is sound, a restart applies it");
  writeFileSync(running.config, `export default { listners: [] };`);
  running.child.kill("SIGHUP");
  const { reason } = await running.logged("Nothing was reloaded");
  assert.match(String(reason), /listners: there is no such setting; did you mean "listeners"/);
});

test("a promise that is rejected unheard ends its session, not the server", async (t) => {
  const running = await startProcess(
    t,
    `onLogin: async () => { void Promise.reject(new Error("stray")); await new Promise(() => {}); },`,
  );
  const password = spawn(
    process.execPath,
    [main, "--config", running.config, "user", "add", "alice", "--password-stdin"],
    { stdio: ["pipe", "ignore", "inherit"] },
  );
  password.stdin.end("secret\n");
  assert.deepEqual(await once(password, "exit"), [0, null]);
  const [first, second] = [await imap(running), await imap(running)];
  const closed = once(first, "close");
  first.write("a LOGIN alice secret\r\n");
  await closed;
  const line = await running.logged("A promise was rejected unheard");
  assert.match(JSON.stringify(line["err"]), /stray/);
  second.write("b NOOP\r\n");
  assert.match(String((await once(second, "data"))[0]), /^b OK/);
  second.destroy();
});

test("a second server on the same folder is kept out, and harms the first one not", async (t) => {
  const running = await startProcess(t);
  await assert.rejects(roost(running, "serve"), ({ code }: { code: number }) => code > 0);
  assert.match(await roost(running, "stats"), /^accounts +0\n/);
});
