/** Fits everything of a quantizer that is measured on its own output: first its tables, then its offsets. */
import type { EntropyModel } from '../../codec/entropy-model.js';
import type { Quantization } from '../../codec/quantizers/registry.js';
import { fitOffsets, type OffsetOptions, roundingErrors } from './fit-offsets.js';
import { type AnalysedPicture, type FitOptions, fitTables } from './fit-tables.js';

/** Photographs to fit on, and what rounding does to them. */
export interface FitSet {
  readonly pictures: readonly AnalysedPicture[];
  readonly rounding: Float64Array;
}

/** @param scales number of the model's scale indices */
export const fitSet = (
  entropy: EntropyModel,
  scales: number,
  pictures: readonly AnalysedPicture[],
): FitSet => ({ pictures, rounding: roundingErrors(entropy, scales, pictures) });

/**
 * The quantization with tables and offsets fitted to its own output. Rounding keeps its values: the synthesis was trained
 * on them.
 *
 * @example
 * const set = fitSet(coder.entropy, coder.model.tables.scales, pictures);
 * const fitted = fitQuantization(coder.entropy, quantizationOf(coder.model, 'tcq8'), set);
 */
export function fitQuantization(
  entropy: EntropyModel,
  quantization: Quantization,
  { pictures, rounding }: FitSet,
  options: FitOptions & OffsetOptions = {},
): Quantization {
  const fitted = fitTables(entropy, quantization, pictures, options);
  return fitted.quantizer.name === 'round'
    ? { ...fitted, offsets: new Float32Array(fitted.offsets.length) }
    : fitOffsets(entropy, fitted, rounding, pictures, options);
}
