/**
 * FP4 training: E2M1 values forward; for weights a differentiable gradient estimator (DGE) backward, for activations
 * the straight-through rule and outliers that are clamped off and added again in full precision (OCC).
 *
 * The estimator replaces each step of the staircase by a power curve whose derivative is, in an interval [lo, lo + d] of
 * the grid with x' = x - lo, f'(x) = |2 x' / d - 1|^(1/k - 1) / k, clipped at 3; k = 5. Outside [-6, 6] it is 0 (the
 * released kernel continues below -6 only; scales keep weights inside). Scales are constants to the gradient.
 * Source: Wang et al., Optimizing Large Language Model Training Using FP4 Quantization (arXiv 2501.17116); Azure/MS-AMP.
 */
import { UsageError } from '../../errors.js';
import {
  abs,
  add,
  div,
  exp,
  greaterEqual,
  log,
  maximum,
  minimum,
  mul,
  neg,
  type Operand,
  stopGradient,
  sub,
  type Tensor,
} from '../../graph/index.js';
import { floorLog2, powerOfTwo } from '../rounding.js';
import { e2m1Levels, largestE2m1 } from '../small-floats.js';
import { greater, largestAlongRows, surrogate } from './surrogate.js';

/** Where values half-way between two E2M1 numbers go: to the even code, as in hardware, or up, as in the released code. */
export type Ties = 'even' | 'up';

const magnitudes = Array.from(e2m1Levels.subarray(0, 8));

/** Steps between neighbouring magnitudes: where they lie and how high they are. */
const steps = magnitudes.slice(1).map((level, k) => ({
  code: k + 1,
  level,
  gap: level - magnitudes[k],
  threshold: (level + magnitudes[k]) / 2,
}));

const total = ([first, ...others]: readonly Tensor[]): Tensor =>
  others.reduce((sum, part) => add(sum, part), first);

/**
 * The nearest E2M1 values of numbers already scaled; magnitudes above 6 become 6. No gradient.
 *
 * @example
 * const x = new Graph().input('x', [4]);
 * const feeds = { x: [2.5, 0.25, -0.25, 7] };
 * Array.from(evaluate({ y: float4Grid(x, 'up') }, feeds).y); // => [3, 0.5, 0, 6]
 */
export function float4Grid(x: Tensor, ties: Ties = 'even'): Tensor {
  const u = stopGradient(x);
  return total(
    steps.map(({ code, gap, threshold }) => {
      const takesTie = ties === 'up' || code % 2 === 0;
      const rising = takesTie ? greaterEqual(u, threshold) : greater(u, threshold);
      // Up means towards +infinity, so that a negative number on a threshold stays nearer to zero.
      const fallsOnTie = ties === 'even' && code % 2 === 0;
      const falling = fallsOnTie ? greaterEqual(neg(u), threshold) : greater(neg(u), threshold);
      return mul(sub(rising, falling), gap);
    }),
  );
}

/** Largest slope of the estimator. */
const steepest = 3;

/**
 * Slope of the estimator at numbers already scaled. No gradient.
 *
 * @param k larger is nearer to the staircase and less stable
 * @throws UsageError unless k is more than 1
 */
export function float4Slope(x: Tensor, k = 5): Tensor {
  if (!(k > 1)) throw new UsageError(`fp4: expected an exponent k above 1, got ${k}`);
  const size = abs(stopGradient(x));
  const start = total(steps.map(({ level, gap }) => mul(greaterEqual(size, level), gap)));
  const width = add(add(mul(greaterEqual(size, 4), 1), mul(greaterEqual(size, 2), 0.5)), 0.5);
  const position = abs(sub(div(mul(sub(size, start), 2), width), 1));
  // Below this distance from the step the slope is clipped; no power of zero is taken.
  const nearest = (steepest * k) ** (1 / (1 / k - 1));
  const slope = mul(exp(mul(log(maximum(position, nearest)), 1 / k - 1)), 1 / k);
  return mul(slope, greaterEqual(largestE2m1, size));
}

/**
 * The factor that brings a largest magnitude to the top of the grid: 6 / largest, or with `powerOfTwo` the power of two
 * below it, as the released code has it; 1 for a largest magnitude of 0.
 *
 * @example
 * [float4Factor(0.4001, true), float4Factor(3), float4Factor(0)]; // => [8, 2, 1]
 */
export function float4Factor(largest: number, isPowerOfTwo = false): number {
  if (largest === 0) return 1;
  const factor = largestE2m1 / largest;
  return isPowerOfTwo ? powerOfTwo(floorLog2(factor)) : factor;
}

export interface Float4Options {
  /** Factor before rounding, broadcast to the tensor; from the largest magnitude along the last axis by default. */
  readonly factor?: Operand;
  readonly ties?: Ties;
  /** Exponent of the gradient estimator. */
  readonly k?: number;
}

/** Factors of the rows; rows of zeros get a finite one, which they do not feel. */
const rowFactor = (x: Tensor): Tensor =>
  div(x.graph.scalar(largestE2m1), maximum(largestAlongRows(abs(x)), 1e-30));

/**
 * Weights as FP4, with the differentiable gradient estimator. Rows are the last axis.
 *
 * @example
 * const y = float4Weights(new Graph().input('w', [1, 3]));
 * Array.from(evaluate({ y }, { w: [3, -0.6, 0.1] }).y); // => [3, -0.5, 0]
 */
export function float4Weights(w: Tensor, { factor, ties, k }: Float4Options = {}): Tensor {
  const used = factor ?? rowFactor(w);
  const u = mul(stopGradient(w), used);
  return surrogate(div(float4Grid(u, ties), used), [[w, float4Slope(u, k)]]);
}

/** Bounds of what is no outlier. */
export interface OutlierBounds {
  readonly low: number;
  readonly high: number;
}

/**
 * Bounds by quantiles 1 - alpha and alpha of the values, as sorted entries floor((1 - alpha) n) and floor(alpha n).
 *
 * @param alpha 0.5 .. 1
 * @throws UsageError for another alpha or no values
 * @example
 * outlierBounds(Float32Array.from({ length: 100 }, (_, k) => k), 0.75); // => {"low":25,"high":75}
 */
export function outlierBounds(values: Float32Array, alpha = 0.99): OutlierBounds {
  if (!(alpha >= 0.5 && alpha <= 1) || values.length === 0) {
    throw new UsageError(
      `outliers: expected a quantile from 0.5 to 1 and values, got ${alpha} of ${values.length}`,
    );
  }
  const sorted = values.slice().sort();
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
  return { low: at(1 - alpha), high: at(alpha) };
}

export interface ClampedOutliers {
  readonly clamped: Tensor;
  /** What clamping took away: zero nearly everywhere, to be added in full precision. */
  readonly residual: Tensor;
}

/** Splits activations into what lies within the bounds and the rest; together they are x, gradients included. */
export function clampOutliers(x: Tensor, low: Operand, high: Operand): ClampedOutliers {
  const clamped = minimum(maximum(x, low), high);
  return { clamped, residual: sub(x, clamped) };
}

/**
 * Activations as FP4 with outliers compensated: FP4 of what lies within the bounds plus the rest; straight-through.
 * Rows (tokens) are the last axis.
 */
export function float4Activations(
  x: Tensor,
  low: Operand,
  high: Operand,
  { factor, ties }: Omit<Float4Options, 'k'> = {},
): Tensor {
  const { clamped, residual } = clampOutliers(x, low, high);
  const used = factor ?? rowFactor(clamped);
  const rounded = div(float4Grid(mul(stopGradient(clamped), used), ties), used);
  return add(surrogate(rounded, [[clamped, 1]]), residual);
}
