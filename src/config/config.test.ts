import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { checkConfig, ConfigError, defineConfig, loadConfig } from "./index.ts";

function folderWith(t: TestContext, files: Record<string, string>): string {
  const folder = mkdtempSync(join(tmpdir(), "roost-config-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

/** The lines under the headline of the error that a configuration causes. */
function problems(config: unknown): string[] {
  try {
    checkConfig(config, "/etc/roost.config.ts");
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    const [head, ...lines] = error.message.split("\n");
    assert.equal(head, "/etc/roost.config.ts cannot be used:");
    return lines.map((line) => line.trim());
  }
  return [];
}

test("without a file the defaults serve, on loopback", async (t) => {
  const folder = folderWith(t, {});
  const { settings, file } = await loadConfig({ folder });
  assert.equal(file, undefined);
  assert.equal(settings.dataDir, join(folder, "data"));
  assert.deepEqual(
    settings.listeners.map(({ protocol, port, hosts, tls }) => [protocol, port, hosts, tls]),
    [
      ["imap", 1143, undefined, "starttls"],
      ["imap", 1993, undefined, "implicit"],
      ["pop3", 1110, undefined, "starttls"],
      ["pop3", 1995, undefined, "implicit"],
      ["lmtp", 1024, undefined, "starttls"],
    ],
  );
  assert.equal(settings.clearTextLogin, "loopback");
  assert.deepEqual(settings.http, { host: "127.0.0.1", port: 1080 });
});

test("a TypeScript file anywhere can use defineConfig and hooks; paths are relative to it", async (t) => {
  const folder = folderWith(t, {
    "roost.config.ts": `
      import { defineConfig, Refusal } from "roost/config";
      export default defineConfig({
        dataDir: "mail" as string,
        listeners: [{ protocol: "lmtp", path: "run/lmtp.sock", mode: 0o660 }],
        tls: { certificate: "a.crt", key: "/b.key" },
        http: false,
        onLogin: async ({ identity }) => {
          if (identity.name === "mallory") throw new Refusal("CANNOT", "Go away");
        },
      });`,
  });
  const { settings, file } = await loadConfig({ folder });
  assert.equal(file, join(folder, "roost.config.ts"));
  assert.equal(settings.dataDir, join(folder, "mail"));
  assert.equal(settings.listeners[0]?.path, join(folder, "run/lmtp.sock"));
  assert.equal(settings.tls.certificate, join(folder, "a.crt"));
  assert.equal(settings.tls.key, "/b.key");
  assert.equal(settings.http, false);
  assert.equal(typeof settings.onLogin, "function");
});

/** Whether a process that reads this configuration loads what strips types, and the data folder. */
async function readAlone(t: TestContext, text: string): Promise<{ strips: boolean; data: string }> {
  const folder = folderWith(t, { "roost.config.ts": text });
  const program = `
    const { loadConfig } = await import(${JSON.stringify(new URL("load.ts", import.meta.url).href)});
    const loaded = () => process.moduleLoadList.some((name) => name.includes("amaro"));
    const { settings } = await loadConfig({ folder: ${JSON.stringify(folder)} });
    console.log(JSON.stringify({ strips: loaded(), data: basename(settings.dataDir) }));`;
  const cache = join(folder, "cache");
  const run = (): string =>
    execFileSync(
      process.execPath,
      ["--input-type=module", "--eval", `import { basename } from "node:path"; ${program}`],
      { encoding: "utf8", env: { ...process.env, NODE_COMPILE_CACHE: cache } },
    );
  run(); // Our own files come from the cache the second time.
  return JSON.parse(run()) as { strips: boolean; data: string };
}

test("a file without types costs no stripping of types, and one with types means what it says", async (t) => {
  const plain = await readAlone(t, 'export default { dataDir: "plain" };');
  assert.deepEqual(plain, { strips: false, data: "plain" });
  const folder = folderWith(t, {
    "arguments.config.ts": `
      const pick = (<T>(value: T): T => value) as { <T>(value: T): T };
      const text = "dataDir", number = 1;
      type text = string;
      export default { dataDir: pick<text>("typed") };`,
    "annotation.config.ts": 'const name: string = "typed"; export default { dataDir: name };',
  });
  for (const name of ["arguments.config.ts", "annotation.config.ts"]) {
    const { settings } = await loadConfig({ folder, file: name });
    assert.equal(settings.dataDir, join(folder, "typed"));
  }
});

test("a file that was changed can be read again", async (t) => {
  const folder = folderWith(t, { "roost.config.mjs": `export default { logLevel: "warn" };` });
  assert.equal((await loadConfig({ folder })).settings.logLevel, "warn");
  writeFileSync(join(folder, "roost.config.mjs"), `export default { logLevel: "error" };`);
  assert.equal((await loadConfig({ folder, again: true })).settings.logLevel, "error");
});

test("an error says what stands where and what was expected", () => {
  assert.deepEqual(problems({ listeners: [{ protocol: "imap", port: 70_000 }] }), [
    "listeners[0].port: expected a port from 0 to 65535, found 70000",
  ]);
  assert.deepEqual(problems({ listeners: [{ protocol: "nntp", port: 119 }] }), [
    `listeners[0].protocol: expected "imap" or "pop3" or "lmtp", found 'nntp'`,
  ]);
  assert.deepEqual(problems({ dataDir: 5, logLevel: "loud" }), [
    "dataDir: expected string, found 5",
    `logLevel: expected "debug" or "info" or "warn" or "error" or "silent", found 'loud'`,
  ]);
  assert.deepEqual(problems({ tls: { certificate: "x" } }), [
    "tls: expected both certificate and key, or neither for a self-signed one, found { certificate: 'x', names: {}, minVersion: 'TLSv1.2', recordLayer: 'roost' }",
  ]);
  assert.deepEqual(problems({ tls: { names: { "a.example": { key: "x" } } } }), [
    'tls.names["a.example"].certificate: it is missing',
  ]);
  assert.deepEqual(problems({ onLogin: "x" }), ["onLogin: expected a function, found 'x'"]);
  assert.deepEqual(problems(5), ["expected Object, found 5"]);
});

test("balancers are named by their networks, IPv4 and IPv6", () => {
  const listener = (more: object): object => ({
    listeners: [{ protocol: "imap", port: 143, hosts: ["[::1]", "::"], ...more }],
  });
  const from = ["192.0.2.0/24", "2001:db8::/32", "::1"];
  const [entry] = checkConfig(listener({ proxyProtocol: { from } }), "/etc").listeners;
  assert.deepEqual(entry?.proxyProtocol, { from, trustTls: false });
  assert.deepEqual(entry?.hosts, ["::1", "::"]);
  assert.deepEqual(problems(listener({ proxyProtocol: { from: ["192.0.2.1/24"] } })), [
    "listeners[0].proxyProtocol.from[0]: expected a network such as 192.0.2.0/24, found '192.0.2.1/24'",
  ]);
  assert.deepEqual(problems(listener({ proxyProtocol: { from: [] } })), [
    "listeners[0].proxyProtocol.from: expected at least one network, found []",
  ]);
  const unix = { protocol: "lmtp", path: "lmtp.sock", proxyProtocol: { from } };
  assert.match(problems({ listeners: [unix] })[0]!, /expected no proxyProtocol beside path/);
  assert.deepEqual(checkConfig({ http: { host: "[::1]", port: 1 } }, "/").http, {
    host: "::1",
    port: 1,
  });
});

test("unknown names are refused with what was probably meant", () => {
  assert.deepEqual(problems({ listenrs: [] }), [
    'listenrs: there is no such setting; did you mean "listeners"?',
  ]);
  assert.deepEqual(problems({ tls: { minversion: 1 } }), [
    'tls.minversion: there is no such setting; did you mean "minVersion"?',
  ]);
  assert.deepEqual(problems({ quota: { elephants: 1 } }), [
    "quota.elephants: there is no such setting; there are bytes, messages",
  ]);
  assert.deepEqual(problems({ listeners: [{ protocol: "imap", prt: 1, port: 1 }] }), [
    'listeners[0].prt: there is no such setting; did you mean "port"?',
  ]);
});

test("files that are missing, broken or export nothing are named", async (t) => {
  const folder = folderWith(t, {
    "broken.ts": "export default {",
    "empty.ts": "export const x = 1;",
    "throws.ts": "throw new Error('no luck')",
  });
  const cases: [string, RegExp][] = [
    ["missing.ts", /missing\.ts cannot be used:\n {2}there is no such file/],
    ["broken.ts", /broken\.ts cannot be used:\n {2}running it failed: /],
    ["empty.ts", /empty\.ts cannot be used:\n {2}expected `export default/],
    ["throws.ts", /throws\.ts cannot be used:\n {2}running it failed: no luck/],
  ];
  for (const [file, message] of cases)
    await assert.rejects(loadConfig({ folder, file }), { name: "ConfigError", message });
});

test("defineConfig gives types", () => {
  const config = defineConfig({ quota: { bytes: 1 << 30 } });
  // @ts-expect-error an unknown setting is found while typing
  defineConfig({ quotas: {} });
  assert.deepEqual(checkConfig(config, "/etc").quota, { bytes: 1 << 30 });
});
