/**
 * Values with a gradient that is not their derivative: the building block of trainable quantizers. Everything is made of
 * graph operations, so that every engine trains it.
 */
import {
  add,
  greaterEqual,
  maximum,
  mul,
  type Operand,
  slice,
  stopGradient,
  sub,
  type Tensor,
} from '../../graph/index.js';

const fixed = (operand: Operand): Operand => (typeof operand === 'number' ? operand : stopGradient(operand));

/** 0, whose gradient with respect to x is the slope times the incoming gradient. */
function gradientOnly(x: Tensor, slope: Operand): Tensor {
  return mul(sub(x, stopGradient(x)), fixed(slope));
}

/**
 * `value`, with the gradient `slope * g` for each given tensor and none for what the value was computed from.
 *
 * @param shares tensors with the slope of each; slopes broadcast to the value, gradients sum over what was broadcast
 * @example
 * const graph = new Graph();
 * const x = graph.input('x', [2]);
 * const [dx] = gradients(sum(surrogate(sign(x), [[x, 0.5]])), [x]);
 * Array.from(evaluate({ dx }, { x: [3, -4] }).dx); // => [0.5, 0.5]
 */
export function surrogate(value: Tensor, shares: readonly (readonly [Tensor, Operand])[]): Tensor {
  return shares.reduce((sum, [x, slope]) => add(sum, gradientOnly(x, slope)), stopGradient(value));
}

/** 1 where x > bound, else 0; no gradient. */
export const greater = (x: Operand, bound: Operand): Tensor => sub(1, greaterEqual(bound, x));

/** 1 where low <= x <= high, else 0; no gradient. */
export const within = (x: Tensor, low: Operand, high: Operand): Tensor =>
  mul(greaterEqual(x, low), greaterEqual(high, x));

/**
 * Largest value along the last axis, which stays with extent 1; no gradient. Halves are compared until one is left.
 *
 * @example
 * const x = new Graph().input('x', [2, 3]);
 * Array.from(evaluate({ most: largestAlongRows(x) }, { x: [1, 5, 2, -3, -1, -2] }).most); // => [5, -1]
 */
export function largestAlongRows(x: Tensor): Tensor {
  let rest = stopGradient(x);
  const leading = x.shape.slice(0, -1);
  const origin = leading.map(() => 0);
  for (let extent = x.shape.at(-1) as number; extent > 1; extent = Math.ceil(extent / 2)) {
    // The halves of an odd extent share the middle.
    const half = Math.ceil(extent / 2);
    rest = maximum(
      slice(rest, [...origin, 0], [...leading, half]),
      slice(rest, [...origin, extent - half], [...leading, half]),
    );
  }
  return rest;
}
