/**
 * ParetoQ's functions with their gradients: elastic binary (1 bit), stretched elastic (SEQ; 1.58 and 2 bits), LSQ (3 and
 * 4 bits). Weights [rows, columns], alpha [rows, 1]; schemes/paretoq.ts has the levels and where alpha starts.
 *
 * Gradients, u = w / alpha: the weight gets g where |u| <= 0.99 (SEQ) or 1 (binary) or u lies in the range (LSQ), else
 * 0; alpha gets the row's sum of g * c / sqrt(count * Q), c = sign(w) (binary), else level - u inside and an end level
 * outside. The end levels of SEQ are those of the released code: 3/4 at 2 bits, and 1 at 1.58 bits although the
 * largest level is 2/3. Binary zeros stay zero here; the scheme's codes make them +1.
 * Source: Liu et al., ParetoQ (arXiv 2502.02631) and its released code.
 */
import { UsageError } from '../../errors.js';
import {
  add,
  div,
  maximum,
  minimum,
  mul,
  sign,
  sizeOf,
  stopGradient,
  straightThroughRound,
  sub,
  type Tensor,
} from '../../graph/index.js';
import { type ParetoqGrid, paretoqGrids } from '../schemes/paretoq.js';
import { learnedStep, stepSlope, usedStep } from './learned-step.js';
import { surrogate, within } from './surrogate.js';

/** Slopes of alpha beyond the range of SEQ, by bits. */
const stretchedEnds: ReadonlyMap<number, number> = new Map([
  [1.58, 1],
  [2, 0.75],
]);

function elasticBinary(w: Tensor, alpha: Tensor): Tensor {
  const used = usedStep(alpha);
  const signs = sign(stopGradient(w));
  const u = div(stopGradient(w), used);
  return surrogate(mul(signs, used), [
    [w, within(u, -1, 1)],
    [alpha, mul(signs, 1 / Math.sqrt(sizeOf(w.shape)))],
  ]);
}

function stretched(w: Tensor, alpha: Tensor, { shift, perUnit, clip }: ParetoqGrid, end: number): Tensor {
  const used = usedStep(alpha);
  const u = div(stopGradient(w), used);
  const clipped = minimum(maximum(u, -clip), clip);
  const level = div(add(straightThroughRound(sub(mul(clipped, perUnit), shift)), shift), perUnit);
  const slope = stepSlope(u, level, [-clip, clip], [-end, end]);
  return surrogate(mul(level, used), [
    [w, within(u, -clip, clip)],
    [alpha, mul(slope, 1 / Math.sqrt(sizeOf(w.shape)))],
  ]);
}

/**
 * Weights as ParetoQ quantizes them.
 *
 * @param bits 1, 1.58, 2, 3 or 4
 * @throws UsageError for other bits
 * @example
 * const graph = new Graph();
 * const y = paretoq(graph.input('w', [1, 3]), graph.input('alpha', [1, 1]), 2);
 * Array.from(evaluate({ y }, { w: [0.6, 0.49, -2], alpha: [1] }).y); // => [0.75, 0.25, -0.75]
 */
export function paretoq(w: Tensor, alpha: Tensor, bits: number): Tensor {
  const grid = paretoqGrids.get(bits);
  if (!grid) throw new UsageError(`paretoq: expected bits among ${[...paretoqGrids.keys()]}, got ${bits}`);
  if (bits === 1) return elasticBinary(w, alpha);
  const end = stretchedEnds.get(bits);
  return end === undefined ? learnedStep(w, alpha, grid) : stretched(w, alpha, grid, end);
}
