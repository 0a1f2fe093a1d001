/**
 * Stochastic rounding in a graph: a whole number of steps, up with the probability of the fraction, so that the mean over
 * draws is the value itself. Draws come in as a tensor of uniform numbers in [0, 1). Used for weights without a float copy
 * (DQT) and as a surrogate of rounding; straight-through within the range.
 */
import {
  add,
  div,
  greaterEqual,
  maximum,
  minimum,
  mul,
  stopGradient,
  straightThroughRound,
  sub,
  type Tensor,
} from '../../graph/index.js';
import { surrogate, within } from './surrogate.js';

/**
 * x on the grid of a step.
 *
 * @param step positive, broadcasts to x
 * @param uniform draws in [0, 1), of x's shape
 * @param grid least and largest whole number of steps
 * @example
 * const graph = new Graph();
 * const [x, step, uniform] = [graph.input('x', [3]), graph.input('step', []), graph.input('uniform', [3])];
 * const y = stochasticRound(x, step, uniform, { low: -4, high: 3 });
 * Array.from(evaluate({ y }, { x: [2.25, 2.25, 9], step: [1], uniform: [0.2, 0.3, 0.5] }).y); // => [3, 2, 3]
 */
export function stochasticRound(
  x: Tensor,
  step: Tensor,
  uniform: Tensor,
  { low, high }: { readonly low: number; readonly high: number },
): Tensor {
  const size = stopGradient(step);
  const u = div(stopGradient(x), size);
  const inside = minimum(maximum(u, low), high);
  const nearest = straightThroughRound(inside);
  const below = sub(nearest, sub(1, greaterEqual(inside, nearest)));
  const up = sub(1, greaterEqual(uniform, sub(inside, below)));
  return surrogate(mul(add(below, up), size), [[x, within(u, low, high)]]);
}
