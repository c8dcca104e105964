/** Memory that is taken and given back; whoever gets none is refused. */
export interface ByteAllowance {
  /** True when `bytes` were taken; then they must be given back. */
  take(bytes: number): boolean;
  give(bytes: number): void;
}

/** Memory that several takers share up to a ceiling; nobody waits, a taker is refused instead. */
export class ByteBudget implements ByteAllowance {
  readonly max: number;
  #used = 0;

  constructor(max: number) {
    this.max = max;
  }

  get used(): number {
    return this.#used;
  }

  /** True when `bytes` were taken; then they must be given back. */
  take(bytes: number): boolean {
    if (this.#used + bytes > this.max) return false;
    this.#used += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#used -= bytes;
  }
}
