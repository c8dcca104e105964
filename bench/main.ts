/**
 * Roost and Dovecot side by side on this machine, in one run, interleaved, as ratios.
 *
 *   npm run bench                      everything, about ten minutes
 *   npm run bench -- --quick           a tenth of the work
 *   npm run bench -- --only lmtp,login
 *   npm run bench -- --write           also into bench/RESULTS.md
 *
 * Installs Dovecot from Debian's packages where it is missing (as root) and stops all it started.
 */
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { installDovecot, startDovecot } from "./dovecot.ts";
import { LineClient } from "./load.ts";
import { benchPassword, type Peer } from "./peer.ts";
import { freePorts } from "./ports.ts";
import { startRoost } from "./roost.ts";
import {
  bodies,
  deliveries,
  type Figure,
  fill,
  largeMailbox,
  logins,
  type Scale,
} from "./workloads.ts";

const { values: options } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    only: { type: "string", default: "lmtp,login,large,bodies" },
    runs: { type: "string", default: "3" },
    write: { type: "boolean", default: false },
    "roost-only": { type: "boolean", default: false },
  },
});
const scale: Scale = options.quick
  ? { deliveries: 2_000, logins: 1_000, messages: 10_000, bodies: 500 }
  : { deliveries: 10_000, logins: 5_000, messages: 100_000, bodies: 1_000 };
const runs = Number(options.runs);
const only = new Set(options.only.split(","));
const largeUser = "u50";

/** name → peer → values of all runs */
type Results = Map<string, { figure: Figure; values: Map<string, number[]> }>;
const results: Results = new Map();

function note(peer: Peer, figures: readonly Figure[]): void {
  for (const figure of figures) {
    let row = results.get(figure.name);
    if (row === undefined) results.set(figure.name, (row = { figure, values: new Map() }));
    const values = row.values.get(peer.name) ?? [];
    values.push(figure.value);
    row.values.set(peer.name, values);
    process.stderr.write(
      `  ${peer.name.padEnd(8)} ${figure.name}: ${figure.value.toFixed(2)} ${figure.unit}\n`,
    );
  }
}

async function measure(peers: readonly Peer[]): Promise<void> {
  if (only.has("lmtp"))
    for (let run = 0; run < runs; run++)
      for (const peer of peers) {
        note(peer, await deliveries(peer, scale, 16));
        note(peer, await deliveries(peer, { ...scale, deliveries: scale.deliveries / 5 }, 1));
      }
  if (only.has("login"))
    for (let run = 0; run < runs; run++)
      for (const peer of peers) note(peer, await logins(peer, scale));
  if (only.has("bodies")) {
    for (const peer of peers) {
      for (let i = 0; i < 16; i++)
        await fill(peer, { user: `u${60 + i}`, count: scale.bodies, size: 50_000 });
      // As most mail is: where it came to rest, and in nobody's memory but the page cache.
      await peer.restart();
    }
    for (let run = 0; run < runs; run++)
      for (const peer of peers) {
        note(peer, await bodies(peer, scale, 1));
        note(peer, await bodies(peer, scale, 16));
      }
  }
  if (only.has("large")) await measureLarge(peers);
}

async function measureLarge(peers: readonly Peer[]): Promise<void> {
  for (const peer of peers) {
    await fill(peer, { user: largeUser, count: scale.messages, size: 2_000 });
    const client = await LineClient.open(peer.imapPort);
    await client.greeting();
    await client.imap(`LOGIN ${largeUser} ${benchPassword}`);
    await client.imap("CREATE Copies");
    client.close();
  }
  for (let run = 0; run < runs; run++)
    for (const peer of peers) {
      await peer.restart();
      const before = peer.memoryBytes();
      note(peer, await largeMailbox(peer, largeUser));
      if (peer.name === "Roost") {
        const value = (peer.memoryBytes() - before) / 1e6;
        note(peer, [
          { name: "memory gained by the large-mailbox run", value, unit: "MB", more: false },
        ]);
      }
    }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function number(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

function cell(values: readonly number[] | undefined): string {
  if (values === undefined) return "-";
  return `${number(median(values))} [${number(Math.min(...values))}-${number(Math.max(...values))}]`;
}

function table(): string {
  const lines = [
    "| work | unit | Roost | Dovecot | Roost is better by |",
    "| --- | --- | --- | --- | --- |",
  ];
  for (const [name, { figure, values }] of results) {
    const [ours, theirs] = [values.get("Roost"), values.get("Dovecot")];
    let ratio = "-";
    if (ours !== undefined && theirs !== undefined) {
      const factor = median(ours) / median(theirs);
      ratio = `${number(figure.more ? factor : 1 / factor)} ×`;
    }
    lines.push(`| ${name} | ${figure.unit} | ${cell(ours)} | ${cell(theirs)} | ${ratio} |`);
  }
  return lines.join("\n");
}

function writeResults(): void {
  const file = new URL("RESULTS.md", import.meta.url);
  const text = readFileSync(file, "utf8");
  const [begin, end] = ["<!-- figures -->", "<!-- end of figures -->"];
  const head = `${new Date().toISOString().slice(0, 10)}, ${cpus().length} cores, Node ${process.versions.node}, ${runs} interleaved runs, ${scale.messages} messages in the large mailbox.`;
  const before = text.slice(0, text.indexOf(begin) + begin.length);
  writeFileSync(file, `${before}\n\n${head}\n\n${table()}\n\n${text.slice(text.indexOf(end))}`);
}

const folder = mkdtempSync(join(tmpdir(), "roost-bench-"));
// Dovecot reads its mail as another user.
chmodSync(folder, 0o755);
const peers: Peer[] = [];
try {
  peers.push(await startRoost(mkdtempSync(join(folder, "roost-")), await freePorts()));
  if (!options["roost-only"]) {
    installDovecot();
    const theirs = mkdtempSync(join(folder, "dovecot-"));
    peers.push(await startDovecot(theirs, await freePorts()));
  }
  await measure(peers);
  process.stdout.write(`${table()}\n`);
  if (options.write) writeResults();
} finally {
  for (const peer of peers) await peer.stop().catch(() => undefined);
  rmSync(folder, { recursive: true, force: true });
}
