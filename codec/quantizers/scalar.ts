/**
 * Scalar quantizers: rounding, rounding with a dead zone, and rate-distortion optimised quantization (RDOQ). Their
 * integers mean the same to a decoder: multiples of the step.
 */
import type { TableSet } from '../entropy/index.js';
import type { LatentQuantizer } from './quantizer.js';

/** Nearest multiple of the step. */
export const roundQuantizer: LatentQuantizer = {
  name: 'round',
  quantize: ({ residuals, step }) => Int32Array.from(residuals, (residual) => Math.round(residual / step)),
};

/** Bits that one more step of magnitude is taken to cost, about right for the peaked distributions of latents. */
const bitsPerStep = 2;

/**
 * Thresholds move away from zero by what a step of magnitude costs: as rate-distortion optimisation would, if every step
 * cost `bitsPerStep`. Needs no tables, so it is as fast as rounding.
 */
export const deadZoneQuantizer: LatentQuantizer = {
  name: 'deadzone',
  quantize: ({ residuals, step, lagrangian }) => {
    // (r - k)^2 + L k b has its thresholds at k + 1/2 + L b / 2, in steps.
    const offset = Math.max(0, 0.5 - (lagrangian * bitsPerStep) / (2 * step * step));
    return Int32Array.from(
      residuals,
      (residual) => Math.sign(residual) * Math.floor(Math.abs(residual) / step + offset),
    );
  },
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
  quantize: ({ residuals, scaleIndices, tables, step, lagrangian }) => {
    const costs = tables.costs;
    const pricePerBit = lagrangian / (step * step);
    const indices = new Int32Array(residuals.length);
    for (let n = 0; n < residuals.length; n++) {
      const residual = residuals[n] / step;
      const nearest = Math.round(residual);
      if (nearest === 0) continue;
      const table = scaleIndices[n];
      const price = (k: number): number =>
        (residual - k) ** 2 + pricePerBit * bitsOf(tables, costs, table, k);
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
};
