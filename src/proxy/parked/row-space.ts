import { Bug } from "#base/assert.ts";
import { limits } from "#base/limits.ts";

/**
 * Row numbers, from 1, and the columns that belong to them: typed arrays that grow where they are.
 * Their memory is reserved as addresses for the greatest number of rows and taken from the system
 * step by step, so growing copies nothing and costs nothing in advance. 0 means "no row" in links.
 */
export class RowSpace {
  readonly #rowsMax: number;
  readonly #columns: { readonly memory: ArrayBuffer; readonly rowBytes: number }[] = [];
  /** Rows that exist in memory, row 0 included. */
  #capacity = 0;
  /** The first row that was never used. */
  #unused = 1;
  #free = 0;
  readonly #nextFree: Uint32Array;
  #count = 0;

  constructor(rowsMax: number) {
    this.#rowsMax = rowsMax;
    this.#nextFree = this.words();
  }

  /** Rows in use. */
  get count(): number {
    return this.#count;
  }

  /** Every row in use is below it. */
  get end(): number {
    return this.#unused;
  }

  /** Bytes of all columns. */
  get bytes(): number {
    let bytes = 0;
    for (const { memory } of this.#columns) bytes += memory.byteLength;
    return bytes;
  }

  words(): Uint32Array {
    return new Uint32Array(this.#column(4));
  }

  floats(): Float64Array {
    return new Float64Array(this.#column(8));
  }

  octets(): Uint8Array {
    return new Uint8Array(this.#column(1));
  }

  /** A row that nobody uses, with whatever its last user left in it; 0 where there is none. */
  take(): number {
    let row = this.#free;
    if (row !== 0) this.#free = this.#nextFree[row]!;
    else {
      if (this.#unused > this.#rowsMax) return 0;
      row = this.#unused++;
      if (row >= this.#capacity) this.#grow();
    }
    this.#count++;
    return row;
  }

  give(row: number): void {
    this.#nextFree[row] = this.#free;
    this.#free = row;
    this.#count--;
  }

  #column(rowBytes: number): ArrayBuffer {
    if (this.#unused > 1) throw new Bug("Columns are made before rows are");
    const memory = new ArrayBuffer(0, { maxByteLength: (this.#rowsMax + 1) * rowBytes });
    this.#columns.push({ memory, rowBytes });
    return memory;
  }

  #grow(): void {
    this.#capacity = Math.min(this.#capacity + limits.rowsPerGrowth, this.#rowsMax + 1);
    for (const { memory, rowBytes } of this.#columns) memory.resize(this.#capacity * rowBytes);
  }
}
