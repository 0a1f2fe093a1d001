/**
 * Dense symmetric positive definite matrices, row-major float64 [n, n]: Cholesky factors and inverses in plain loops along
 * rows. n^3 / 3 multiplications each; a layer of 1024 columns takes about a second.
 */

/**
 * The lower factor L of A = L L^T; undefined where A is not positive definite.
 *
 * @example
 * Array.from(choleskyLower(Float64Array.of(4, 2, 2, 2), 2)); // => [2, 0, 1, 1]
 */
export function choleskyLower(matrix: Float64Array, n: number): Float64Array | undefined {
  const lower = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    const rowI = i * n;
    for (let j = 0; j <= i; j++) {
      const rowJ = j * n;
      let sum = matrix[rowI + j];
      for (let k = 0; k < j; k++) sum -= lower[rowI + k] * lower[rowJ + k];
      if (i === j) {
        if (!(sum > 0)) return undefined;
        lower[rowI + i] = Math.sqrt(sum);
      } else {
        lower[rowI + j] = sum / lower[rowJ + j];
      }
    }
  }
  return lower;
}

/**
 * Upper factor U with A^-1 = U^T U, from A itself: what propagates rounding errors to the columns still to come.
 * With rows and columns of A turned round, A' = L L^T, U is the inverse of L turned round the same way.
 *
 * @example
 * Array.from(inverseUpper(Float64Array.of(4, 2, 2, 2), 2)).map((x) => x.toFixed(3)); // => ["0.707","-0.707","0.000","0.707"]
 */
export function inverseUpper(matrix: Float64Array, n: number): Float64Array | undefined {
  const turned = matrix.slice().reverse();
  const lower = choleskyLower(turned, n);
  if (!lower) return undefined;
  // Inverse of a lower triangle, row by row: row i = (e_i - sum_k L_ik row_k) / L_ii.
  const inverse = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    const row = i * n;
    for (let k = 0; k < i; k++) {
      const factor = lower[row + k];
      if (factor === 0) continue;
      const from = k * n;
      for (let j = 0; j <= k; j++) inverse[row + j] -= factor * inverse[from + j];
    }
    const scale = 1 / lower[row + i];
    for (let j = 0; j < i; j++) inverse[row + j] *= scale;
    inverse[row + i] = scale;
  }
  return inverse.reverse();
}
