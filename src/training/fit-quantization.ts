/** Fits everything of a quantizer that is measured on its own output: first its tables, then its offsets. */
import type { EntropyModel } from '../../codec/entropy-model.js';
import type { ModelParts } from '../../codec/model/model-file.js';
import type { Quantization } from '../../codec/quantizers/registry.js';
import {
  type ExpectedError,
  fitOffsets,
  habitualErrors,
  type OffsetOptions,
  roundingErrors,
  withoutOffsets,
} from './fit-offsets.js';
import { type AnalysedPicture, type FitOptions, fitTables } from './fit-tables.js';

/** Photographs to fit on, and what the synthesis expects of values. */
export interface FitSet {
  readonly pictures: readonly AnalysedPicture[];
  readonly expected: ExpectedError;
  /** Whether it expects rounded latents, which then stay as they are. */
  readonly expectsRounding: boolean;
}

/** Pictures to fit a model's quantizers on; the model says what its synthesis was trained on. */
export function fitSet(
  entropy: EntropyModel,
  { tables, habits }: Pick<ModelParts, 'tables' | 'habits'>,
  pictures: readonly AnalysedPicture[],
): FitSet {
  const expected = habits ? habitualErrors(habits) : roundingErrors(entropy, tables.scales, pictures);
  return { pictures, expected, expectsRounding: habits === undefined };
}

export interface FitQuantizationOptions extends FitOptions, OffsetOptions {
  /** Whether values are moved at all (default true); otherwise they stay where the grid has them. */
  readonly offsets?: boolean;
}

/**
 * The quantization with tables and offsets fitted to its own output. Rounding keeps its values where the synthesis was
 * trained on them.
 *
 * @example
 * const set = fitSet(coder.entropy, coder.model, pictures);
 * const fitted = fitQuantization(coder.entropy, quantizationOf(coder.model, 'tcq8'), set);
 */
export function fitQuantization(
  entropy: EntropyModel,
  quantization: Quantization,
  { pictures, expected, expectsRounding }: FitSet,
  options: FitQuantizationOptions = {},
): Quantization {
  if (options.offsets === false) {
    return fitTables(entropy, withoutOffsets(quantization), pictures, options);
  }
  const fitted = fitTables(entropy, quantization, pictures, options);
  return fitted.quantizer.name === 'round' && expectsRounding
    ? withoutOffsets(fitted)
    : fitOffsets(entropy, fitted, expected, pictures, options);
}
