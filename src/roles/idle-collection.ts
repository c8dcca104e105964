/**
 * V8 collects when it needs room, so an idle server keeps what its start, or the last burst of work,
 * left behind: 10 MB after a start. This collects when work has been done and nothing more comes.
 */
import type { Clock, Timer } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { giveMemoryBack } from "#objects/index.ts";

/** The process as this module sees it. */
export interface CollectedProcess {
  /** CPU time since its start, in milliseconds. */
  cpuMs(): number;
  /** What its objects take, garbage included. */
  heapBytes(): number;
  /** Collects all garbage, and gives its room back, before it returns. */
  collect(): void;
}

/** This process; undefined where Node was started without --expose-gc. */
export function ownProcess(): CollectedProcess | undefined {
  const collect = globalThis.gc;
  if (collect === undefined) return undefined;
  return {
    cpuMs() {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1000;
    },
    heapBytes: () => process.memoryUsage().heapUsed,
    // A common collection keeps the room it has freed for objects to come: nothing would be gained.
    collect() {
      collect({ type: "major", execution: "sync", flavor: "last-resort" });
      giveMemoryBack();
    },
  };
}

/** Looks from time to time until it is cancelled. */
export function collectWhenIdle(clock: Clock, target: CollectedProcess): Timer {
  let timer: Timer;
  /** When the last collection, or the start of the process, was. */
  let collectedCpuMs = 0;
  let seenCpuMs = target.cpuMs();
  /** What the last collection left. */
  let liveBytes = 0;
  const look = (): void => {
    const cpuMs = target.cpuMs();
    const quiet = cpuMs - seenCpuMs < limits.idleCpuMsMax;
    const worked = cpuMs - collectedCpuMs > limits.collectedCpuMsMin;
    seenCpuMs = cpuMs;
    // The pause grows with what is alive: a large heap is left to V8, which does it in steps.
    const small = liveBytes <= limits.collectedLiveBytesMax;
    if (quiet && worked && small && target.heapBytes() <= limits.collectedHeapBytesMax) {
      target.collect();
      liveBytes = target.heapBytes();
      seenCpuMs = collectedCpuMs = target.cpuMs();
    }
    timer = clock.after(limits.idleLookMs, look);
  };
  timer = clock.after(limits.idleLookMs, look);
  return { cancel: () => timer.cancel() };
}
