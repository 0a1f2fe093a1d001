/**
 * What the tests of weight quantizers share: Gaussian weights from the linear congruential generator that the reference
 * numbers name, golden vectors, and quantizing there and back.
 */
import { readFileSync } from 'node:fs';
import type { QuantizedTensor, Scheme, SchemeOptions, WeightTensor } from '../../../src/weights/scheme.js';

/** Uniform numbers in (0, 1): s = 1664525 s + 1013904223 modulo 2^32, upper 24 bits. */
export function congruential(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return ((state >>> 8) + 0.5) / 2 ** 24;
  };
}

/** Normally distributed weights, mean 0, deviation 1 (Box and Muller). */
export function gaussianTensor(rows: number, columns: number, seed = 1, name = 'gaussian'): WeightTensor {
  const uniform = congruential(seed);
  const values = Float32Array.from(
    { length: rows * columns },
    () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()),
  );
  return { name, shape: [rows, columns], values };
}

/** A golden file of this folder's subject (test/golden/weights). */
export function golden<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../../golden/weights/${name}.json`, import.meta.url), 'utf8')) as T;
}

/** A matrix of a golden file as a tensor. */
export function tensorOf(matrix: readonly (readonly number[])[], name = 'golden'): WeightTensor {
  return { name, shape: [matrix.length, matrix[0].length], values: Float32Array.from(matrix.flat()) };
}

export interface RoundTrip {
  readonly quantized: QuantizedTensor;
  readonly bytes: Uint8Array;
  readonly values: Float32Array;
}

/** Quantizes, packs, unpacks and dequantizes. */
export function roundTrip(scheme: Scheme, tensor: WeightTensor, options?: SchemeOptions): RoundTrip {
  const quantized = scheme.quantize(tensor, options);
  const bytes = scheme.pack(quantized);
  const values = scheme.dequantize(scheme.unpack(bytes, tensor.name, tensor.shape));
  return { quantized, bytes, values };
}
