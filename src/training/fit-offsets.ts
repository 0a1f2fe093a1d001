/**
 * Fits what values are moved away from zero by (codec/quantizers/dequantize.ts).
 *
 * The synthesis was trained on rounded latents, so it takes a value v to stand for the mean of the latents that round to
 * it, which is nearer to zero than v. A quantizer that weighs bits leaves other latents to v. Its offset makes the
 * synthesis take v for the mean of what the quantizer really leaves to it:
 *
 *     offset(v) = mean(|latent| - v, of this quantizer) - shrinkage * mean(|latent| - v, of rounding)
 *
 * Both means are measured, per scale index. The first alone (shrinkage 0), right for a synthesis without such habits,
 * costs 4 % in pictures; see docs/TRAINING.md, "Quantizers". Units: latents.
 */
import { scaleTable } from '../../codec/entropy/index.js';
import type { CodedPass, EntropyModel } from '../../codec/entropy-model.js';
import { normalParts } from '../../codec/model/latent-tables.js';
import { leastScale, mostScale } from '../../codec/networks/rate-tables.js';
import { offsetColumns } from '../../codec/quantizers/dequantize.js';
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
  const plain = { ...quantization, offsets: new Float32Array(columns) };
  for (const { area, height, width, rate } of pictures) {
    entropy.encode(area, height, width, rate, plain, { pass });
  }
  return {
    errors: errors.map((sum, column) => sum / (counts[column] + priorWeight)),
    values: values.map((sum, column) => sum / Math.max(1, counts[column])),
  };
}

/**
 * What rounding does to latents, as offsets are fitted against.
 *
 * @param scales number of scale indices
 * @param pictures as for `fitOffsets`
 */
export function roundingErrors(
  entropy: EntropyModel,
  scales: number,
  pictures: readonly AnalysedPicture[],
  priorWeight: number = defaultOffsetOptions.priorWeight,
): Float64Array {
  const parts = normalParts('round', scaleTable(scales, leastScale, mostScale), 1, 0);
  const rounding = { quantizer: quantizerOf('round'), ...parts };
  return measureErrors(entropy, rounding, pictures, priorWeight).errors;
}

/** The mean error of rounding at a value between its own, which are 1, 2, ..., by straight lines. */
function roundingErrorAt(rounding: Float64Array, scale: number, value: number): number {
  const position = Math.min(Math.max(value, 1), offsetColumns) - 1;
  const lower = Math.min(Math.floor(position), offsetColumns - 2);
  const [a, b] = rounding.subarray(offsetColumns * scale + lower, offsetColumns * scale + lower + 2);
  const part = position - lower;
  // Exact at both ends, so that rounding itself gets no offsets.
  return (1 - part) * a + part * b;
}

/**
 * The quantization with offsets fitted to its own output.
 *
 * @param rounding of `roundingErrors`
 * @param pictures latents of many photographs at many qualities; none that anything is measured on
 */
export function fitOffsets(
  entropy: EntropyModel,
  quantization: Quantization,
  rounding: Float64Array,
  pictures: readonly AnalysedPicture[],
  options: OffsetOptions = {},
): Quantization {
  const { shrinkage, priorWeight } = { ...defaultOffsetOptions, ...options };
  const { errors, values } = measureErrors(entropy, quantization, pictures, priorWeight);
  const columnsPerScale = offsetColumns * (quantization.quantizer.machine ? 2 : 1);
  const offsets = Float32Array.from(errors, (error, column) => {
    if (error === 0) return 0;
    return (
      error - shrinkage * roundingErrorAt(rounding, Math.floor(column / columnsPerScale), values[column])
    );
  });
  return { ...quantization, offsets };
}
