/** What the kernel knows of a process and its descendants. */
import { readdirSync, readFileSync } from "node:fs";

const ticksPerSecond = 100;

function parents(): Map<number, number> {
  const out = new Map<number, number>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "latin1");
      out.set(Number(name), Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]));
    } catch {
      // It has ended meanwhile.
    }
  }
  return out;
}

/** `root` and all processes below it. */
export function processTree(root: number): number[] {
  const all = parents();
  const tree = [root];
  for (let i = 0; i < tree.length; i++)
    for (const [pid, parent] of all) if (parent === tree[i]) tree.push(pid);
  return tree;
}

/** CPU seconds of a process tree, with those of children that have ended. */
export function cpuSecondsOf(root: number): number {
  let ticks = 0;
  for (const pid of processTree(root)) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      for (const at of [11, 12, 13, 14]) ticks += Number(fields[at]);
    } catch {
      // It has ended meanwhile.
    }
  }
  return ticks / ticksPerSecond;
}

/** Proportional set size of a process tree, in bytes. */
export function memoryBytesOf(root: number): number {
  let bytes = 0;
  for (const pid of processTree(root)) {
    try {
      const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "latin1");
      bytes += Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1] ?? 0) * 1024;
    } catch {
      // It has ended meanwhile.
    }
  }
  return bytes;
}
