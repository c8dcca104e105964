import { assert } from "#base/assert.ts";

export type ColumnArray = Uint8Array | Uint32Array | Float64Array;
interface ColumnConstructor<A extends ColumnArray> {
  new (length: number): A;
  readonly BYTES_PER_ELEMENT: number;
}
/** Names and element types of the columns of a table. */
export type ColumnSchema = Readonly<
  Record<string, ColumnConstructor<Uint8Array | Uint32Array | Float64Array>>
>;
export type ColumnArrays<S extends ColumnSchema> = {
  [K in keyof S]: S[K] extends ColumnConstructor<infer A> ? A : never;
};

/**
 * A table as typed arrays of equal length, of which the first `count` elements are rows. It is what
 * a snapshot stores as it is, so a table of 100,000 rows loads without parsing.
 *
 * `arrays` is replaced when the table grows: do not keep its arrays over an `await`.
 */
export class Columns<S extends ColumnSchema> {
  readonly schema: S;
  arrays: ColumnArrays<S>;
  count = 0;
  #capacity = 0;

  constructor(schema: S) {
    this.schema = schema;
    this.arrays = {} as ColumnArrays<S>;
    this.#resize(0);
  }

  #resize(capacity: number): void {
    const grown: Record<string, ColumnArray> = {};
    for (const [name, constructor] of Object.entries(this.schema)) {
      const column = new constructor(capacity);
      const old = (this.arrays as Record<string, ColumnArray>)[name];
      if (old !== undefined) column.set(old.subarray(0, this.count));
      grown[name] = column;
    }
    this.arrays = grown as ColumnArrays<S>;
    this.#capacity = capacity;
  }

  /**
   * Makes room for `more` rows beyond `count`; grows by a quarter, and large tables by a sixteenth,
   * so that little is wasted.
   */
  reserve(more: number): void {
    const need = this.count + more;
    if (need <= this.#capacity) return;
    const step = this.#capacity < 20_000 ? this.#capacity >> 2 : this.#capacity >> 4;
    this.#resize(Math.max(need, 16, this.#capacity + step));
  }

  /** Takes columns that were stored, without copying them; all must have `count` elements. */
  adopt(count: number, arrays: ColumnArrays<S>): void {
    for (const column of Object.values(arrays) as ColumnArray[])
      assert(column.length >= count, "A stored column is as long as its table");
    this.arrays = arrays;
    this.count = count;
    this.#capacity = count;
  }

  /** Removes the rows at the ascending indexes `rows`, keeping the order of the others. */
  remove(rows: ArrayLike<number>): void {
    if (rows.length === 0) return;
    for (const column of Object.values(this.arrays) as ColumnArray[]) {
      let write = rows[0]!;
      for (let i = 0; i < rows.length; i++) {
        const start = rows[i]! + 1;
        const end = i + 1 < rows.length ? rows[i + 1]! : this.count;
        if (end > start) column.copyWithin(write, start, end);
        write += end - start;
      }
    }
    this.count -= rows.length;
  }

  /** Memory of the arrays, in bytes. */
  get bytes(): number {
    let bytes = 0;
    for (const column of Object.values(this.arrays) as ColumnArray[]) bytes += column.byteLength;
    return bytes;
  }
}

/** Index of the first of the ascending `values[0 .. count)` that is not below `value`. */
export function lowerBound(
  values: Uint32Array | Float64Array,
  count: number,
  value: number,
): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (values[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
