/**
 * Quantization with feedback (LDLQ): what one block of columns loses, columns before it make up for.
 *
 * For errors E of a layer's weights and second moments H of its inputs the layer's output is off by tr(E H E^T).
 * With H = L D L^T, L unit lower triangular in blocks, that is the sum over blocks k of (X_k - Q(X_k)) D_k (X_k -
 * Q(X_k))^T if blocks are quantized from the last to the first, X_k being the block's weights plus the later
 * blocks' errors times L: so each block only has to be close to X_k.
 * Source: J. Chee et al., "QuIP", 2023; A. Tseng et al., "QTIP", 2024.
 */
import { UsageError } from '../../errors.js';
import { choleskyLower } from '../cholesky.js';

/**
 * The block unit lower triangular L of H = L D L^T.
 *
 * @param hessian symmetric positive definite, `[size, size]`
 * @param width columns of a block; the last block may be narrower
 * @throws UsageError for a matrix that is not positive definite
 * @example
 * Array.from(blockLdl(Float64Array.of(4, 2, 2, 3), 2, 1)); // => [1, 0, 0.5, 1]
 */
export function blockLdl(hessian: Float64Array, size: number, width: number): Float64Array {
  const factor = choleskyLower(hessian, size);
  if (!factor)
    throw new UsageError(`hessian: expected a positive definite matrix of ${size} columns, got another`);
  const lower = new Float64Array(size * size);
  for (let first = 0; first < size; first += width) {
    const end = Math.min(size, first + width);
    for (let i = first; i < end; i++) lower[i * size + i] = 1;
    // Rows below: x times the triangle of the diagonal block is the row of the factor.
    for (let row = end; row < size; row++) {
      for (let j = end - 1; j >= first; j--) {
        let sum = factor[row * size + j];
        for (let k = j + 1; k < end; k++) sum -= lower[row * size + k] * factor[k * size + j];
        lower[row * size + j] = sum / factor[j * size + j];
      }
    }
  }
  return lower;
}

/** Quantizes columns [first, end) of a matrix, given as `[rows, end - first]`, and returns what comes back. */
export type BlockQuantizer = (block: Float64Array, first: number, end: number) => Float64Array;

/**
 * Quantizes a matrix block by block, last block first, with feedback where a Hessian is given.
 *
 * @param weights `[rows, columns]`
 * @param hessian `[columns, columns]`, positive definite
 * @returns what comes back, `[rows, columns]`
 * @throws UsageError as `blockLdl`
 * @example
 * const round = (block) => block.map(Math.round);
 * const hessian = Float64Array.of(1, 0.9, 0.9, 1.1);
 * Array.from(quantizeBlocks(Float64Array.of(0.3, 0.4), 1, 2, 1, round, hessian)); // => [1, 0]
 */
export function quantizeBlocks(
  weights: Float64Array,
  rows: number,
  columns: number,
  width: number,
  quantize: BlockQuantizer,
  hessian?: Float64Array,
): Float64Array {
  const lower = hessian && blockLdl(hessian, columns, width);
  const result = new Float64Array(weights.length);
  for (let first = Math.floor((columns - 1) / width) * width; first >= 0; first -= width) {
    const end = Math.min(columns, first + width);
    const block = new Float64Array(rows * (end - first));
    for (let row = 0, at = 0; row < rows; row++) {
      for (let column = first; column < end; column++, at++) block[at] = weights[row * columns + column];
      if (!lower) continue;
      for (let later = end; later < columns; later++) {
        const error = weights[row * columns + later] - result[row * columns + later];
        const from = at - (end - first);
        for (let j = first; j < end; j++) block[from + j - first] += error * lower[later * columns + j];
      }
    }
    const back = quantize(block, first, end);
    for (let row = 0, at = 0; row < rows; row++) {
      for (let column = first; column < end; column++, at++) result[row * columns + column] = back[at];
    }
  }
  return result;
}
