/**
 * The step of a uniform grid that gives a run of weights the least squared error. Grids are (k + shift) * step for whole k
 * from low to high: symmetric whole numbers, ParetoQ's levels, grids of direct quantized training.
 *
 * The error as a function of the step has several dips. So a coarse scan from the step that clips nothing downwards comes
 * first, on a sample of long runs; then codes and step take turns, each the best for the other (Lloyd's iteration), which
 * never makes the error larger.
 */
import { roundHalfEven } from './rounding.js';

/** Whole numbers low .. high, each moved by the shift (0 or a half). */
export interface UniformGrid {
  readonly shift: number;
  readonly low: number;
  readonly high: number;
}

const scanPoints = 14;
/** Ratio of neighbouring steps of the scan; the last one is 0.13 of the first. */
const scanFactor = 0.865;

/** Factors of the scan around the best step of the first one. */
const finerFactors = [1.08, 1.05, 1.025, 0.975, 0.95, 0.92];

/**
 * The factor of at most 1 with the smallest error, by a scan over 0.865^k, k = 0 .. 14, and a finer one around the best.
 *
 * @example
 * bestFactor((factor) => Math.abs(factor - 0.77)).toFixed(3); // => "0.767"
 */
export function bestFactor(error: (factor: number) => number): number {
  let best = 1;
  let leastError = error(1);
  const consider = (factor: number): void => {
    const found = error(factor);
    if (found < leastError) [best, leastError] = [factor, found];
  };
  for (let point = 1, factor = scanFactor; point <= scanPoints; point++, factor *= scanFactor)
    consider(factor);
  const coarse = best;
  for (const finer of finerFactors) if (coarse * finer < 1) consider(coarse * finer);
  return best;
}

/** Values of a run that the scan looks at. */
const sampled = 1024;

/** Distance of the values to look at, so that about `sampled` of a run are. */
export const sampleStride = (length: number): number => Math.max(1, Math.floor(length / sampled));

/** Sum of squared errors of every stride-th of values[start .. end) on the grid with that step. */
function gridError(
  values: Float32Array,
  start: number,
  end: number,
  stride: number,
  { shift, low, high }: UniformGrid,
  step: number,
  importance: Float32Array | undefined,
): number {
  const inverse = 1 / step;
  let sum = 0;
  for (let i = start; i < end; i += stride) {
    const position = values[i] * inverse - shift;
    let k = roundHalfEven(position);
    k = k > high ? high : k < low ? low : k;
    const error = position - k;
    sum += importance ? importance[i] * error * error : error * error;
  }
  return sum * step * step;
}

/** The best step for the codes that are best for the given one. */
function betterStep(
  values: Float32Array,
  start: number,
  end: number,
  { shift, low, high }: UniformGrid,
  step: number,
  importance: Float32Array | undefined,
): number {
  const inverse = 1 / step;
  let product = 0;
  let energy = 0;
  for (let i = start; i < end; i++) {
    let k = roundHalfEven(values[i] * inverse - shift);
    k = k > high ? high : k < low ? low : k;
    const level = k + shift;
    const weighted = importance ? importance[i] * level : level;
    product += values[i] * weighted;
    energy += level * weighted;
  }
  return energy > 0 && product > 0 ? product / energy : step;
}

const rounds = 6;
/** Relative change of the step below which turns end. */
const settled = 1e-3;

/**
 * Takes turns until the step settles, at most six times.
 *
 * @param better the best step for the codes that are best for the given one
 */
export function settle(step: number, better: (step: number) => number): number {
  let current = step;
  for (let round = 0; round < rounds; round++) {
    const next = better(current);
    const change = Math.abs(next - current);
    current = next;
    if (change < settled * current) break;
  }
  return current;
}

/**
 * The step of least squared error, as far as this search finds it.
 *
 * @param largest the step at which nothing is clipped
 * @param importance of the squared error of each value
 * @example
 * leastErrorStep(Float32Array.of(1, 1, 1, -1), 0, 4, { shift: 0.5, low: -2, high: 1 }, 1).toFixed(3); // => "0.667"
 */
export function leastErrorStep(
  values: Float32Array,
  start: number,
  end: number,
  grid: UniformGrid,
  largest: number,
  importance?: Float32Array,
): number {
  if (largest === 0) return 0;
  const stride = sampleStride(end - start);
  const factor = bestFactor((ratio) =>
    gridError(values, start, end, stride, grid, ratio * largest, importance),
  );
  return settle(factor * largest, (step) => betterStep(values, start, end, grid, step, importance));
}
