/**
 * Fits what values are moved away from zero by (codec/quantizers/dequantize.ts).
 *
 * The synthesis was trained on rounded latents, so it takes a value v to stand for the mean of the latents that round to
 * it, which is nearer to zero than v. A quantizer that weighs bits leaves other latents to v. Its offset makes the
 * synthesis take v for the mean of what the quantizer really leaves to it:
 *
 *     offset(v) = mean(|latent| - v, of this quantizer) - shrinkage * mean(|latent| - v, of rounding)
 *
 * A synthesis that was fine-tuned on another quantizer's values has other habits, which the model keeps; they then stand
 * for rounding's errors. Both means are measured, per scale index. The first alone (shrinkage 0), right for a synthesis without such habits,
 * costs 4 % in pictures; see docs/TRAINING.md, "Quantizers". Units: latents.
 */
import { scaleTable } from '../../codec/entropy/index.js';
import type { CodedPass, EntropyModel } from '../../codec/entropy-model.js';
import { normalParts } from '../../codec/model/latent-tables.js';
import { habitColumns, habitSpacing } from '../../codec/model/model-file.js';
import { leastScale, mostScale } from '../../codec/networks/rate-tables.js';
import { dequantizeLatents, offsetColumns } from '../../codec/quantizers/dequantize.js';
import { type Quantization, quantizerOf } from '../../codec/quantizers/registry.js';
import { gridIntegers } from '../../trellis/index.js';
import type { AnalysedPicture } from './fit-tables.js';

export interface OffsetOptions {
  /** How far the synthesis is taken to have the habits of rounding, 0 to 1 (default 1). */
  readonly shrinkage?: number;
  /** Observations of no error that are added to each mean, so that rare ones stay near zero (default 32). */
  readonly priorWeight?: number;
}

export const defaultOffsetOptions = Object.freeze({ shrinkage: 1, priorWeight: 32 });

/** Means of |latent| - |value| by table and magnitude, and of the values themselves. */
interface ErrorMeans {
  readonly errors: Float64Array;
  readonly values: Float64Array;
}

/** The quantization with its values where the grid has them. */
export const withoutOffsets = (quantization: Quantization): Quantization => ({
  ...quantization,
  offsets: new Float32Array(quantization.offsets.length),
});

/** Measures a quantizer without offsets. */
function measureErrors(
  entropy: EntropyModel,
  quantization: Quantization,
  pictures: readonly AnalysedPicture[],
  priorWeight: number,
): ErrorMeans {
  const { quantizer, step, tables } = quantization;
  const { machine } = quantizer;
  const columns = offsetColumns * tables.count;
  const counts = new Float64Array(columns);
  const errors = new Float64Array(columns);
  const values = new Float64Array(columns);
  const pass = ({ residuals, indices, tableIndices }: CodedPass): void => {
    const grid = machine ? gridIntegers(indices, { machine }) : indices;
    for (let n = 0; n < indices.length; n++) {
      if (indices[n] === 0) continue;
      const column = offsetColumns * tableIndices[n] + Math.min(Math.abs(indices[n]), offsetColumns) - 1;
      const value = Math.abs(grid[n]) * step;
      errors[column] += Math.sign(indices[n]) * residuals[n] - value;
      values[column] += value;
      counts[column]++;
    }
  };
  const plain = withoutOffsets(quantization);
  for (const { area, height, width, rate } of pictures) {
    entropy.encode(area, height, width, rate, plain, { pass });
  }
  return {
    errors: errors.map((sum, column) => sum / (counts[column] + priorWeight)),
    values: values.map((sum, column) => sum / Math.max(1, counts[column])),
  };
}

/** Mean of |latent| - |value| that the synthesis takes for granted, for a scale index and a value before its offset. */
export type ExpectedError = (scale: number, value: number) => number;

/**
 * What a synthesis expects that was trained on rounded latents: the errors of rounding, at values between its own, which
 * are 1, 2, ..., by straight lines.
 *
 * @param scales number of scale indices
 * @param pictures as for `fitOffsets`
 */
