/**
 * The scale of least squared error for levels that are no uniform grid: a scan from the scale that clips nothing downwards
 * on a sample, then levels and scale take turns (step-search.ts has the same for uniform grids).
 */
import type { NearestLevel } from './levels.js';
import { bestFactor, sampleStride, settle } from './step-search.js';

/** Levels relative to a scale. */
export interface Codebook {
  readonly levels: ArrayLike<number>;
  readonly nearest: NearestLevel;
  /** Whether levels are magnitudes that both signs have. */
  readonly hasSign: boolean;
}

/** Squared error of every stride-th of values[start .. end) at a scale, and the scale that is best for those levels. */
export function errorAndBetterScale(
  values: Float32Array,
  start: number,
  end: number,
  stride: number,
  { levels, nearest, hasSign }: Codebook,
  scale: number,
  importance?: Float32Array,
): { readonly error: number; readonly better: number } {
  const inverse = 1 / scale;
  let sum = 0;
  let product = 0;
  let energy = 0;
  for (let i = start; i < end; i += stride) {
    const position = (hasSign ? Math.abs(values[i]) : values[i]) * inverse;
    const level = levels[nearest.of(position)];
    const error = position - level;
    const weight = importance ? importance[i] : 1;
    sum += weight * error * error;
    product += weight * position * level;
    energy += weight * level * level;
  }
  const better = energy > 0 && product > 0 ? (scale * product) / energy : scale;
  return { error: sum * scale * scale, better };
}

/**
 * The scale of least squared error, as far as this search finds it.
 *
 * @param largest the scale at which nothing is clipped
 * @param importance of the squared error of each value
 * @example
 * const levels = [0, 0.5, 1];
 * const codebook = { levels, nearest: new NearestLevel(levels), hasSign: true };
 * leastErrorScale(Float32Array.of(1, -0.9, 0.6, 0.5), 0, 4, codebook, 1).toFixed(3); // => "0.980"
 */
export function leastErrorScale(
  values: Float32Array,
  start: number,
  end: number,
  codebook: Codebook,
  largest: number,
  importance?: Float32Array,
): number {
  if (largest === 0) return 0;
  const stride = sampleStride(end - start);
  const factor = bestFactor(
    (ratio) => errorAndBetterScale(values, start, end, stride, codebook, ratio * largest, importance).error,
  );
  return settle(
    factor * largest,
    (scale) => errorAndBetterScale(values, start, end, 1, codebook, scale, importance).better,
  );
}
