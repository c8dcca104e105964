/**
 * A zstd decompressor that is used again for every frame. Node's public calls make a new one, with
 * its streams and buffers, for each: 19 µs for 50 KB of text, against 4 µs with one that is kept.
 * What is reached into here is not documented, so it is tried out before it is relied upon, and
 * there is the public call for a runtime that does not have it.
 */
import { constants, createZstdDecompress, zstdCompressSync } from "node:zlib";

export interface Expanded {
  /** Bytes of the target that were not written. */
  readonly left: number;
  /** Bytes of the frame that were not read. */
  readonly unread: number;
}

/** Expands one whole frame into the beginning of `target`; what is left says whether it fitted. */
export type Expander = (frame: Uint8Array, target: Uint8Array) => Expanded;

/** The part of Node's stream that does the work. */
interface Native {
  reset(): void;
  writeSync(
    flush: number,
    ...io: [
      input: Uint8Array,
      at: number,
      length: number,
      output: Uint8Array,
      at: number,
      n: number,
    ]
  ): void;
}

let expander: Expander | "none" | undefined;

/** Undefined where this runtime has no such thing. */
export function keptExpander(): Expander | undefined {
  expander ??= tried(nativeExpander()) ?? "none";
  return expander === "none" ? undefined : expander;
}

function nativeExpander(): Expander | undefined {
  const stream: object = createZstdDecompress();
  const { _handle: native, _writeState: state } = stream as {
    _handle?: Partial<Native>;
    _writeState?: Uint32Array;
  };
  const { reset, writeSync } = native ?? {};
  if (typeof reset !== "function" || typeof writeSync !== "function") return undefined;
  if (!(state instanceof Uint32Array) || state.length !== 2) return undefined;
  const end = constants.ZSTD_e_end;
  // An error is told by a call that the stream would turn into an event.
  let failed = false;
  (native as { onerror?: () => void }).onerror = () => (failed = true);
  return (frame, target) => {
    failed = false;
    state.fill(0xffff_ffff);
    reset.call(native);
    writeSync.call(native, end, frame, 0, frame.length, target, 0, target.length);
    return { left: failed ? -1 : state[0]!, unread: failed ? -1 : state[1]! };
  };
}

/** Only if it does what is expected of it, with sound frames and with broken ones. */
function tried(candidate: Expander | undefined): Expander | undefined {
  if (candidate === undefined) return undefined;
  try {
    const text = Buffer.from("expanded ".repeat(20));
    const frame = zstdCompressSync(text);
    const target = Buffer.alloc(text.length + 1);
    for (const broken of [false, true, false]) {
      const given = broken ? frame.subarray(0, frame.length - 3) : frame;
      const { left, unread } = candidate(given, target);
      const whole = left === 1 && unread === 0 && target.subarray(0, text.length).equals(text);
      if (whole === broken) return undefined;
      target.fill(0);
    }
    return candidate;
  } catch {
    return undefined;
  }
}