export function roundingErrors(
  entropy: EntropyModel,
  scales: number,
  pictures: readonly AnalysedPicture[],
  priorWeight: number = defaultOffsetOptions.priorWeight,
): ExpectedError {
  const parts = normalParts('round', scaleTable(scales, leastScale, mostScale), 1, 0);
  const rounding = { quantizer: quantizerOf('round'), ...parts };
  const { errors } = measureErrors(entropy, rounding, pictures, priorWeight);
  return (scale, value) => between(errors, offsetColumns * scale, offsetColumns, value);
}

/** What a synthesis expects that was trained on other values: a model's habits (codec/model/model-file.ts). */
export const habitualErrors =
  (habits: Float32Array): ExpectedError =>
  (scale, value) =>
    between(habits, habitColumns * scale, habitColumns, value / habitSpacing);

/** Entry `position` (1, 2, ...) of `count` numbers, straight lines between them, and the first and last beyond. */
function between(
  numbers: Float64Array | Float32Array,
  start: number,
  count: number,
  position: number,
): number {
  const place = Math.min(Math.max(position, 1), count) - 1;
  const lower = Math.min(Math.floor(place), count - 2);
  const [a, b] = numbers.subarray(start + lower, start + lower + 2);
  const part = place - lower;
  // Exact at both ends, so that rounding itself gets no offsets.
  return (1 - part) * a + part * b;
}

/**
 * The habits of a synthesis that was trained on this quantization's values: the mean errors it leaves, by scale and
 * value before the offset. Values that do not occur have the error of the nearest one that does.
 *
 * @param pictures as for `fitOffsets`
 */
export function measureHabits(
  entropy: EntropyModel,
  quantization: Quantization,
  pictures: readonly AnalysedPicture[],
  priorWeight: number = defaultOffsetOptions.priorWeight,
): Float32Array {
  const { machine } = quantization.quantizer;
  const perScale = machine ? 2 : 1;
  const size = (quantization.tables.count / perScale) * habitColumns;
  const [counts, errors] = [new Float64Array(size), new Float64Array(size)];
  const plain = withoutOffsets(quantization);
  const pass = ({ residuals, indices, tableIndices }: CodedPass): void => {
    const values = dequantizeLatents(indices, tableIndices, quantization, machine);
    const unmoved = dequantizeLatents(indices, tableIndices, plain, machine);
    for (let n = 0; n < indices.length; n++) {
      if (indices[n] === 0) continue;
      const position = Math.round(Math.abs(unmoved[n]) / habitSpacing);
      const column = Math.min(Math.max(position, 1), habitColumns) - 1;
      const place = habitColumns * Math.floor(tableIndices[n] / perScale) + column;
      errors[place] += Math.sign(indices[n]) * (residuals[n] - values[n]);
      counts[place]++;
    }
  };
  for (const { area, height, width, rate } of pictures) {
    entropy.encode(area, height, width, rate, quantization, { pass });
  }
  const habits = new Float32Array(size);
  for (let place = 0; place < size; place++) {
    const start = place - (place % habitColumns);
    const nearest = nearestSeen(counts.subarray(start, start + habitColumns), place - start);
    if (nearest !== undefined)
      habits[place] = errors[start + nearest] / (counts[start + nearest] + priorWeight);
  }
  return habits;
}

/** The index nearest to `wanted` whose count is not 0; the smaller of two. */
function nearestSeen(counts: Float64Array, wanted: number): number | undefined {
  for (let distance = 0; distance < counts.length; distance++) {
    if (counts[wanted - distance] > 0) return wanted - distance;
    if (counts[wanted + distance] > 0) return wanted + distance;
  }
  return undefined;
}

/**
 * The quantization with offsets fitted to its own output.
 *
 * @param expected what the synthesis takes for granted
 * @param pictures latents of many photographs at many qualities; none that anything is measured on
 */
export function fitOffsets(
  entropy: EntropyModel,
  quantization: Quantization,
  expected: ExpectedError,
  pictures: readonly AnalysedPicture[],
  options: OffsetOptions = {},
): Quantization {
  const { shrinkage, priorWeight } = { ...defaultOffsetOptions, ...options };
  const { errors, values } = measureErrors(entropy, quantization, pictures, priorWeight);
  const columnsPerScale = offsetColumns * (quantization.quantizer.machine ? 2 : 1);
  const offsets = Float32Array.from(errors, (error, column) => {
    if (error === 0) return 0;
    return error - shrinkage * expected(Math.floor(column / columnsPerScale), values[column]);
  });
  return { ...quantization, offsets };
}
