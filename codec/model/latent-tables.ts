/**
 * Tables of latents for every quantizer, as they are before any is counted: a latent is taken to be normal, with the
 * standard deviation of its scale index. Counting real indices (src/training/fit-tables.ts) makes better ones.
 *
 * A scalar index k stands for the interval around k steps. What a trellis search chooses is far from the nearest point of
 * the state's quantizer, and the density one step around each point is the better guess (trellis/rate-models.ts).
 * Units: standard deviations and steps in latents. Runs when a model is made; files and decoders see the integers.
 */
import { costPerBit, gaussianRates } from '../../trellis/index.js';
import {
  FREQUENCY_TOTAL,
  gaussianTables,
  quantizeFrequencies,
  symmetrise,
  TableSet,
} from '../entropy/index.js';
import { isTrellisCoded, type QuantizerName, quantizerIds } from '../format/index.js';
import { offsetColumns } from '../quantizers/dequantize.js';
import type { QuantizerParts } from './model-file.js';

/**
 * Steps and prices of a bit, in latents and squared latents, that a model has before they are swept for it
 * (docs/TRAINING.md, "Quantizers"). A trellis searches over a union grid that is finer than a scalar quantizer's.
 */
const initialSettings = {
  scalar: { step: 1, lagrangian: 0.075 },
  trellis: { step: 0.7, lagrangian: 0.11 },
} as const;

/** Two tables per standard deviation: rows `2 * scale + quantizer`. */
function trellisTables(scales: ArrayLike<number>, step: number): TableSet {
  const { count, first, offsets, costs } = gaussianRates(Array.from(scales, (scale) => scale / step));
  return TableSet.fromTables(
    Array.from({ length: 2 * count }, (_, row) => {
      const prices = costs.subarray(offsets[row], offsets[row + 1]);
      const probabilities = Float64Array.from(prices, (price) => 2 ** (-price / costPerBit));
      // What lies so far out is rarer than an entry can say; it escapes.
      let trimmed = 0;
      while (probabilities[trimmed] < 1 / FREQUENCY_TOTAL && 2 * trimmed + 1 < probabilities.length)
        trimmed++;
      const kept = probabilities.subarray(trimmed, probabilities.length - trimmed);
      const beyond = Math.max(0, 1 - kept.reduce((sum, probability) => sum + probability, 0));
      const frequencies = quantizeFrequencies(Float64Array.of(...kept, beyond));
      return { firstSymbol: first[row] + trimmed, frequencies: symmetrise(frequencies, kept.length >> 1) };
    }),
  );
}

/**
 * Tables of one quantizer for normal latents.
 *
 * @param scales standard deviations, in latents
 * @param step distance of neighbouring values, in latents, above 0
 * @throws UsageError for standard deviations that are not above 0 or are more than 4096 steps
 * @example
 * normalTables('tcq8', [1, 4], 0.64).count; // => 4
 */
export function normalTables(name: QuantizerName, scales: ArrayLike<number>, step: number): TableSet {
  if (isTrellisCoded(name)) return trellisTables(scales, step);
  return gaussianTables(Array.from(scales, (scale) => scale / step));
}

/** What a model has for a quantizer when nothing is counted: tables of normal latents, and no offsets. */
export function normalParts(
  name: QuantizerName,
  scales: ArrayLike<number>,
  step: number,
  lagrangian: number,
): QuantizerParts {
  const rounded = Math.fround(step);
  const tables = normalTables(name, scales, rounded);
  return {
    tables,
    step: rounded,
    offsets: new Float32Array(offsetColumns * tables.count),
    lagrangian: Math.fround(lagrangian),
  };
}

/** What a model has for all quantizers before anything is counted or swept. */
export function defaultQuantizerParts(scales: ArrayLike<number>): Map<QuantizerName, QuantizerParts> {
  const names = Object.keys(quantizerIds) as QuantizerName[];
  return new Map(
    names.map((name) => {
      const { step, lagrangian } = initialSettings[isTrellisCoded(name) ? 'trellis' : 'scalar'];
      return [name, normalParts(name, scales, step, lagrangian)];
    }),
  );
}
