/**
 * The step of a uniform grid that gives a run of weights the least squared error. Grids are
 * (k + shift) * step for whole k from low to high, which covers symmetric whole numbers, ParetoQ's levels and powers of it.
 *
 * The error as a function of the step has several dips, so a coarse scan from the largest sensible step down comes
 * first, then golden sections around its best point.
 */
import { roundHalfEven } from './rounding.js';

/** Whole numbers low .. high, each moved by the shift (0 or a half). */
export interface UniformGrid {
  readonly shift: number;
  readonly low: number;
  readonly high: number;
}

/** Sum of squared errors of values[start .. end) on the grid with that step. */
export function gridError(
  values: Float32Array,
  start: number,
  end: number,
  { shift, low, high }: UniformGrid,
  step: number,
): number {
  const inverse = 1 / step;
  let sum = 0;
  for (let i = start; i < end; i++) {
    const position = values[i] * inverse - shift;
    let k = roundHalfEven(position);
    k = k > high ? high : k < low ? low : k;
    const error = position - k;
    sum += error * error;
  }
  return sum * step * step;
}

const scanPoints = 12;
const sections = 7;
const golden = (Math.sqrt(5) - 1) / 2;

/**
 * The best step between `least` and 1 times the largest.
 *
 * @param largest the step at which nothing is clipped
 * @returns 0 where the largest is 0 or too small to have a reciprocal
 * @example
 * leastErrorStep(Float32Array.of(1, 1, 1, -1), 0, 4, { shift: 0.5, low: -2, high: 1 }, 1).toFixed(2); // => "0.67"
 */
export function leastErrorStep(
  values: Float32Array,
  start: number,
  end: number,
  grid: UniformGrid,
  largest: number,
  least = 0.3,
): number {
  // Reciprocals of denormals overflow; such weights are as good as zero.
  if (largest < 2 ** -120) return largest;
  const error = (ratio: number): number => gridError(values, start, end, grid, ratio * largest);
  const spacing = (1 - least) / scanPoints;
  let best = 1;
  let leastError = error(1);
  for (let point = 1; point <= scanPoints; point++) {
    const ratio = 1 - point * spacing;
    const found = error(ratio);
    if (found < leastError) [best, leastError] = [ratio, found];
  }
  let from = Math.max(least, best - spacing);
  let to = Math.min(1, best + spacing);
  let left = to - golden * (to - from);
  let right = from + golden * (to - from);
  let errorLeft = error(left);
  let errorRight = error(right);
  for (let section = 0; section < sections; section++) {
    if (errorLeft < errorRight) {
      [to, right, errorRight] = [right, left, errorLeft];
      left = to - golden * (to - from);
      errorLeft = error(left);
    } else {
      [from, left, errorLeft] = [left, right, errorRight];
      right = from + golden * (to - from);
      errorRight = error(right);
    }
  }
  const [refined, refinedError] = errorLeft < errorRight ? [left, errorLeft] : [right, errorRight];
  return (refinedError < leastError ? refined : best) * largest;
}
