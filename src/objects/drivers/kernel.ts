/** The system calls that Node does not offer, through the C library. */
import { createRequire } from "node:module";
import type * as Koffi from "koffi";

/** What the local journal needs of the kernel. */
export interface Kernel {
  /** Takes an exclusive lock without waiting (flock); false when somebody else has it. */
  lock(descriptor: number): boolean;
  /** Reserves room (posix_fallocate); an error code of the system, 0 for success. */
  reserve(descriptor: number, bytes: number): number;
  /** Gives memory that was freed back to the system (malloc_trim), where the C library can. */
  trim(): void;
}

const LOCK_EX = 2;
const LOCK_NB = 4;

let loaded: Kernel | undefined;

/** Loaded at first use: a process without a local journal never needs it. */
export function kernel(): Kernel {
  loaded ??= load();
  return loaded;
}

function load(): Kernel {
  const koffi = createRequire(import.meta.url)("koffi") as typeof Koffi;
  const library = koffi.load(null);
  const flock = library.func("int flock(int descriptor, int operation)");
  // macOS has no posix_fallocate: there the room is not reserved.
  const fallocate =
    process.platform === "linux"
      ? library.func("int posix_fallocate(int descriptor, int64_t offset, int64_t bytes)")
      : undefined;
  // Only glibc keeps so much, and only glibc has it.
  const trim = trimOf(library);
  return {
    lock: (descriptor) => flock(descriptor, LOCK_EX | LOCK_NB) === 0,
    reserve: (descriptor, bytes) =>
      fallocate === undefined ? 0 : Number(fallocate(descriptor, 0, bytes)),
    trim: () => void trim?.(0),
  };
}

function trimOf(library: Koffi.LibraryHandle): ((pad: number) => number) | undefined {
  try {
    return library.func("int malloc_trim(size_t pad)");
  } catch {
    return undefined;
  }
}

/** Gives memory that this process has freed back to the system. */
export function giveMemoryBack(): void {
  kernel().trim();
}
