/**
 * Random Hadamard transform: turns any matrix into one whose entries look like draws from a normal distribution,
 * and back, exactly orthonormal (incoherence processing).
 *
 * With signs s of rows and columns and Hadamard matrices H the transform of W is `H diag(s_rows) W diag(s_columns)
 * H^T`. A side that is no power of two is cut into blocks by its binary digits, largest first (100 = 64 + 32 + 4),
 * each with a Hadamard matrix of its own: nothing is padded. Sums and products in float64 only, so the same bits
 * everywhere.
 * Source: A. Tseng et al., "QuIP#", 2024; blocks in place of their Hadamard matrices of other sizes.
 */

/** Signs of the two sides of a matrix, 1 or -1. */
export interface Signs {
  readonly rows: Int8Array;
  readonly columns: Int8Array;
}

/**
 * Signs from a seed (mulberry32, highest bit): those of the columns first.
 *
 * @param seed 0 to 2^32 - 1
 * @example
 * randomSigns(1, 2, 3).columns.length; // => 3
 */
export function randomSigns(seed: number, rows: number, columns: number): Signs {
  let state = seed | 0;
  const draw = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return (x ^ (x >>> 14)) < 0 ? -1 : 1;
  };
  const list = (count: number): Int8Array => Int8Array.from({ length: count }, draw);
  const columnSigns = list(columns);
  return { columns: columnSigns, rows: list(rows) };
}

/**
 * Sizes of the blocks that a side of a matrix is cut into.
 *
 * @example
 * hadamardBlocks(100); // => [64, 32, 4]
 */
export function hadamardBlocks(size: number): number[] {
  const blocks: number[] = [];
  for (let block = 2 ** 30; block >= 1; block /= 2) if (size & block) blocks.push(block);
  return blocks;
}

/** Transforms `size` numbers from `start`, `stride` apart, block by block. */
function transformLine(values: Float64Array, start: number, stride: number, size: number): void {
  let first = start;
  for (const block of hadamardBlocks(size)) {
    const end = first + block * stride;
    for (let half = stride; half < block * stride; half *= 2) {
      for (let group = first; group < end; group += 2 * half) {
        for (let low = group; low < group + half; low += stride) {
          const a = values[low];
          const b = values[low + half];
          values[low] = a + b;
          values[low + half] = a - b;
        }
      }
    }
    const factor = 1 / Math.sqrt(block);
    for (let i = first; i < end; i += stride) values[i] *= factor;
    first = end;
  }
}

function multiplySigns(values: Float64Array, { rows, columns }: Signs): void {
  for (let row = 0, at = 0; row < rows.length; row++) {
    for (let column = 0; column < columns.length; column++, at++) values[at] *= rows[row] * columns[column];
  }
}

function transformSides(values: Float64Array, rows: number, columns: number): void {
  for (let row = 0; row < rows; row++) transformLine(values, row * columns, 1, columns);
  for (let column = 0; column < columns; column++) transformLine(values, column, columns, rows);
}

/**
 * Transforms a matrix in place.
 *
 * @param values `[rows, columns]`, as many as there are signs
 * @example
 * const values = Float64Array.of(1, 0, 0, 0);
 * randomHadamard(values, { rows: Int8Array.of(1, 1), columns: Int8Array.of(-1, 1) });
 * Array.from(values, (value) => Math.round(2 * value)); // => [-1, -1, -1, -1]
 */
export function randomHadamard(values: Float64Array, signs: Signs): void {
  multiplySigns(values, signs);
  transformSides(values, signs.rows.length, signs.columns.length);
}

/** Undoes `randomHadamard`, up to rounding. */
export function inverseRandomHadamard(values: Float64Array, signs: Signs): void {
  transformSides(values, signs.rows.length, signs.columns.length);
  multiplySigns(values, signs);
}

/**
 * The Hessian of a transformed matrix's columns: `H diag(s) hessian diag(s) H^T`.
 *
 * @param hessian `[columns, columns]`
 */
export function transformHessian(hessian: ArrayLike<number>, { columns }: Signs): Float64Array {
  const transformed = Float64Array.from(hessian);
  randomHadamard(transformed, { rows: columns, columns });
  return transformed;
}
