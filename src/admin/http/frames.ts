/**
 * How operations travel over the administration's socket.
 *
 * Request: `POST /operations/<name>`; the body is the parameters as one line of JSON, and behind
 * it, as they are, the bytes that go along. Answer: lines of JSON, each one `Frame`.
 */
export type Frame =
  | { readonly progress: { readonly done: number; readonly total: number } }
  /** Bytes of the output, in base64. */
  | { readonly data: string }
  /** The last line of a call that succeeded. */
  | { readonly result: unknown }
  /** The last line of a call that failed. */
  | { readonly error: FailureFrame };

export interface FailureFrame {
  /** "refusal": `code` is a `RefusalCode`; "parameter": what was asked makes no sense; "bug". */
  readonly kind: "refusal" | "parameter" | "bug";
  readonly code?: string;
  readonly text: string;
}

const lineFeed = 0x0a;

/** Cuts chunks into lines. Throws when a line is longer than `lineBytesMax`. */
export class LineCutter {
  readonly #lineBytesMax: number;
  #parts: Uint8Array[] = [];
  #bytes = 0;

  constructor(lineBytesMax: number) {
    this.#lineBytesMax = lineBytesMax;
  }

  /** The first line that `chunk` completes, and what follows it; undefined where it completes none. */
  cut(chunk: Uint8Array): { readonly line: string; readonly rest: Uint8Array } | undefined {
    const end = chunk.indexOf(lineFeed);
    const part = end < 0 ? chunk : chunk.subarray(0, end);
    this.#bytes += part.length;
    if (this.#bytes > this.#lineBytesMax) throw new RangeError("A line is too long");
    this.#parts.push(part);
    if (end < 0) return undefined;
    const line = this.take();
    return { line, rest: chunk.subarray(end + 1) };
  }

  /** What has come since the last line end, and forgets it. */
  take(): string {
    const line = Buffer.concat(this.#parts).toString("utf8");
    this.#parts = [];
    this.#bytes = 0;
    return line;
  }
}
