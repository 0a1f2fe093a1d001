/**
 * The quantizers that this version has, by name, and how one is set up for a model: with the tables, the step and the
 * price of a bit that the model has for it.
 */
import { UnsupportedError, UsageError } from '../../src/errors.js';
import type { QuantizerName } from '../format/index.js';
import type { ModelParts, QuantizerParts } from '../model/model-file.js';
import type { LatentQuantizer } from './quantizer.js';
import { deadZoneQuantizer, rateDistortionQuantizer, roundQuantizer } from './scalar.js';
import { trellisQuantizers } from './trellis.js';

/** All quantizers, from the fastest to the one with the smallest files. */
export const quantizers: readonly LatentQuantizer[] = [
  roundQuantizer,
  deadZoneQuantizer,
  rateDistortionQuantizer,
  ...trellisQuantizers,
];

/** Names of the quantizers that this version has. */
export const quantizerNames: readonly QuantizerName[] = quantizers.map(({ name }) => name);

/** The quantizer of that name; UsageError with the known names otherwise. */
export function quantizerOf(name: string): LatentQuantizer {
  const found = quantizers.find((quantizer) => quantizer.name === name);
  if (!found) throw new UsageError(`quantizer: expected one of ${quantizerNames.join(', ')}, got ${name}`);
  return found;
}

/** A quantizer with everything that coding with it takes. */
export interface Quantization extends QuantizerParts {
  readonly quantizer: LatentQuantizer;
}

/**
 * A quantizer as a model has it.
 *
 * @param lagrangian another price of a bit than the model's, in squared latents; only encoders look at it
 * @throws UsageError for an unknown name or a price that is no number of at least 0, UnsupportedError where the model has
 *   no tables for the quantizer
 * @example
 * quantizationOf(await loadModel('base'), 'tcq8').quantizer.machine?.states; // 8
 */
export function quantizationOf(model: ModelParts, name: string, lagrangian?: number): Quantization {
  const quantizer = quantizerOf(name);
  const parts = model.tables.quantizers.get(quantizer.name);
  if (!parts) {
    const present = [...model.tables.quantizers.keys()].join(', ');
    throw new UnsupportedError(`quantizer: expected one that the model has (${present}), got ${name}`);
  }
  const price = lagrangian ?? parts.lagrangian;
  if (!(price >= 0 && price < Number.POSITIVE_INFINITY)) {
    throw new UsageError(`lagrangian: expected a number of at least 0, got ${price}`);
  }
  return { quantizer, ...parts, lagrangian: price };
}
