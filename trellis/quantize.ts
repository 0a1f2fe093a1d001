/**
 * Trellis-coded quantization for callers: checks, then the fastest search that takes the machine. Decisions do not
 * depend on which one that is, nor on the computer.
 */
import { trellisForm } from './butterflies.js';
import { checkedTask, type TrellisTask } from './task.js';
import { hasKernel, searchWasm } from './viterbi.js';
import { type SearchResult, searchIntegers } from './viterbi-integer.js';

/**
 * The indices with the least weighted squared error plus Lagrangian times bits, and that cost.
 *
 * @throws UsageError for lengths that differ, numbers that make no sense and latents that are NaN or beyond ±2^30 steps
 * @example
 * const tables = gaussianRates([2]);
 * const task = { latents: Float32Array.of(1.4, -3.1, 0.2), step: 0.5, lagrangian: 0.05, tables };
 * Array.from(searchTrellis(task).indices); // => [1, -3, 0]
 */
export function searchTrellis(task: TrellisTask): SearchResult {
  const checked = checkedTask(task);
  return hasKernel(trellisForm(checked.machine)) ? searchWasm(checked) : searchIntegers(checked);
}

/**
 * The indices with the least weighted squared error plus Lagrangian times bits.
 *
 * @throws UsageError as `searchTrellis`
 * @example
 * const tables = gaussianRates([2]);
 * const latents = Float32Array.of(1.4, -3.1, 0.2);
 * const indices = quantizeTrellis({ latents, step: 0.5, lagrangian: 0.05, tables });
 * Array.from(dequantizeTrellis(indices, { step: 0.5 })); // => [1, -3, 0]
 */
export function quantizeTrellis(task: TrellisTask): Int32Array {
  return searchTrellis(task).indices;
}
