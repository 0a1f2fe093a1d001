/**
 * Fits what hyper-latents are coded with (codec/entropy/hyper-contexts.ts) to those of photographs: for every channel a
 * linear prediction from what is known when its turn comes, thresholds that cut predictions into contexts of equal
 * weight, and a table for each context, channel and rate point. End-to-end training has a prior for single hyper-latents;
 * what they say of each other is left for this. Never fit on pictures that anything is measured on.
 */
import {
  contextCount,
  FREQUENCY_TOTAL,
  gatherKnown,
  type TableSet,
  tablesFromProbabilities,
  trimProbabilities,
  visitHyperLatents,
  visitPredictions,
} from '../../codec/entropy/index.js';
import { type EntropyTables, type ModelParts, mostHyperTables } from '../../codec/model/model-file.js';
import { hyperLatentReach as reach } from '../../codec/model/prior-tables.js';
import type { NetworkConfig } from '../../codec/networks/config.js';
import { UsageError } from '../errors.js';
import { choleskyLower } from '../weights/cholesky.js';

/** Hyper-latents of one picture at one quality. */
export interface HyperLatentSample {
  /** Whole numbers, channel by channel, row by row. */
  readonly values: Int32Array;
  /** Hyper-latents in a row. */
  readonly width: number;
  /** The nearest rate point. */
  readonly ratePoint: number;
}

export interface HyperContextOptions {
  /** Contexts of each channel, 2 to 64 (default 12). */
  readonly contexts?: number;
}

export const defaultHyperContextOptions = Object.freeze({ contexts: 12 });

/** Added to the second moments of what predictions are made from, in squared hyper-latents. */
const ridge = 30;
/** Largest factor that weights are made whole numbers with; smaller where they would not fit 16 bits. */
const mostWeightScale = 4096;
/** Observations that the table of a context at all rates counts in it at each of them; the rate point's counts the same. */
const sharedWeight = 15;
/** Observations that a channel's table counts in that of a context at all rates. */
const channelWeight = 20;
/** Observations that the prior of end-to-end training counts in a channel's table. */
const learnedWeight = 8;
/** The most contexts of a channel that can be fitted. */
export const mostContexts = 64;

/**
 * Weights of every channel by least squares, as whole numbers. In the order rate point, left, above, same place every channel
 * is predicted from all that stands before it, so that one Cholesky factor of the second moments has all solutions in it.
 */
function fitWeights(
  { hyperLatents: channels, ratePoints }: NetworkConfig,
  samples: readonly HyperLatentSample[],
): Int16Array {
  const size = ratePoints + 3 * channels;
  const moments = new Float64Array(size * size);
  const known = new Int32Array(3 * channels);
  const present = new Int32Array(3 * channels);
  for (const { values, width, ratePoint } of samples) {
    moments[ratePoint * size + ratePoint] += values.length / channels;
    for (let place = 0; place < values.length / channels; place++) {
      gatherKnown(values, place, width, known);
      // Most hyper-latents are 0.
      let count = 0;
      for (let k = 0; k < known.length; k++) if (known[k] !== 0) present[count++] = k;
      for (let a = 0; a < count; a++) {
        const row = (ratePoints + present[a]) * size;
        const value = known[present[a]];
        moments[row + ratePoint] += value;
        for (let b = 0; b <= a; b++) moments[row + ratePoints + present[b]] += value * known[present[b]];
      }
    }
  }
  for (let row = 0; row < size; row++) moments[row * size + row] += ridge;
  // The ridge makes it positive definite; what is above the diagonal is not read.
  const lower = choleskyLower(moments, size)!;
  const weights = new Int16Array(3 * channels * channels);
  for (let channel = 0; channel < channels; channel++) {
    const target = ratePoints + 2 * channels + channel;
    const solution = lower.slice(target * size, target * size + target);
    for (let row = target - 1; row >= 0; row--) {
      solution[row] /= lower[row * size + row];
      for (let k = 0; k < row; k++) solution[k] -= lower[row * size + k] * solution[row];
    }
    // A rate point moves all predictions at it alike, and has tables of its own.
    const own = solution.subarray(ratePoints);
    const largest = own.reduce((most, weight) => Math.max(most, Math.abs(weight)), 0);
    const scale = Math.min(mostWeightScale, (2 ** 15 - 1) / largest);
    for (let k = 0; k < own.length; k++) weights[3 * channels * channel + k] = Math.round(own[k] * scale);
  }
  return weights;
}

/** Thresholds with as many predictions between any two neighbours, as far as predictions differ. */
function fitThresholds(channels: number, predictions: readonly Float64Array[], contexts: number): Int32Array {
  const thresholds = new Int32Array(channels * (contexts - 1));
  for (let channel = 0; channel < channels; channel++) {
    const sorted = predictions[channel].slice().sort();
    for (let k = 1; k < contexts; k++) {
      const value = sorted[Math.floor((k * sorted.length) / contexts)];
      thresholds[channel * (contexts - 1) + k - 1] = Math.max(-(2 ** 31), Math.min(2 ** 31 - 1, value));
    }
  }
  return thresholds;
}

function normalised(weights: Float64Array): Float64Array {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}

