/** Mean, median and the bootstrap interval of a mean, for values of single pictures. */
import { UsageError } from '../src/errors.js';
import { seeded } from './random.js';

/** Resamples that an interval is made from: its ends then vary by about a hundredth of its width. */
export const bootstrapResamples = 10_000;

function checkNotEmpty(values: readonly number[]): void {
  if (values.length === 0) throw new UsageError('Expected at least one value to average, got none');
}

/**
 * The arithmetic mean.
 *
 * @throws UsageError for no values
 * @example
 * meanOf([1, 2, 6]); // => 3
 */
export function meanOf(values: readonly number[]): number {
  checkNotEmpty(values);
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/**
 * The value of a share of sorted values, linear between neighbours (as NumPy's default).
 *
 * @param share 0..1
 */
function quantile(sorted: ArrayLike<number>, share: number): number {
  const position = share * (sorted.length - 1);
  const below = Math.floor(position);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (position - below) * (sorted[above] - sorted[below]);
}

/**
 * The middle value; the mean of the two middle ones where they are two.
 *
 * @throws UsageError for no values
 * @example
 * medianOf([9, 1, 2]); // => 2
 */
export function medianOf(values: readonly number[]): number {
  checkNotEmpty(values);
  return quantile(Float64Array.from(values).sort(), 0.5);
}

/** Ends of an interval. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

/**
 * Bootstrap percentile interval of the mean (Efron 1979): how far it would move if other pictures of the same kind had
 * been taken. Equal values give equal intervals, as the resamples are seeded.
 *
 * @param confidence part of the resampled means that lies inside, 0..1
 * @throws UsageError for no values
 * @example
 * bootstrapInterval([1, 1, 1]).high; // => 1
 */
export function bootstrapInterval(values: readonly number[], confidence = 0.95): Interval {
  checkNotEmpty(values);
  const uniform = seeded(1);
  const means = new Float64Array(bootstrapResamples);
  for (let resample = 0; resample < bootstrapResamples; resample++) {
    let sum = 0;
    for (let n = 0; n < values.length; n++) sum += values[Math.floor(uniform() * values.length)];
    means[resample] = sum / values.length;
  }
  means.sort();
  return { low: quantile(means, (1 - confidence) / 2), high: quantile(means, (1 + confidence) / 2) };
}
