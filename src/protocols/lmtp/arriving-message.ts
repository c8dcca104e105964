import type { ByteAllowance } from "#base/byte-budget.ts";
import { concatBytes } from "#base/bytes.ts";
import type { Reply } from "#wire/index.ts";
import { reply } from "./replies.ts";

/** Pieces from this size on are kept as they are; smaller ones are copied together. */
const pieceBytesMin = 16 * 1024;
const joinBytes = 64 * 1024;

/**
 * The octets of a message while they arrive. Their memory is taken from a budget that all
 * connections share.
 */
export class ArrivingMessage {
  readonly #budget: ByteAllowance;
  readonly #bytesMax: number;
  #pieces: Uint8Array[] = [];
  /** Where small pieces are copied: `[#from, #end)` is not among the pieces yet. */
  #joined: Uint8Array | undefined;
  #from = 0;
  #end = 0;
  /** Octets held, and taken from the budget. */
  #bytes = 0;
  #refused: Reply | undefined;

  constructor(budget: ByteAllowance, bytesMax: number) {
    this.#budget = budget;
    this.#bytesMax = bytesMax;
  }

  /** Why nothing is kept any more. */
  get refused(): Reply | undefined {
    return this.#refused;
  }

  /** Octets held; 0 where they were refused. */
  get length(): number {
    return this.#bytes;
  }

  /** Takes over the next octets, which must not be changed afterwards. False: not kept. */
  add(bytes: Uint8Array): boolean {
    if (this.#refused !== undefined) return false;
    if (this.#bytes + bytes.length > this.#bytesMax) {
      this.refuse(tooBig(this.#bytesMax));
      return false;
    }
    if (!this.#budget.take(bytes.length)) {
      this.refuse(reply(452, "4.3.1", "Too much mail is arriving; try again later"));
      return false;
    }
    this.#bytes += bytes.length;
    if (bytes.length >= pieceBytesMin || this.#pieces.length === 0) {
      this.#flush();
      this.#pieces.push(bytes);
    } else this.#join(bytes);
    return true;
  }

  #join(bytes: Uint8Array): void {
    if (this.#joined === undefined || this.#end + bytes.length > this.#joined.length) {
      this.#flush();
      this.#joined = Buffer.allocUnsafeSlow(joinBytes);
      this.#from = this.#end = 0;
    }
    this.#joined.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  #flush(): void {
    if (this.#from === this.#end) return;
    this.#pieces.push(this.#joined!.subarray(this.#from, this.#end));
    this.#from = this.#end;
  }

  /** Lets go of everything and keeps nothing more. */
  refuse(why: Reply): void {
    this.release();
    this.#refused = why;
  }

  /** All octets behind `head`, as one. The budget stays taken until `release`. */
  whole(head: Uint8Array): Uint8Array {
    this.#flush();
    const all = concatBytes([head, ...this.#pieces]);
    this.#pieces = [];
    this.#joined = undefined;
    return all;
  }

  /** Gives the memory back. */
  release(): void {
    this.#budget.give(this.#bytes);
    this.#bytes = 0;
    this.#pieces = [];
    this.#joined = undefined;
    this.#from = this.#end = 0;
  }
}

export function tooBig(bytesMax: number): Reply {
  return reply(552, "5.3.4", `A message has at most ${bytesMax} bytes`);
}
