/**
 * Bit-shift quantization with a true derivative: a sum of logistic steps, one per level, that grows into the hard
 * function as the temperature rises (for instance from 2 to 200, geometrically, over a training). No straight-through rule.
 *
 *     f(x) = sum over levels of gap * (sigma(T (x - t) / gap) - sigma(T (-x - t) / gap))
 *
 * with gap the distance to the level below and t the threshold half-way. Every step has the peak slope T / 4.
 * Source: Badar (arXiv 2510.16088); the paper's own function could not be read, this is a reconstruction of the family, which
 * is also that of Quantization Networks (Yang et al., CVPR 2019).
 */
import {
  add,
  div,
  greaterEqual,
  mul,
  neg,
  type Operand,
  sigmoid,
  stopGradient,
  sub,
  type Tensor,
} from '../../graph/index.js';
import { shiftMagnitudes } from '../schemes/bit-shift.js';

interface Step {
  readonly gap: number;
  readonly threshold: number;
}

function stepsOf(bits: number): Step[] {
  const levels = shiftMagnitudes(bits);
  return Array.from(levels.subarray(1), (level, k) => ({
    gap: level - levels[k],
    threshold: (level + levels[k]) / 2,
  }));
}

function overSteps(bits: number, part: (step: Step) => Tensor): Tensor {
  const [first, ...others] = stepsOf(bits).map(part);
  return others.reduce((sum, step) => add(sum, step), first);
}

/** x / scale, f of it, times scale; scales have no gradient. */
function scaled(x: Tensor, scale: Operand, f: (u: Tensor) => Tensor): Tensor {
  if (scale === 1) return f(x);
  const fixed = typeof scale === 'number' ? scale : stopGradient(scale);
  return mul(f(div(x, fixed)), fixed);
}

/**
 * The soft function, to train with.
 *
 * @param bits 2, 3 or 4
 * @param temperature positive; a tensor where it changes during training
 * @param scale the largest level, best a power of two; broadcasts to x
 * @example
 * const y = softShift(new Graph().input('x', [2]), 3, 20);
 * Array.from(evaluate({ y }, { x: [0.125, 0.2] }).y, (v) => v.toFixed(5)); // => ["0.12500", "0.24938"]
 */
export function softShift(x: Tensor, bits: number, temperature: Operand, scale: Operand = 1): Tensor {
  return scaled(x, scale, (u) =>
    overSteps(bits, ({ gap, threshold }) => {
      const rising = sigmoid(mul(sub(u, threshold), perGap(temperature, gap)));
      const falling = sigmoid(mul(sub(neg(u), threshold), perGap(temperature, gap)));
      return mul(sub(rising, falling), gap);
    }),
  );
}

const perGap = (temperature: Operand, gap: number): Operand =>
  typeof temperature === 'number' ? temperature / gap : div(temperature, gap);

/**
 * The hard function, to evaluate with: the nearest level, ties to the larger magnitude. No gradient.
 *
 * @example
 * const y = hardShift(new Graph().input('x', [3]), 3);
 * Array.from(evaluate({ y }, { x: [0.125, -0.3, 1.4] }).y); // => [0.25, -0.25, 1]
 */
export function hardShift(x: Tensor, bits: number, scale: Operand = 1): Tensor {
  return scaled(stopGradient(x), scale, (u) =>
    overSteps(bits, ({ gap, threshold }) =>
      mul(sub(greaterEqual(u, threshold), greaterEqual(neg(u), threshold)), gap),
    ),
  );
}
