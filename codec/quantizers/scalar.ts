/**
 * Scalar quantizers: rounding, rounding with a dead zone, and rate-distortion optimised quantization (RDOQ). Their
 * integers mean the same to a decoder, so all three decode alike.
 */
import type { TableSet } from '../entropy/index.js';
import type { LatentQuantizer } from './quantizer.js';

const dequantize = (indices: Int32Array): Float32Array => Float32Array.from(indices);

/** Nearest integer. */
export const roundQuantizer: LatentQuantizer = {
  name: 'round',
  quantize: ({ residuals }) => Int32Array.from(residuals, Math.round),
  dequantize,
};

/** Part of a step that is added before magnitudes are cut; 0.5 would be rounding. Best of those tried on validation. */
const deadZoneOffset = 0.48;

/** Magnitudes are rounded towards zero by an offset: cheap, and right for peaked distributions. */
export const deadZoneQuantizer: LatentQuantizer = {
  name: 'deadzone',
  quantize: ({ residuals }) =>
    Int32Array.from(residuals, (r) => Math.sign(r) * Math.floor(Math.abs(r) + deadZoneOffset)),
  dequantize,
};

/** Bits of coding `value`; cheap for values of the table, exact for escapes. */
function bitsOf(tables: TableSet, costs: Float32Array, table: number, value: number): number {
  const position = value - tables.firstSymbols[table];
  if (position >= 0 && position < tables.sizes[table] - 1) return costs[tables.offsets[table] + position];
  return tables.bits(table, value);
}

/**
 * For each latent the best of: the nearest integer, its neighbour towards zero, and zero. Latents do not influence each
 * other's tables within a pass, so the greedy choice is the best one for the pass.
 */
export const rateDistortionQuantizer: LatentQuantizer = {
  name: 'rdoq',
  quantize: ({ residuals, tableIndices, tables, lagrangian }) => {
    const costs = tables.costs;
    const indices = new Int32Array(residuals.length);
    for (let n = 0; n < residuals.length; n++) {
      const residual = residuals[n];
      const nearest = Math.round(residual);
      if (nearest === 0) continue;
      const table = tableIndices[n];
      const price = (k: number): number => (residual - k) ** 2 + lagrangian * bitsOf(tables, costs, table, k);
      let best = nearest;
      let least = price(nearest);
      const inner = nearest - Math.sign(nearest);
      for (const candidate of inner === 0 ? [0] : [inner, 0]) {
        const cost = price(candidate);
        if (cost < least) [best, least] = [candidate, cost];
      }
      indices[n] = best;
    }
    return indices;
  },
  dequantize,
};
