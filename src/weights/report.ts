/**
 * What quantization did to weights: errors, and bits with all overhead. Sums run in float64 in the order of the values.
 *
 * Units: SQNR in decibels, relative error as ||w - q|| / ||w||, bits per weight of everything that `pack` writes.
 */
import { UsageError } from '../errors.js';
import { schemeOf } from './registry.js';
import type { QuantizedTensor, Scheme, SchemeOptions, WeightTensor } from './scheme.js';

export interface QuantizationReport {
  readonly name: string;
  readonly scheme: string;
  readonly weights: number;
  readonly bits: number;
  readonly bitsPerWeight: number;
  /** Mean squared error. */
  readonly meanSquaredError: number;
  readonly relativeError: number;
  /** Signal to quantization noise ratio; infinite where nothing changed. */
  readonly sqnr: number;
  /** Of the angle between weights before and after; 1 where both are zero. */
  readonly cosine: number;
  readonly maximumError: number;
  /** Part of the weights that became zero. */
  readonly zeroFraction: number;
  /** Part of the weights beyond the largest magnitude that came back, so that they were clipped. */
  readonly saturation: number;
}

/** Errors of weights that came back. */
export type Distortion = Omit<QuantizationReport, 'name' | 'scheme' | 'bits' | 'bitsPerWeight'>;

/** Clipping below this part of the largest magnitude is rounding of the scale. */
const clippingTolerance = 1 + 2 ** -10;

/**
 * Compares weights before and after.
 *
 * @throws UsageError for different lengths
 * @example
 * distortionOf(Float32Array.of(3, 4), Float32Array.of(3, 3)).relativeError; // => 0.2
 */
export function distortionOf(before: Float32Array, after: Float32Array): Distortion {
  const weights = before.length;
  if (after.length !== weights) {
    throw new UsageError(`report: expected ${weights} weights after quantization, got ${after.length}`);
  }
  let errorEnergy = 0;
  let energy = 0;
  let energyAfter = 0;
  let product = 0;
  let maximumError = 0;
  let zeros = 0;
  let largestAfter = 0;
  for (let i = 0; i < weights; i++) {
    const error = Math.abs(before[i] - after[i]);
    if (error > maximumError) maximumError = error;
    errorEnergy += error * error;
    energy += before[i] * before[i];
    energyAfter += after[i] * after[i];
    product += before[i] * after[i];
    if (after[i] === 0) zeros++;
    if (Math.abs(after[i]) > largestAfter) largestAfter = Math.abs(after[i]);
  }
  let clipped = 0;
  for (let i = 0; i < weights; i++) {
    if (Math.abs(before[i]) > largestAfter * clippingTolerance) clipped++;
  }
  const share = (count: number): number => (weights === 0 ? 0 : count / weights);
  const bothZero = energy === 0 && energyAfter === 0;
  return {
    weights,
    meanSquaredError: share(errorEnergy),
    relativeError: errorEnergy === 0 ? 0 : Math.sqrt(errorEnergy / energy),
    sqnr: errorEnergy === 0 ? Number.POSITIVE_INFINITY : 10 * Math.log10(energy / errorEnergy),
    cosine: bothZero ? 1 : product / Math.sqrt(energy * energyAfter || 1),
    maximumError,
    zeroFraction: share(zeros),
    saturation: share(clipped),
  };
}

/**
 * The report of a tensor and its quantized form.
 *
 * @example
 * const tensor = { name: 'w', shape: [1, 4], values: Float32Array.of(7, -3, 0, 1) };
 * const { sqnr, bits } = reportOf(tensor, schemeOf('int4').quantize(tensor));
 * [1 / sqnr, bits]; // => [0, 80]
 */
export function reportOf(tensor: WeightTensor, quantized: QuantizedTensor): QuantizationReport {
  const distortion = distortionOf(tensor.values, schemeOf(quantized.scheme).dequantize(quantized));
  return {
    name: tensor.name,
    scheme: quantized.scheme,
    bits: quantized.bits,
    bitsPerWeight: distortion.weights === 0 ? 0 : quantized.bits / distortion.weights,
    ...distortion,
  };
}

/** Quantizes and reports in one go. */
export function measureScheme(
  scheme: Scheme,
  tensor: WeightTensor,
  options?: SchemeOptions,
): QuantizationReport {
  return reportOf(tensor, scheme.quantize(tensor, options));
}
