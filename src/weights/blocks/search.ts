/**
 * Searches for the scale (and minimum) of a group of weights, as the encoders of GGUF's blocks do them.
 *
 * All take `count` values from `at` on and weights of the squared errors from 0 on, and put integer levels into
 * `levels` from `levelsAt` on. Every operation rounds to float32 and sums run in index order: the results are those
 * of ggml bit for bit. Source: ggml, src/ggml-quants.c (make_qx_quants, make_q3_quants, make_qkx2/3_quants,
 * make_qp_quants).
 */

const f = Math.fround;

/** Groups below this magnitude are zero. */
export const leastMagnitude = f(1e-15);

type Levels = Int8Array | Uint8Array;

/** Nearest integer, ties to even, of a float32 below 2^22 in magnitude. */
export function nearest(value: number): number {
  return f(f(value + 12582912) - 12582912);
}

function clamp(value: number, least: number, most: number): number {
  return value < least ? least : value > most ? most : value;
}

/** The first value of largest magnitude, with its sign. */
export function signedMaximum(x: Float32Array, at: number, count: number): number {
  let magnitude = 0;
  let value = 0;
  for (let i = at; i < at + count; i++) {
    const absolute = Math.abs(x[i]);
    if (absolute > magnitude) {
      magnitude = absolute;
      value = x[i];
    }
  }
  return value;
}

/** Weighted products of values and levels: what decides between scales. */
interface Fit {
  lx: number;
  l2: number;
}

const fit: Fit = { lx: 0, l2: 0 };

/** Rounds to levels -half..half-1 and gives the sums of their least-squares fit. */
function fitSigned(
  count: number,
  half: number,
  inverse: number,
  x: Float32Array,
  at: number,
  weights: Float32Array,
): Fit {
  let lx = 0;
  let l2 = 0;
  for (let i = 0; i < count; i++) {
    const value = x[at + i];
    const weight = weights[i];
    const level = clamp(nearest(f(inverse * value)), -half, half - 1);
    lx = f(lx + f(f(weight * value) * level));
    l2 = f(l2 + f(f(weight * level) * level));
  }
  fit.lx = lx;
  fit.l2 = l2;
  return fit;
}

/**
 * Scale of levels -half..half-1, stored plus `half`: nineteen scales around the one that maps the largest value to
 * -half, each followed by least squares.
 *
 * @returns the scale, with the sign that makes the largest value negative
 */
export function signedScale(
  count: number,
  half: number,
  x: Float32Array,
  at: number,
  weights: Float32Array,
  levels: Levels,
  levelsAt: number,
): number {
  const most = signedMaximum(x, at, count);
  if (Math.abs(most) < leastMagnitude) {
    levels.fill(0, levelsAt, levelsAt + count);
    return 0;
  }
  let bestInverse = f(-half / most);
  let { lx, l2 } = fitSigned(count, half, bestInverse, x, at, weights);
  let scale = l2 ? f(lx / l2) : 0;
  let best = f(scale * lx);
  for (let step = -9; step <= 9; step++) {
    if (step === 0) continue;
    const inverse = f(-f(half + f(f(0.1) * step)) / most);
    ({ lx, l2 } = fitSigned(count, half, inverse, x, at, weights));
    if (l2 > 0 && f(lx * lx) > f(best * l2)) {
      bestInverse = inverse;
      scale = f(lx / l2);
      best = f(scale * lx);
    }
  }
  for (let i = 0; i < count; i++) {
    levels[levelsAt + i] = half + clamp(nearest(f(bestInverse * x[at + i])), -half, half - 1);
  }
  return scale;
}

/**
 * Scale of levels -half..half-1, stored plus `half`, by up to five rounds of coordinate descent from the scale that
 * maps the largest value to -half. Squared errors weigh as the squared values.
 */