const blend = (counts: Float64Array, ...priors: readonly (readonly [number, Float64Array])[]): Float64Array =>
  normalised(
    counts.map((count, k) => priors.reduce((sum, [weight, prior]) => sum + weight * prior[k], count)),
  );

/** What the model's tables say of a channel at a rate point, over [-reach, reach]; contexts are as likely as each other. */
function learnedProbabilities(tables: TableSet, row: number, contexts: number): Float64Array {
  const probabilities = new Float64Array(2 * reach + 1);
  for (let context = 0; context < contexts; context++) {
    const { firstSymbol, frequencies } = tables.table(row * contexts + context);
    frequencies.subarray(0, -1).forEach((frequency, k) => {
      const place = firstSymbol + k + reach;
      if (place >= 0 && place < probabilities.length) probabilities[place] += frequency / FREQUENCY_TOTAL;
    });
  }
  return normalised(probabilities);
}

/** Tables of every context from counts, each blended with those that have seen more. */
function blendedTables(
  { config, tables }: ModelParts,
  counts: readonly Float64Array[],
  contexts: number,
): TableSet {
  const { ratePoints, hyperLatents: channels } = config;
  const before = contextCount(tables.hyperContexts, channels);
  const sumOf = (numbers: readonly number[]): Float64Array => {
    const sum = new Float64Array(2 * reach + 1);
    for (const n of numbers) for (let k = 0; k < sum.length; k++) sum[k] += counts[n][k];
    return sum;
  };
  const numbers = (length: number): number[] => [...Array(length).keys()];
  const blended: Float64Array[] = new Array(counts.length);
  for (let channel = 0; channel < channels; channel++) {
    const at = (rate: number, context: number): number => (rate * channels + channel) * contexts + context;
    const ofRate = numbers(ratePoints).map((rate) => {
      const counted = sumOf(numbers(contexts).map((context) => at(rate, context)));
      const learned = learnedProbabilities(tables.hyperLatents, rate * channels + channel, before);
      return blend(counted, [learnedWeight, learned]);
    });
    const ofChannel = normalised(
      ofRate.reduce((sum, one) => sum.map((value, k) => value + one[k]), new Float64Array(2 * reach + 1)),
    );
    for (let context = 0; context < contexts; context++) {
      const counted = sumOf(numbers(ratePoints).map((rate) => at(rate, context)));
      const shared = blend(counted, [channelWeight, ofChannel]);
      for (let rate = 0; rate < ratePoints; rate++) {
        blended[at(rate, context)] = blend(
          counts[at(rate, context)],
          [sharedWeight, shared],
          [sharedWeight, ofRate[rate]],
        );
      }
    }
  }
  const parts = blended.map((probabilities) => trimProbabilities(probabilities, -reach));
  return tablesFromProbabilities(
    parts.map(({ probabilities }) => probabilities),
    parts.map(({ firstSymbol }) => firstSymbol),
  );
}

/**
 * Contexts of hyper-latents and their tables.
 *
 * @param model whose hyper-latents they are; its own tables are what is believed where little was seen
 * @param samples of many photographs, spread over the qualities
 * @throws UsageError for no samples, or a number of contexts that is out of range
 * @example
 * const tables = { ...model.tables, ...fitHyperContexts(model, samples) };
 */
export function fitHyperContexts(
  model: ModelParts,
  samples: readonly HyperLatentSample[],
  options: HyperContextOptions = {},
): Pick<Required<EntropyTables>, 'hyperContexts' | 'hyperLatents'> {
  const { config } = model;
  const contexts = options.contexts ?? defaultHyperContextOptions.contexts;
  const most = Math.min(
    mostContexts,
    Math.floor(mostHyperTables / (config.ratePoints * config.hyperLatents)),
  );
  if (!(Number.isInteger(contexts) && contexts >= 2 && contexts <= most)) {
    throw new UsageError(`contexts: expected 2 to ${most}, got ${contexts}`);
  }
  if (samples.length === 0)
    throw new UsageError('hyper-latents: expected those of a picture at least, got none');
  const channels = config.hyperLatents;
  const weights = fitWeights(config, samples);
  const places = samples.reduce((sum, { values }) => sum + values.length / channels, 0);
  const predictions = Array.from({ length: channels }, () => new Float64Array(places));
  let place = 0;
  for (const { values, width } of samples) {
    visitPredictions(values, { channels, width, weights }, (_, channel, prediction) => {
      predictions[channel][place] = prediction;
      if (channel === channels - 1) place++;
    });
  }
  const hyperContexts = { weights, thresholds: fitThresholds(channels, predictions, contexts) };
  const counts = Array.from(
    { length: config.ratePoints * channels * contexts },
    () => new Float64Array(2 * reach + 1),
  );
  for (const { values, width, ratePoint } of samples) {
    const space = { channels, width, contexts: hyperContexts, firstRow: ratePoint * channels };
    visitHyperLatents(values, space, (n, table) => {
      if (Math.abs(values[n]) <= reach) counts[table][values[n] + reach]++;
    });
  }
  return { hyperContexts, hyperLatents: blendedTables(model, counts, contexts) };
}
