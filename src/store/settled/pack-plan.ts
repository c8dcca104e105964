import { limits } from "#base/limits.ts";
import type { AccountState, PackState } from "../index/account-state.ts";
import type { SettledObjects } from "./settled-objects.ts";

/** What settling is to do with an account's packs. */
export interface PackPlan {
  /** Without live entries. */
  readonly empty: readonly PackState[];
  /** To be written anew as one. */
  readonly rewritten: readonly PackState[];
}

/**
 * Packs of which less than half is alive are rewritten, and so are packs of similar size when there
 * are many: so the number of packs grows like the logarithm of their bytes, and a message is
 * rewritten a few times in its life. Large messages stay where they were put.
 */
export function planPacks(state: AccountState, settled: SettledObjects): PackPlan {
  const empty: PackState[] = [];
  const sparse: PackState[] = [];
  const bySize = new Map<number, PackState[]>();
  for (const pack of state.packs.values()) {
    if (pack.liveEntries === 0) empty.push(pack);
    else if (settled.unreadable.has(pack.name) || isLarge(pack)) continue;
    else if (pack.liveBytes * 2 < pack.bytes) sparse.push(pack);
    else {
      const size = sizeClass(pack.bytes);
      const similar = bySize.get(size) ?? [];
      similar.push(pack);
      bySize.set(size, similar);
    }
  }
  const rewritten = sparse;
  for (const similar of bySize.values())
    if (similar.length >= limits.similarPacksMax) rewritten.push(...similar);
  return { empty, rewritten: upTo(rewritten, limits.packBytesMax / 2) };
}

/** A message that was put as a pack of its own and is large enough to stay one. */
function isLarge(pack: PackState): boolean {
  return pack.name.startsWith("body-") && pack.bytes > limits.inlineBodyBytesMax;
}

function sizeClass(bytes: number): number {
  if (bytes <= limits.smallPackBytesMax) return 0;
  return 1 + Math.floor(Math.log(bytes / limits.smallPackBytesMax) / Math.log(8));
}

/** As many of `packs` as have at most so many live bytes together; none where that is one whole one. */
function upTo(packs: readonly PackState[], bytesMax: number): PackState[] {
  const taken: PackState[] = [];
  let bytes = 0;
  for (const pack of packs) {
    if (bytes + pack.liveBytes > bytesMax) continue;
    bytes += pack.liveBytes;
    taken.push(pack);
  }
  const gains = taken.length > 1 || taken.some((pack) => pack.liveBytes * 2 < pack.bytes);
  return gains ? taken : [];
}