export function descendedScale(
  count: number,
  half: number,
  x: Float32Array,
  at: number,
  levels: Int8Array,
  levelsAt: number,
): number {
  const most = signedMaximum(x, at, count);
  if (Math.abs(most) < leastMagnitude) {
    levels.fill(0, levelsAt, levelsAt + count);
    return 0;
  }
  const inverse = f(-half / most);
  let lx = 0;
  let l2 = 0;
  for (let i = 0; i < count; i++) {
    const value = x[at + i];
    const level = clamp(nearest(f(inverse * value)), -half, half - 1);
    const weight = f(value * value);
    levels[levelsAt + i] = level;
    lx = f(lx + f(f(weight * value) * level));
    l2 = f(l2 + f(f(weight * level) * level));
  }
  for (let round = 0; round < 5; round++) {
    let changed = false;
    for (let i = 0; i < count; i++) {
      const value = x[at + i];
      const level = levels[levelsAt + i];
      const weight = f(value * value);
      let otherLx = f(lx - f(f(weight * value) * level));
      if (!(otherLx > 0)) continue;
      let otherL2 = f(l2 - f(f(weight * level) * level));
      const moved = clamp(nearest(f(f(value * otherL2) / otherLx)), -half, half - 1);
      if (moved === level) continue;
      otherLx = f(otherLx + f(f(weight * value) * moved));
      otherL2 = f(otherL2 + f(f(weight * moved) * moved));
      if (otherL2 > 0 && f(f(otherLx * otherLx) * l2) > f(f(lx * lx) * otherL2)) {
        levels[levelsAt + i] = moved;
        lx = otherLx;
        l2 = otherL2;
        changed = true;
      }
    }
    if (!changed) break;
  }
  for (let i = 0; i < count; i++) levels[levelsAt + i] += half;
  return l2 > 0 ? f(lx / l2) : 0;
}

/** How `scaleAndMinimum` searches. */
export interface ScaleSearch {
  /** The inverse scales tried have (first + step * n + most) / range, n = 0..steps. */
  readonly first: number;
  readonly step: number;
  readonly steps: number;
  /** Absolute errors in place of squared ones. */
  readonly absolute?: boolean;
}

const trial = new Uint8Array(32);

/** Sum of the weighted errors of levels with a scale and a minimum. */
function weightedError(
  count: number,
  scale: number,
  minimum: number,
  levels: Uint8Array,
  levelsAt: number,
  x: Float32Array,
  at: number,
  weights: Float32Array,
  absolute: boolean,
): number {
  let sum = 0;
  for (let i = 0; i < count; i++) {
    const difference = f(f(f(scale * levels[levelsAt + i]) + minimum) - x[at + i]);
    const error = absolute ? Math.abs(difference) : f(difference * difference);
    sum = f(sum + f(weights[i] * error));
  }
  return sum;
}

/**
 * Scale and minimum of levels 0..most, by weighted least squares from several starts.
 *
 * @param minimums receives minus the minimum, at least 0, at `index`
 * @returns the scale
 */
