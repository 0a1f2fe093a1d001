/**
 * The one interface of all quantizers of latents. A quantizer sees the latents of one context pass of one tile in coding
 * order, mean removed, in units of the quantization step, and chooses the integers to code; `dequantize` turns those
 * into values, on both sides, with correctly rounded operations only.
 *
 * Rate-aware quantizers minimise  sum of (residual - value)^2 + lagrangian * bits  with the tables that code the file.
 */
import { UsageError } from '../../src/errors.js';
import type { TableSet } from '../entropy/index.js';
import type { QuantizerName } from '../format/index.js';
import { deadZoneQuantizer, rateDistortionQuantizer, roundQuantizer } from './scalar.js';

export interface QuantizationTask {
  /** Latents minus their means, in steps. */
  readonly residuals: Float32Array;
  /** Table of each latent. */
  readonly tableIndices: Uint8Array;
  readonly tables: TableSet;
  /** Price of a bit in squared steps; quantizers that ignore the rate ignore it. */
  readonly lagrangian: number;
}

export interface LatentQuantizer {
  readonly name: QuantizerName;
  /** Integers to code, one per residual. */
  quantize(task: QuantizationTask): Int32Array;
  /** Values of the integers, in steps. */
  dequantize(indices: Int32Array): Float32Array;
}

const quantizers: readonly LatentQuantizer[] = [roundQuantizer, deadZoneQuantizer, rateDistortionQuantizer];

/** Names of the quantizers that this version has. */
export const quantizerNames: readonly string[] = quantizers.map((quantizer) => quantizer.name);

/** Price of a bit that did best on the validation set for `rdoq` (docs/TRAINING.md, "Quantizers"). */
export const defaultLagrangian = 0.02;

/** The quantizer of that name; UsageError with the known names otherwise. */
export function quantizerOf(name: string): LatentQuantizer {
  const found = quantizers.find((quantizer) => quantizer.name === name);
  if (!found) throw new UsageError(`quantizer: expected one of ${quantizerNames.join(', ')}, got ${name}`);
  return found;
}
