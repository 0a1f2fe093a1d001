/**
 * From probabilities to integer frequencies that sum to 65536, each at least 1, with the smallest possible loss:
 * the expected cost -sum p log2(f / 65536) is separable and convex in f, so moving single units from where they are
 * missed least to where they help most, until no move helps, ends at the global minimum. Build time only.
 */
import { UsageError } from '../../src/errors.js';
import { FREQUENCY_TOTAL } from './tables.js';

/**
 * Frequencies with the least expected cost for the given weights.
 *
 * @param weights - probabilities up to a common factor, each finite and >= 0, not all zero; 1..65536 of them
 * @returns 1..65536 each, sum 65536, aligned with `weights`
 * @throws UsageError if the weights are no distribution or too many
 * @example
 * Array.from(quantizeFrequencies([3, 1, 0])); // => [49151, 16384, 1]
 */
export function quantizeFrequencies(weights: ArrayLike<number>): Uint32Array {
  const probabilities = normalise(weights);
  const n = probabilities.length;
  const frequencies = new Uint32Array(n);
  const gains = new Float64Array(n);
  const losses = new Float64Array(n);
  let missing = FREQUENCY_TOTAL;
  const set = (i: number, frequency: number) => {
    missing += frequencies[i] - frequency;
    frequencies[i] = frequency;
    gains[i] = probabilities[i] * Math.log1p(1 / frequency);
    losses[i] = frequency > 1 ? -probabilities[i] * Math.log1p(-1 / frequency) : Number.POSITIVE_INFINITY;
  };
  for (let i = 0; i < n; i++) set(i, Math.max(1, Math.round(probabilities[i] * FREQUENCY_TOTAL)));
  while (missing < 0) {
    const i = indexOfLeast(losses);
    set(i, frequencies[i] - 1);
  }
  while (missing > 0) {
    const i = indexOfMost(gains);
    set(i, frequencies[i] + 1);
  }
  for (;;) {
    const from = indexOfLeast(losses);
    const to = indexOfMost(gains);
    if (!(gains[to] > losses[from] * (1 + 1e-12))) return frequencies;
    set(from, frequencies[from] - 1);
    set(to, frequencies[to] + 1);
  }
}

/**
 * Makes frequencies alike on both sides of an entry, in place: the optimum of a symmetric distribution is symmetric up to
 * ties, and a unit that a tie gave to one side only goes to the middle. Entries beyond `2 * middle` are left alone.
 *
 * @example
 * Array.from(symmetrise(Uint32Array.of(3, 10, 2, 7), 1)); // => [2, 11, 2, 7]
 */
export function symmetrise(frequencies: Uint32Array, middle: number): Uint32Array {
  for (let k = 1; k <= middle; k++) {
    const both = Math.min(frequencies[middle - k], frequencies[middle + k]);
    frequencies[middle] += frequencies[middle - k] + frequencies[middle + k] - 2 * both;
    frequencies[middle - k] = both;
    frequencies[middle + k] = both;
  }
  return frequencies;
}

function normalise(weights: ArrayLike<number>): Float64Array {
  const probabilities = Float64Array.from(weights);
  const n = probabilities.length;
  if (n < 1 || n > FREQUENCY_TOTAL) {
    throw new UsageError(
      `Expected 1 to ${FREQUENCY_TOTAL} probabilities for a frequency table but received ${n}`,
    );
  }
  let sum = 0;
  for (const p of probabilities) {
    if (!(p >= 0)) throw new UsageError(`Expected non-negative numbers for probabilities but received ${p}`);
    sum += p;
  }
  if (!(sum > 0 && Number.isFinite(sum))) {
    throw new UsageError(
      `Expected a positive finite number for the sum of probabilities but received ${sum}`,
    );
  }
  for (let i = 0; i < n; i++) probabilities[i] /= sum;
  return probabilities;
}

function indexOfLeast(values: Float64Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i] < values[best]) best = i;
  return best;
}

function indexOfMost(values: Float64Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i] > values[best]) best = i;
  return best;
}