export function scaleAndMinimum(
  count: number,
  most: number,
  x: Float32Array,
  at: number,
  weights: Float32Array,
  levels: Uint8Array,
  levelsAt: number,
  minimums: Float32Array,
  index: number,
  { first, step, steps, absolute = false }: ScaleSearch,
): number {
  let minimum = x[at];
  let maximum = x[at];
  let sumW = weights[0];
  let sumX = f(sumW * x[at]);
  for (let i = 1; i < count; i++) {
    const value = x[at + i];
    if (value < minimum) minimum = value;
    if (value > maximum) maximum = value;
    sumW = f(sumW + weights[i]);
    sumX = f(sumX + f(weights[i] * value));
  }
  if (minimum > 0) minimum = 0;
  if (maximum <= minimum) {
    levels.fill(0, levelsAt, levelsAt + count);
    minimums[index] = -minimum;
    return 0;
  }
  const inverse = f(most / f(maximum - minimum));
  let scale = f(1 / inverse);
  for (let i = 0; i < count; i++) {
    levels[levelsAt + i] = clamp(nearest(f(inverse * f(x[at + i] - minimum))), 0, most);
  }
  let best = weightedError(count, scale, minimum, levels, levelsAt, x, at, weights, absolute);
  for (let n = 0; n <= steps; n++) {
    // The minimum is the best one so far, not that of the data: so does the source.
    const inverse = f(f(f(f(first) + f(f(step) * n)) + most) / f(maximum - minimum));
    let sumL = 0;
    let sumL2 = 0;
    let sumXL = 0;
    for (let i = 0; i < count; i++) {
      const value = x[at + i];
      const level = clamp(nearest(f(inverse * f(value - minimum))), 0, most);
      trial[i] = level;
      const weighted = f(weights[i] * level);
      sumL = f(sumL + weighted);
      sumL2 = f(sumL2 + f(weighted * level));
      sumXL = f(sumXL + f(weighted * value));
    }
    const determinant = f(f(sumW * sumL2) - f(sumL * sumL));
    if (!(determinant > 0)) continue;
    let trialScale = f(f(f(sumW * sumXL) - f(sumX * sumL)) / determinant);
    let trialMinimum = f(f(f(sumL2 * sumX) - f(sumL * sumXL)) / determinant);
    if (trialMinimum > 0) {
      trialMinimum = 0;
      trialScale = f(sumXL / sumL2);
    }
    const error = weightedError(count, trialScale, trialMinimum, trial, 0, x, at, weights, absolute);
    if (error < best) {
      for (let i = 0; i < count; i++) levels[levelsAt + i] = trial[i];
      best = error;
      scale = trialScale;
      minimum = trialMinimum;
    }
  }
  minimums[index] = -minimum;
  return scale;
}

/**
 * Scale of levels 0..most for values that are not negative: the best of nine scales, then coordinate descent. For
 * the scales and minimums of a super-block.
 */
export function nonNegativeScale(
  count: number,
  most: number,
  x: Float32Array,
  weights: Float32Array,
  levels: Uint8Array,
): number {
  let maximum = 0;
  for (let i = 0; i < count; i++) maximum = Math.max(maximum, x[i]);
  if (maximum < leastMagnitude) {
    levels.fill(0, 0, count);
    return 0;
  }
  let inverse = f(most / maximum);
  let best = Number.POSITIVE_INFINITY;
  // The start first: it wins ties.
  for (const step of [0, -4, -3, -2, -1, 1, 2, 3, 4]) {
    const trialInverse = f(f(f(f(0.1) * step) + most) / maximum);
    const trialScale = f(1 / trialInverse);
    let error = 0;
    for (let i = 0; i < count; i++) {
      const level = Math.min(most, nearest(f(trialInverse * x[i])));
      const difference = f(x[i] - f(trialScale * level));
      error = f(error + f(f(weights[i] * difference) * difference));
    }
    if (error < best) {
      best = error;
      inverse = trialInverse;
    }
  }
  let lx = 0;
  let l2 = 0;
  for (let i = 0; i < count; i++) {
    const level = Math.min(most, nearest(f(inverse * x[i])));
    levels[i] = level;
    lx = f(lx + f(f(weights[i] * x[i]) * level));
    l2 = f(l2 + f(f(weights[i] * level) * level));
  }
  for (let round = 0; round < 5; round++) {
    let changed = false;
    for (let i = 0; i < count; i++) {
      const weight = weights[i];
      const level = levels[i];
      let otherLx = f(lx - f(f(weight * x[i]) * level));
      let otherL2 = f(l2 - f(f(weight * level) * level));
      if (!(otherLx > 0 && otherL2 > 0)) continue;
      const moved = Math.min(most, nearest(f(f(x[i] * otherL2) / otherLx)));
      if (moved === level) continue;
      otherLx = f(otherLx + f(f(weight * x[i]) * moved));
      otherL2 = f(otherL2 + f(f(weight * moved) * moved));
      if (f(f(otherLx * otherLx) * l2) > f(f(lx * lx) * otherL2)) {
        levels[i] = moved;
        lx = otherLx;
        l2 = otherL2;
        changed = true;
      }
    }
    if (!changed) break;
  }
  return l2 > 0 ? f(lx / l2) : 0;
}
