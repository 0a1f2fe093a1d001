/**
 * Frequency tables of rounded zero-mean normal variables, one per standard deviation (unit: quantization steps).
 * Each covers the integers -K..K, K the smallest with less than 2^-16 of the mass beyond it on either side; that
 * mass goes to the escape. Invariants: symmetric in the sign; every entry at least 1.
 * Build time only: floats and Math.exp; what is coded with are the integers, shipped with the model.
 * Source: the log-spaced scale table of Balle et al. 2018 as in TensorFlow Compression and CompressAI (64, 0.11, 256).
 */
import { UsageError } from '../../src/errors.js';
import { normalTail, roundedNormalProbability } from './erfc.js';
import { quantizeFrequencies, symmetrise } from './quantize-frequencies.js';
import { FREQUENCY_TOTAL, type FrequencyTable, TableSet } from './tables.js';

const MAX_SCALE = 4096;

/**
 * Standard deviations spaced evenly in their logarithm, ends included.
 *
 * @param count - how many, at least 2
 * @param min - the first, above 0
 * @param max - the last, above `min`
 * @throws UsageError if the arguments make no such sequence
 * @example
 * Array.from(scaleTable(3, 1, 4), Math.round); // => [1, 2, 4]
 */
export function scaleTable(count = 64, min = 0.11, max = 256): Float64Array {
  if (!(Number.isInteger(count) && count >= 2 && min > 0 && max > min && max < Number.POSITIVE_INFINITY)) {
    const received = `${count} from ${min} to ${max}`;
    throw new UsageError(
      `Expected at least 2 rising positive numbers for the scale table but received ${received}`,
    );
  }
  const step = Math.log(max / min) / (count - 1);
  return Float64Array.from({ length: count }, (_, i) => (i === count - 1 ? max : min * Math.exp(i * step)));
}

/**
 * One table per standard deviation.
 *
 * @param scales - standard deviations in quantization steps, above 0 and at most 4096
 * @throws UsageError if a scale is out of range
 * @example
 * const tables = gaussianTables(scaleTable());
 * tables.count; // => 64
 * Array.from(tables.table(6).frequencies); // => [977, 63581, 977, 1]
 */
export function gaussianTables(scales: ArrayLike<number>): TableSet {
  return TableSet.fromTables(Array.from(scales, gaussianTable));
}

function gaussianTable(sigma: number): FrequencyTable {
  if (!(sigma > 0 && sigma <= MAX_SCALE)) {
    throw new UsageError(
      `Expected a number above 0 and up to ${MAX_SCALE} for a scale but received ${sigma}`,
    );
  }
  let last = 0;
  while (normalTail((last + 0.5) / sigma) >= 1 / FREQUENCY_TOTAL) last++;
  const weights = new Float64Array(2 * last + 2);
  for (let k = -last; k <= last; k++) weights[last + k] = roundedNormalProbability(k, sigma);
  weights[2 * last + 1] = 2 * normalTail((last + 0.5) / sigma);
  const frequencies = quantizeFrequencies(weights);
  symmetrise(frequencies, last);
  return { firstSymbol: -last, frequencies };
}
