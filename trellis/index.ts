/**
 * Trellis-coded quantization (`trellis-codec/trellis`): quantize with a search, dequantize with a table look-up. Knows
 * nothing of images or networks; takes latents, weights or any other numbers whose indices are entropy coded after.
 *
 *     latents, step, Lagrangian, rate tables -> quantizeTrellis -> indices -> any entropy coder
 *     indices -> dequantizeTrellis (or TrellisState, index by index) -> values
 */
export * from './dequantize.js';
export * from './machines.js';
export * from './quantize.js';
export * from './rate-models.js';
export * from './rates.js';
export * from './reference.js';
export type { TrellisTask } from './task.js';
export type { SearchResult } from './viterbi-integer.js';
