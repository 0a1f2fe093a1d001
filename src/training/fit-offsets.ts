/**
 * Fits what values are moved away from zero by (codec/quantizers/dequantize.ts).
 *
 * The synthesis was trained on latents rounded to their nearest step, so it takes a value v to stand for the mean of the
 * latents that round to it, which is nearer to zero than v. A quantizer that weighs bits leaves other latents to v. Its
 * offset makes the synthesis take v for the mean of what the quantizer really leaves to it:
 *
 *     offset = mean(|latent| - v) - shrinkage * (mean of a normal variable between v - 1/2 and v + 1/2, minus v)
 *
 * The mean alone (shrinkage 0) would be right for a synthesis without such habits, and costs 4 % in the pictures of one
 * that has them; see docs/TRAINING.md, "Quantizers", for what was measured. Units: latents.
 */
import { normalTail, scaleTable } from '../../codec/entropy/index.js';
import type { CodedPass, EntropyModel } from '../../codec/entropy-model.js';
import { leastScale, mostScale } from '../../codec/networks/rate-tables.js';
import { offsetColumns } from '../../codec/quantizers/dequantize.js';
import type { Quantization } from '../../codec/quantizers/registry.js';
import { gridIntegers } from '../../trellis/index.js';
import type { AnalysedPicture } from './fit-tables.js';

export interface OffsetOptions {
  /** How far the synthesis is taken to have the habits of rounding, 0 to 1 (default 1). */
  readonly shrinkage?: number;
  /** Observations of no offset that are added to each, so that rare ones stay near zero (default 32). */
  readonly priorWeight?: number;
}

export const defaultOffsetOptions = Object.freeze({ shrinkage: 1, priorWeight: 32 });

/** Masses below this are too far out for a ratio of them to mean anything. */
const leastMass = 1e-12;

/**
 * Mean of a normal variable of that standard deviation between value - 1/2 and value + 1/2, minus the value; 0 or less
 * for values above 0.
 *
 * @example
 * roundingShift(100, 1).toFixed(6); // => "-0.000008"
 * roundingShift(0.5, 1).toFixed(2); // => "-0.24"
 */
export function roundingShift(sigma: number, value: number): number {
  const [from, to] = [(value - 0.5) / sigma, (value + 0.5) / sigma];
  const mass = normalTail(from) - normalTail(to);
  if (mass < leastMass) return -0.5;
  const density = (x: number): number => Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
  return (sigma * (density(from) - density(to))) / mass - value;
}

/**
 * The quantization with offsets fitted to its own output.
 *
 * @param pictures latents of many photographs at many qualities; none that anything is measured on
 */
export function fitOffsets(
  entropy: EntropyModel,
  quantization: Quantization,
  pictures: readonly AnalysedPicture[],
  options: OffsetOptions = {},
): Quantization {
  const { shrinkage, priorWeight } = { ...defaultOffsetOptions, ...options };
  const { machine } = quantization.quantizer;
  const { step, tables } = quantization;
  const tablesPerScale = machine ? 2 : 1;
  const scales = scaleTable(tables.count / tablesPerScale, leastScale, mostScale);
  const sums = new Float64Array(offsetColumns * tables.count);
  const counts = new Float64Array(sums.length).fill(priorWeight);
  /** By table and multiple of the step: the same few come again and again. */
  const shifts = new Map<number, number>();
  const shiftOf = (table: number, multiple: number): number => {
    const key = multiple * tables.count + table;
    let shift = shifts.get(key);
    if (shift === undefined) {
      shift = roundingShift(scales[Math.floor(table / tablesPerScale)], multiple * step);
      shifts.set(key, shift);
    }
    return shift;
  };
  const pass = ({ residuals, indices, tableIndices }: CodedPass): void => {
    const grid = machine ? gridIntegers(indices, { machine }) : indices;
    for (let n = 0; n < indices.length; n++) {
      if (indices[n] === 0) continue;
      const [table, multiple] = [tableIndices[n], Math.abs(grid[n])];
      const column = offsetColumns * table + Math.min(Math.abs(indices[n]), offsetColumns) - 1;
      const error = Math.sign(indices[n]) * residuals[n] - multiple * step;
      sums[column] += error - shrinkage * shiftOf(table, multiple);
      counts[column]++;
    }
  };
  const without = { ...quantization, offsets: new Float32Array(sums.length) };
  for (const { area, height, width, rate } of pictures) {
    entropy.encode(area, height, width, rate, without, { pass });
  }
  return { ...quantization, offsets: Float32Array.from(sums, (sum, column) => sum / counts[column]) };
}
